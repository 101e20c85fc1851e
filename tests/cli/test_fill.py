from __future__ import annotations

import json
import math
import subprocess

import numpy as np
import pytest

from lmctl.query.filling import Filler
from lmctl.query.model import load

TEXT = "the ___ sat on the mat ."


@pytest.fixture(scope="session")
def fillings(bundle):
    """`fillings(text, **options)`: the answer of the library."""
    model = load(bundle)
    return lambda text, **options: Filler(model, **options).answer(text)


# Formats


def test_a_pipe_gets_words_and_probabilities_a_line_for_each_text(call, bundle, fillings):
    finished = call("fill", "-m", bundle, "-k", "2", TEXT, "___")

    assert (finished.code, finished.err) == (0, "")
    assert finished.lines == [
        " ".join(f"{found.word} {found.prob:.6g}" for found in fillings(text, k=2).predictions)
        for text in (TEXT, "___")
    ]
    words = call("fill", "-m", bundle, "-k", "2", "--format", "words", TEXT).out
    assert words == " ".join(found.word for found in fillings(TEXT, k=2).predictions) + "\n"


def test_tsv_has_logs_and_says_whether_the_answer_is_exact(call, bundle, fillings):
    finished = call("fill", "-m", bundle, "-k", "2", "--format", "tsv", "--limit", "3", TEXT)

    answer = fillings(TEXT, k=2, limit=3)
    assert not answer.exact
    assert finished.rows[0] == ["line", "rank", "word", "logprob", "lower_logprob", "exact", "unseen"]
    assert finished.rows[1:] == [
        [
            "1",
            str(rank),
            found.word,
            f"{found.logprob:.6f}",
            f"{found.lower_logprob:.6f}",
            "0",
            f"{answer.unseen:.6g}",
        ]
        for rank, found in enumerate(answer.predictions, start=1)
    ]
    whole = call("fill", "-m", bundle, "--format", "tsv", "--no-header", "-k", "1", TEXT)
    assert whole.rows[0][-2:] == ["1", "0"]


def test_jsonl_has_everything(call, bundle, fillings):
    finished = call("fill", "-m", bundle, "-k", "1", "--json", "--limit", "2", "the zebra ___ mat")

    answer = fillings("the zebra ___ mat", k=1, limit=2)
    record = json.loads(finished.out)
    (found,) = answer.predictions
    assert record == {
        "line": 1,
        "text": "the zebra ___ mat",
        "oov": ["zebra"],
        "exact": False,
        "candidates": 7,
        "scored": 2,
        "unseen": answer.unseen,
        "predictions": [
            {
                "word": found.word,
                "prob": found.prob,
                "logprob": found.logprob,
                "lower_prob": found.lower_prob,
                "lower_logprob": found.lower_logprob,
            }
        ],
    }


def test_plain_and_words_end_with_the_unseen_probability_after_a_limit(call, bundle, fillings):
    arguments = ("fill", "-m", bundle, "-k", "2", "--limit", "3", TEXT)

    unseen = fillings(TEXT, k=2, limit=3).unseen
    assert call(*arguments).out.split()[-2:] == ["<unseen>", f"{unseen:.6g}"]
    assert call(*arguments, "--format", "words").out.split()[-1] == "<unseen>"


def test_on_a_terminal_the_answers_are_a_table(on_terminal, bundle, fillings):
    code, shown = on_terminal("fill", "-q", "-m", bundle, "-k", "1", "--limit", "2", "the zebra ___")

    lines = [line.rstrip() for line in shown.splitlines()]
    answer = fillings("the zebra ___", k=1, limit=2)
    (found,) = answer.predictions
    assert (code, lines[0]) == (0, "the zebra ___")
    assert lines[2].split()[:2] == [found.word, f"{found.prob:.4f}"]
    assert lines[3] == "not in the vocabulary: zebra"
    assert " ".join(lines[4:6]).strip() == (
        f"not exact: 2 of 7 candidates were scored; the others have the prior probability {answer.unseen:.4g}"
    )


# Texts


def test_lines_of_standard_input_and_of_a_file_are_answered_as_arguments_are(lmctl, call, bundle, write):
    texts = b"the ___ sat\n___ .\r\n"
    expected = call("fill", "-m", bundle, "the ___ sat", "___ .").out

    piped = lmctl("fill", "-m", bundle, stdin=texts)

    assert (piped.code, piped.out, piped.err) == (0, expected, "")
    assert call("fill", "-m", bundle, "-f", write("texts.txt", texts)).out == expected


def test_a_line_without_a_gap_is_named_after_the_lines_before_it_are_answered(lmctl, bundle):
    finished = lmctl("fill", "-m", bundle, stdin=b"the ___ sat\nthe cat sat\n___\n")

    assert finished.code == 65
    assert len(finished.lines) == 1
    assert finished.err == (
        "lmctl: standard input: line 2: no gap in 'the cat sat'; expected one ___, where the word is missing\n"
    )


def test_a_text_without_one_gap_is_a_mistake_in_the_command_line(call, bundle):
    finished = call("fill", "-m", bundle, "the ___ sat", "___ on ___")

    assert (finished.code, finished.out) == (2, "")
    assert finished.err == ("lmctl: TEXT 2: 2 gaps in '___ on ___'; expected one ___, where the word is missing\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--blank", "", "the ___"), "the marker of the gap is ''; expected characters without white space"),
        (("--candidate", "a b", "the ___"), "--candidate: expected one word, got 'a b'"),
        (("--candidate", "yak", "the ___"), "none of the 1 candidates is in the model's vocabulary"),
        (("--limit", "0", "the ___"), "--limit: expected a whole number of at least 1, got 0"),
        (("--limit", "2", "--full", "the ___"), "--full and --limit contradict each other"),
        (("-f", "texts.txt", "the ___"), "TEXT and -f both give texts; use one of them"),
    ],
)
def test_a_wrong_command_line_is_one_line(call, bundle, arguments, message):
    finished = call("fill", "-m", bundle, *arguments)

    assert (finished.code, finished.out, finished.err) == (2, "", f"lmctl: {message}\n")


def test_candidates_are_words_of_the_command_line_and_of_a_file(call, bundle, write):
    both = call("fill", "-m", bundle, "--candidate", "dog", "--candidates", write("words.txt", b"cat\n"), TEXT)

    assert both.out == call("fill", "-m", bundle, "--candidate", "cat", "--candidate", "dog", TEXT).out
    words, probs = both.out.split()[::2], list(map(float, both.out.split()[1::2]))
    assert set(words) == {"cat", "dog"}
    assert sum(probs) == pytest.approx(1.0, abs=1e-5)


def test_full_scores_every_candidate(call, bundle):
    record = json.loads(call("fill", "-m", bundle, "--full", "-k", "1", "--json", TEXT).out)

    assert (record["exact"], record["scored"], record["unseen"]) == (True, 7, 0.0)


def test_a_writer_that_waits_for_each_answer_gets_it(command, clean_environment, bundle, call):
    expected = call("fill", "-m", bundle, TEXT).out.encode()
    with subprocess.Popen(
        [*command, "fill", "-m", str(bundle)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        for _ in range(3):
            process.stdin.write(f"{TEXT}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline() == expected
        process.stdin.close()


# Which text affects a word's probability


def test_n_grams_and_mixtures_fill_by_the_probability_of_the_whole_sentence(call, counted, mixture):
    for folder in (counted, mixture):
        model = load(folder)
        words = model.vocabulary.words[2:]
        totals = np.array([model.score(f"the dog {word} on the mat .").total_log_prob for word in words])
        best = int(totals.argmax())

        finished = call("fill", "-m", folder, "--json", "-k", str(len(words)), "the dog ___ on the mat .")

        record = json.loads(finished.out)
        (first, *_) = record["predictions"]
        assert (first["word"], words[best]) == ("sat", "sat")
        assert first["logprob"] == pytest.approx(totals[best] - np.logaddexp.reduce(totals), abs=1e-5)
        assert math.fsum(found["prob"] for found in record["predictions"]) == pytest.approx(1.0)
