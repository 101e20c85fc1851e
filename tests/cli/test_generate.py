from __future__ import annotations

import json
import subprocess

import pytest

from lmctl.query.model import load


@pytest.fixture(scope="session")
def generated(bundle):
    """`generated(prompt, **options)`: the texts of the library."""
    model = load(bundle)
    return lambda prompt, **options: model.generate(prompt, **{"seed": 1, **options})


# Formats


def test_a_pipe_gets_a_line_for_each_sentence(call, bundle, generated):
    finished = call("generate", "-m", bundle, "--seed", "1", "-n", "3", "the cat")

    assert (finished.code, finished.err) == (0, "")
    assert finished.lines == [text.text for text in generated("the cat", samples=3)]
    assert all(line.startswith("the cat") for line in finished.lines)


def test_texts_of_several_sentences_have_a_blank_line_between_them(call, bundle, generated):
    arguments = ("generate", "-m", bundle, "--seed", "1", "-n", "2", "--sentences", "3", "the")

    expected = "\n\n".join(text.text for text in generated("the", samples=2, sentences=3)) + "\n"
    assert call(*arguments).out == expected
    assert call(*arguments, "--stream").out == expected


def test_tsv_has_a_row_for_each_text(call, bundle, generated):
    finished = call("generate", "-m", bundle, "--seed", "1", "-n", "2", "--words", "9", "--format", "tsv", "the")

    assert finished.rows == [
        ["line", "sample", "logprob", "ended_by", "text"],
        *(
            ["1", str(text.sample), f"{text.logprob:.6f}", text.ended_by, text.text.replace("\n", "\\n")]
            for text in generated("the", samples=2, words=9)
        ),
    ]
    without = call("generate", "-m", bundle, "--format", "tsv", "--no-header", "--temperature", "0", "the")
    assert [row[:2] for row in without.rows] == [["1", "1"]]


def test_jsonl_has_everything(call, bundle, generated):
    finished = call("generate", "-m", bundle, "--seed", "1", "--json", "the zebra")

    (text,) = generated("the zebra")
    assert json.loads(finished.out) == {
        "line": 1,
        "sample": 1,
        "prompt": "the zebra",
        "oov": ["zebra"],
        "text": text.text,
        "tokens": text.tokens,
        "logprob": text.logprob,
        "ended_by": text.ended_by,
        "seed": 1,
    }


def test_every_option_of_sampling_reaches_the_library(call, bundle, generated):
    options = (
        "--temperature",
        "0.5",
        "--top-k",
        "4",
        "--top-p",
        "0.9",
        "--min-p",
        "0.1",
        "--no-repeat-ngram",
        "2",
    )
    finished = call("generate", "-m", bundle, "--seed", "1", "--words", "20", "--stop", "dog", *options, "the")

    expected = generated(
        "the", words=20, stop=["dog"], temperature=0.5, top_k=4, top_p=0.9, min_p=0.1, no_repeat_ngram=2
    )
    assert finished.out == expected[0].text + "\n"


def test_a_beam_search_prints_the_best_texts_first(call, bundle, generated):
    finished = call("generate", "-m", bundle, "--beam", "4", "-n", "3", "--words", "5", "--sentences", "1", "the")

    expected = generated("the", beam=4, samples=3, words=5, sentences=1, seed=None)
    assert finished.lines == [text.text for text in expected]
    assert [text.logprob for text in expected] == sorted((text.logprob for text in expected), reverse=True)


def test_tokens_have_spaces_between_them(call, make_bundle, tmp_path):
    folder = make_bundle(tmp_path / "bundle", words=["编程", "艺术", "。"], segmenter="jieba")
    arguments = ("generate", "-m", folder, "--seed", "1", "--words", "5", "--sentences", "1", "编程艺术")

    assert call(*arguments, "--tokens").out.startswith("编程 艺术 ")
    assert call(*arguments).out == call(*arguments, "--tokens").out.replace(" ", "")


# Prompts


def test_lines_of_standard_input_and_of_a_file_are_prompts(lmctl, call, bundle, write):
    prompts = b"the cat\n\nsat on\r\n"
    options = ("generate", "-m", bundle, "--seed", "1", "--words", "6", "--tokens")
    expected = call(*options, "the cat", "", "sat on").out

    piped = lmctl(*options, stdin=prompts)

    assert (piped.code, piped.out, piped.err) == (0, expected, "")
    assert call(*options, "-f", write("prompts.txt", prompts)).out == expected


def test_on_a_terminal_without_a_prompt_a_text_is_generated(on_terminal, bundle, call, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)

    assert (
        call("generate", "-m", bundle, "--seed", "1").out == call("generate", "-m", bundle, "--seed", "1", "").out
    )
    code, shown = on_terminal("generate", "-q", "-m", bundle, "--seed", "1", "the cat")
    assert (code, shown) == (0, call("generate", "-m", bundle, "--seed", "1", "the cat").out)


def test_a_prompt_is_answered_before_the_next_one_arrives(command, bundle, clean_environment):
    process = subprocess.Popen(
        [*command, "generate", "-m", str(bundle), "--temperature", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    )
    for prompt in (b"the cat", b"sat"):
        process.stdin.write(prompt + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(prompt)
    process.communicate()


def test_a_reader_that_closes_the_pipe_ends_an_endless_text(command, bundle, clean_environment):
    process = subprocess.Popen(
        [*command, "generate", "-m", str(bundle), "--stream", "--words", "100000000", "the"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    process.stdout.readline()
    process.stdout.close()

    assert (process.wait(), process.stderr.read()) == (141, b"")
    process.stderr.close()


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--temperature", "-1", "the"), "--temperature: expected a number of at least 0, got -1"),
        (("--top-k", "0", "the"), "--top-k: expected a whole number of at least 1, got 0"),
        (("--top-p", "0", "the"), "--top-p: expected a number above 0 and at most 1, got 0"),
        (("--top-p", "1.5", "the"), "--top-p: expected a number above 0 and at most 1, got 1.5"),
        (("--min-p", "2", "the"), "--min-p: expected a number from 0 to 1, got 2"),
        (("--words", "0", "the"), "--words: expected a whole number of at least 1, got 0"),
        (
            ("--beam", "9", "the"),
            "the beam is 9; expected a whole number from 1 to 8, the size of the vocabulary without <unk>",
        ),
        (
            ("--beam", "2", "--top-p", "0.5", "the"),
            "--beam and --top-p contradict each other: a beam search draws nothing; leave out one of them",
        ),
        (
            ("--beam", "2", "--seed", "5", "the"),
            "--beam and --seed contradict each other: a beam search draws nothing; leave out one of them",
        ),
        (
            ("--beam", "2", "--stream", "the"),
            "--stream and --beam contradict each other: a search is certain only at its end",
        ),
        (("--stream", "--json", "the"), "--stream prints plain text, got --format jsonl; leave out one of them"),
        (
            ("--stop", "zebra", "the"),
            "the stop 'zebra' would never come: 'zebra' is not in the model's vocabulary",
        ),
        (
            ("the", "zebra gnu"),
            (
                "PROMPT 2: no word of the prompt 'zebra gnu' is in the model's vocabulary; give a prompt of known "
                "words, or an empty one"
            ),
        ),
        (("--top-kk", "3"), "no such option --top-kk; did you mean --top-k?"),
        (("--max-new-tokens", "3"), "no such option --max-new-tokens; did you mean --words?"),
        (("--num-return-sequences", "3"), "no such option --num-return-sequences; did you mean --samples?"),
    ],
)
def test_a_mistake_is_one_line_before_any_text(call, bundle, arguments, message):
    finished = call("generate", "-m", bundle, *arguments)

    assert (finished.code, finished.out, finished.err) == (2, "", f"lmctl: {message}\n")


def test_an_argument_that_is_not_utf8_is_named_by_its_name_in_the_help(lmctl, bundle):
    for command, argument in (
        ("generate", "PROMPT"),
        ("neighbors", "WORD"),
        ("rank", "SENTENCE"),
        ("predict", "TEXT"),
    ):
        finished = lmctl(command, "-m", bundle, b"the", b"ca\xff")

        assert (finished.code, finished.out) == (65, "")
        assert finished.err == f"lmctl: {argument} 2: byte 2: not valid UTF-8 (0xff)\n"


def test_a_line_that_cannot_be_read_is_named_after_the_texts_of_the_lines_before(lmctl, bundle):
    finished = lmctl("generate", "-m", bundle, "--temperature", "0", stdin=b"the\ncat sat\nzebra\nsat\n")

    assert finished.code == 65
    assert [line.split()[0] for line in finished.lines] == ["the", "cat"]
    assert finished.err == (
        "lmctl: standard input: line 3: no word of the prompt 'zebra' is in the model's vocabulary; give a prompt "
        "of known words, or an empty one\n"
    )


def test_a_model_that_fills_gaps_is_refused_in_one_line(call, make_bundle, tmp_path):
    finished = call("generate", "-m", make_bundle(tmp_path / "masked", family="masked"), "the")

    assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
    assert finished.err.endswith("it fills gaps: `lmctl fill`\n")
