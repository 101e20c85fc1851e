"""`lmctl eval`: the figures, in the formats of three toolkits."""

from __future__ import annotations

import json
import math
import re
import subprocess

import numpy as np
import pytest

import lmctl as api
from lmctl.families import load_language_model
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.store.bundle import open_bundle

TEXT = b"the cat sat on the mat .\nthe zebra sat\n\ndog\n"

# What a KenLM user's scripts look for in the output of `query`.
KENLM = {
    "including": r"^Perplexity including OOVs:\t(\S+)$",
    "excluding": r"^Perplexity excluding OOVs:\t(\S+)$",
    "oovs": r"^OOVs:\t(\d+)$",
    "tokens": r"^Tokens:\t(\d+)$",
}
# And an SRILM user's in that of `ngram -ppl`.
SRILM_COUNTS = re.compile(r"^file (\S+): (\d+) sentences, (\d+) words, (\d+) OOVs$", re.MULTILINE)
SRILM_FIGURES = re.compile(r"^(\d+) zeroprobs, logprob= (\S+) ppl= (\S+) ppl1= (\S+)$", re.MULTILINE)


@pytest.fixture
def text(write):
    return write("text.txt", TEXT)


@pytest.fixture(scope="module")
def scores(bundle):
    """The sentences' scores by the Python API."""
    model = api.load(bundle)
    return [model.score(line) for line in TEXT.decode().split("\n") if line]


def summary(call, *arguments):
    """The only JSON object of `eval --json`."""
    finished = call("eval", "--json", *arguments)
    assert (finished.code, finished.err) == (0, "")
    return json.loads(finished.out)


def log10(nats) -> float:
    return float(nats) / math.log(10)


def test_json_summary_has_every_figure_of_the_scores(call, bundle, text, scores):
    found = summary(call, "-m", bundle, text)

    total = sum(score.total_log_prob for score in scores)
    oov = float(scores[1].log_probs[1])
    assert found == {
        "level": "summary",
        "file": str(text),
        "model": str(bundle),
        "sentences": 3,
        "words": 11,
        "oov": 1,
        "tokens": 14,
        "oov_rate": pytest.approx(1 / 11),
        "characters": sum(len(line) + 1 for line in TEXT.decode().split("\n") if line),
        "logprob10": pytest.approx(log10(total)),
        "logprob10_excluding_oov": pytest.approx(log10(total - oov)),
        "perplexity": pytest.approx(math.exp(-total / 14)),
        "perplexity_excluding_oov": pytest.approx(math.exp(-(total - oov) / 13)),
        "zeroprobs": 0,
        "srilm_logprob10": pytest.approx(log10(total - oov)),
        "srilm_ppl": pytest.approx(math.exp(-(total - oov) / 13)),
        "ppl1": pytest.approx(math.exp(-(total - oov) / 10)),
        "cross_entropy_nats": pytest.approx(-total / 14),
        "bits_per_character": found["bits_per_character"],
        "accuracy": None,
        "mean_reciprocal_rank": None,
        "vocabulary_size": 9,
        "state": "reset",
        "cache": 0,
    }
    assert found["bits_per_character"] > -total / math.log(2) / found["characters"]


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary(call, uniform, write):
    found = summary(call, "-m", uniform, write("known.txt", b"the cat sat on the mat\n"))

    assert found["perplexity"] == pytest.approx(9.0)
    assert found["cross_entropy_nats"] == pytest.approx(math.log(9))
    assert found["bits_per_character"] == pytest.approx(7 * math.log2(9) / 23)


def test_kenlm_summary_is_read_by_a_kenlm_users_expressions(call, bundle, text):
    finished = call("eval", "-m", bundle, "--format", "kenlm", text)

    found = {name: re.search(pattern, finished.out, re.MULTILINE).group(1) for name, pattern in KENLM.items()}
    # KenLM's query answers the blank line, too.
    figures = summary(call, "-m", bundle, "--blank-lines", "keep", text)
    assert len(finished.lines) == 4
    assert found == {
        "including": f"{figures['perplexity']:.10g}",
        "excluding": f"{figures['perplexity_excluding_oov']:.10g}",
        "oovs": "1",
        "tokens": "15",
    }


def test_kenlm_sentences_and_words_add_up_to_the_summary(call, bundle, text, scores):
    sentences = call("eval", "-m", bundle, "--format", "kenlm", "--level", "sentence", text)
    words = call("eval", "-m", bundle, "--format", "kenlm", "--level", "word", text)

    # A line for every line of the text, so that `paste` puts them side by side: the third one is blank.
    assert [sentences.lines[place] for place in (0, 1, 3)] == [
        f"Total: {log10(score.total_log_prob):.6g} OOV: {score.oov}" for score in scores
    ]
    assert len(sentences.lines) == len(words.lines) == 4 + 4
    assert words.lines[2].startswith("</s>=1 2 ")
    assert sentences.lines[4:] == words.lines[4:]
    *tokens, total = words.lines[1].split("\t")
    assert total == sentences.lines[1]
    assert [token.split(" ")[:2] for token in tokens] == [
        ["the=2", "2"],
        ["zebra=0", "3"],
        ["sat=4", "4"],
        ["</s>=1", "5"],
    ]
    assert [token.split(" ")[2] for token in tokens] == [f"{log10(nats):.6g}" for nats in scores[1].log_probs]


def test_srilm_summary_follows_srilms_formulas(call, bundle, text, scores):
    finished = call("eval", "-m", bundle, "--format", "srilm", text)

    name, sentences, words, oovs = SRILM_COUNTS.search(finished.out).groups()
    zeroprobs, logprob, ppl, ppl1 = map(float, SRILM_FIGURES.search(finished.out).groups())
    assert len(finished.lines) == 2
    assert (name, sentences, words, oovs, zeroprobs) == (str(text), "3", "11", "1", 0)
    known = sum(score.total_log_prob for score in scores) - float(scores[1].log_probs[1])
    assert logprob == pytest.approx(log10(known), rel=1e-5)
    assert ppl == pytest.approx(10 ** (-logprob / (11 - 1 + 3)), rel=1e-4)
    assert ppl1 == pytest.approx(10 ** (-logprob / (11 - 1)), rel=1e-4)


def test_srilm_words_are_as_debug_2_prints_them(call, bundle, text, scores):
    finished = call("eval", "-m", bundle, "--format", "srilm", "--level", "word", text)

    known = [f"{math.exp(nats):.6g} [ {log10(nats):.6g} ]" for nats in scores[1].log_probs]
    start = finished.lines.index("the zebra sat")
    assert finished.lines[start + 1 : start + 6] == [
        f"\tp( the | <s> ) \t= [2gram] {known[0]}",
        "\tp( <unk> | the ...) \t= [OOV] 0 [ -inf ]",
        f"\tp( sat | <unk> ...) \t= [4gram] {known[2]}",
        f"\tp( </s> | sat ...) \t= [5gram] {known[3]}",
        "1 sentences, 3 words, 1 OOVs",
    ]
    assert len(SRILM_FIGURES.findall(finished.out)) == 3 + 1


def test_srilm_sentences_have_their_own_figures(call, bundle, text):
    finished = call("eval", "-m", bundle, "--format", "srilm", "--level", "sentence", text)

    blocks = finished.out.split("\n\n")
    assert [block.split("\n")[0] for block in blocks[:3]] == ["the cat sat on the mat .", "the zebra sat", "dog"]
    assert blocks[2].split("\n")[1] == "1 sentences, 1 words, 0 OOVs"
    _, logprob, ppl, ppl1 = map(float, SRILM_FIGURES.search(blocks[2]).groups())
    assert (ppl, ppl1) == (pytest.approx(10 ** (-logprob / 2), rel=1e-4), pytest.approx(10**-logprob, rel=1e-4))
    assert SRILM_COUNTS.match(blocks[3])


def test_a_text_of_oovs_alone_has_no_ppl1(call, bundle, write):
    text = write("unknown.txt", b"zebra\nyak\n")

    finished = call("eval", "-m", bundle, "--format", "srilm", text)

    assert finished.lines[1].endswith(" ppl1= undefined")
    found = summary(call, "-m", bundle, text)
    assert found["ppl1"] is None
    assert (found["oov"], found["oov_rate"]) == (2, 1.0)
    rows = call("eval", "-m", bundle, "--format", "tsv", text).rows
    assert dict(zip(*rows, strict=True))["ppl1"] == "inf"


def test_tsv_is_what_a_pipe_gets_a_row_for_each_text(call, bundle, text, write):
    other = write("other.txt", b"the dog\n")

    finished = call("eval", "-m", bundle, text, other)

    header, *rows = finished.rows
    assert header == [
        *(
            "file",
            "sentences",
            "words",
            "oov",
            "tokens",
            "oov_rate",
            "characters",
            "logprob10",
            "logprob10_excluding_oov",
            "perplexity",
        ),
        *("perplexity_excluding_oov", "zeroprobs", "srilm_logprob10", "srilm_ppl", "ppl1", "cross_entropy_nats"),
        *("bits_per_character", "mean_reciprocal_rank"),
        *("vocabulary_size", "state", "cache", "model"),
    ]
    assert [row[0] for row in rows] == [str(text), str(other)]
    for row, name in zip(rows, (text, other), strict=True):
        figures = summary(call, "-m", bundle, name)
        found = dict(zip(header, row, strict=True))
        assert found["perplexity"] == f"{figures['perplexity']:.6f}"
        assert found["logprob10"] == f"{figures['logprob10']:.6f}"
        assert found["tokens"] == str(figures["tokens"])
        assert (found["mean_reciprocal_rank"], found["state"]) == ("", "reset")


def test_tsv_sentences(call, bundle, text, scores):
    finished = call("eval", "-m", bundle, "--level", "sentence", text)

    headings, *rows = finished.rows
    assert headings == ["file", "sentence", "line", "words", "oov", "logprob10", "perplexity", "model"]
    for number, (row, score) in enumerate(zip(rows, scores, strict=True), start=1):
        # The third line is blank.
        line = {1: "1", 2: "2", 3: "4"}[number]
        assert row[:5] == [str(text), str(number), line, str(len(score.words)), str(score.oov)]
        # Six decimals each; the sentences were scored side by side, and `scores` one by one.
        assert all(re.fullmatch(r"-?\d+\.\d{6}", figure) for figure in row[5:7])
        assert row[7] == str(bundle)
        expected = [
            log10(score.total_log_prob),
            math.exp(-score.total_log_prob / len(score.token_ids)),
        ]
        assert [float(figure) for figure in row[5:7]] == pytest.approx(expected, rel=1e-5)


def test_tsv_words(call, bundle, text, scores):
    finished = call("eval", "-m", bundle, "--level", "word", text)

    assert finished.rows[0] == [
        *("file", "sentence", "line", "position", "word", "oov", "logprob10", "surprisal_bits", "rank", "model")
    ]
    assert len(finished.rows) == 1 + 14
    second = [row for row in finished.rows[1:] if row[1] == "2"]
    assert [row[3:6] for row in second] == [
        ["1", "the", "0"],
        ["2", "zebra", "1"],
        ["3", "sat", "0"],
        ["4", "</s>", "0"],
    ]
    assert [row[6] for row in second] == [f"{log10(nats):.6f}" for nats in scores[1].log_probs]
    # Surprisal is -log2 p (Shannon 1948; Hale 2001).
    assert [row[7] for row in second] == [f"{-float(nats) / math.log(2):.6f}" for nats in scores[1].log_probs]
    assert {row[8] for row in second} == {""}


def test_jsonl_levels_are_told_apart_and_nested(call, bundle, text, scores):
    finished = call("eval", "-m", bundle, "--json", "--level", "word", "--accuracy-at", "1", text)

    records = [json.loads(line) for line in finished.lines]
    words = [record for record in records if record["level"] == "word"]
    sentences = [record for record in records if record["level"] == "sentence"]
    assert [record["level"] for record in records[-3:]] == ["word", "sentence", "summary"]
    place = ["level", "file", "model", "sentence", "line"]
    assert list(words[0]) == [*place, "position", "word", "oov", "logprob", "surprisal_bits", "rank"]
    assert list(sentences[0]) == [*place, "words", "oov", "characters", "logprob"]
    assert [record["line"] for record in sentences] == [1, 2, 4]
    assert [record["logprob"] for record in words] == pytest.approx(
        [float(nats) for score in scores for nats in score.log_probs]
    )
    assert [record["logprob"] for record in sentences] == pytest.approx([score.total_log_prob for score in scores])
    assert all(1 <= record["rank"] <= 9 for record in words)


def test_sentences_are_counted_anew_in_each_text(call, bundle, write):
    first, second = write("first.txt", b"the\ncat\n"), write("second.txt", b"dog\n")

    finished = call("eval", "-m", bundle, "--level", "sentence", first, second)

    assert [row[:2] for row in finished.rows[1:]] == [[str(first), "1"], [str(first), "2"], [str(second), "1"]]


def test_a_table_shows_the_texts_side_by_side_and_fits_a_terminal(call, bundle, text, write, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    other = write("a-rather-long-name-of-another-text-file.txt", b"the dog\n" * 600)

    finished = call("eval", "-m", bundle, "--format", "table", "--accuracy-at", "1,5,10", text, other)

    figures = [summary(call, "-m", bundle, name) for name in (text, other)]
    assert max(map(len, finished.lines)) <= 80
    # Both ends of the names are there.
    assert f"{other}"[-8:] in finished.out
    assert f"{text}"[-8:] in finished.out
    for row in figures:
        shown = (f"{row['tokens']:,}", f"{100 * row['oov_rate']:.2f} %", f"{row['perplexity']:.2f}")
        assert " +".join(map(re.escape, shown))
        assert re.search(" +".join(map(re.escape, shown)), finished.out)
    for heading in ("perplexity", "character", "accuracy", "@1 ", "@5", "@10", "MRR"):
        assert heading in finished.out
    assert finished.lines[-1] == "vocabulary 9; state reset; perplexity includes OOVs as <unk>"


def test_accuracy_and_reciprocal_rank_follow_from_the_ranks(call, bundle, text):
    found = summary(call, "-m", bundle, "--accuracy-at", "5,1,3", text)
    rows = call("eval", "-m", bundle, "--level", "word", "--accuracy-at", "1", text).rows

    ranks = [int(row[8]) for row in rows[1:] if row[5] == "0"]  # an OOV is a miss
    assert len(ranks) == 13
    assert found["accuracy"] == {str(k): pytest.approx(sum(rank <= k for rank in ranks) / 14) for k in (1, 3, 5)}
    assert found["mean_reciprocal_rank"] == pytest.approx(sum(1 / rank for rank in ranks) / 14)
    header, row = call("eval", "-m", bundle, "--accuracy-at", "5,1", text).rows
    assert [name for name in header if name.startswith("accuracy")] == ["accuracy@1", "accuracy@5"]
    assert row[header.index("accuracy@5")] == f"{found['accuracy']['5']:.6f}"


def test_ties_count_against_the_model(call, uniform, write):
    found = summary(call, "-m", uniform, "--accuracy-at", "8,9", write("known.txt", b"the cat\n"))

    assert found["accuracy"] == {"8": 0.0, "9": 1.0}
    assert found["mean_reciprocal_rank"] == pytest.approx(1 / 9)


def test_carry_scores_each_line_after_the_one_before(call, bundle, text):
    reset = summary(call, "-m", bundle, text)
    carry = summary(call, "-m", bundle, "--state", "carry", text)

    assert (reset["state"], carry["state"]) == ("reset", "carry")
    assert carry["tokens"] == reset["tokens"]
    assert carry["perplexity"] != pytest.approx(reset["perplexity"], rel=1e-4)
    levels = [
        [
            float(row[5])
            for row in call("eval", "-m", bundle, "--level", "sentence", "--state", mode, text).rows[1:]
        ]
        for mode in ("reset", "carry")
    ]
    assert levels[0][0] == levels[1][0]
    assert levels[0][1] != levels[1][1]


def test_blank_lines_are_sentences_when_kept(call, bundle, text):
    dropped = summary(call, "-m", bundle, text)
    kept = summary(call, "-m", bundle, "--blank-lines", "keep", text)

    assert (kept["sentences"], kept["tokens"]) == (dropped["sentences"] + 1, dropped["tokens"] + 1)
    assert kept["words"] == dropped["words"]


def test_metrics_are_also_written_as_one_json_document(call, bundle, text, write, tmp_path):
    other = write("other.txt", b"the dog\n")
    finished = call("eval", "-m", bundle, "-o", tmp_path / "metrics.json", "--format", "srilm", text, other)

    document = json.loads((tmp_path / "metrics.json").read_text())
    assert len(finished.lines) == 4
    assert document["models"] == {str(bundle): str(bundle)}
    for found, name in zip(document["texts"], (text, other), strict=True):
        expected = summary(call, "-m", bundle, name)
        del expected["level"]
        assert found == expected


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_standard_input_is_scored_as_a_file_is(lmctl, call, bundle, text, arguments):
    finished = lmctl("eval", "-m", bundle, "--json", *arguments, stdin=TEXT)

    found = json.loads(finished.out)
    assert (finished.code, finished.err) == (0, "")
    assert found == summary(call, "-m", bundle, text) | {"file": "-"}


@pytest.mark.parametrize("stdin", [b"", b"\n  \n"])
def test_nothing_to_score_is_bad_data_and_no_figure(lmctl, bundle, stdin):
    finished = lmctl("eval", "-m", bundle, "--format", "srilm", stdin=stdin)

    assert (finished.code, finished.out) == (65, "")
    assert finished.err == "lmctl: standard input: nothing to score; expected text, a sentence a line\n"


@pytest.mark.parametrize(("limit", "code"), [("9.01", 0), ("8.99", 3)])
def test_a_perplexity_above_the_limit_is_exit_3_after_the_figures(lmctl, uniform, limit, code):
    finished = lmctl(
        "eval", "-m", uniform, "--max-perplexity", limit, "--format", "kenlm", "-", stdin=b"the cat\n"
    )

    assert finished.code == code
    assert finished.lines[0].startswith("Perplexity including OOVs:\t9")
    assert finished.err == ("" if code == 0 else "lmctl: -: perplexity 9.00 is above --max-perplexity 8.99\n")


def test_any_text_above_the_limit_fails_and_metrics_are_written_still(call, bundle, write, tmp_path):
    texts = [write("one.txt", b"the cat\n"), write("two.txt", b"zebra yak dog\n")]
    perplexities = [summary(call, "-m", bundle, text)["perplexity"] for text in texts]
    limit = sum(perplexities) / 2

    finished = call("eval", "-m", bundle, *texts, "--max-perplexity", str(limit), "-o", tmp_path / "metrics.json")

    worst = texts[perplexities.index(max(perplexities))]
    assert finished.code == 3
    assert finished.err.startswith(f"lmctl: {worst}: perplexity ")
    assert len(json.loads((tmp_path / "metrics.json").read_text())["texts"]) == 2


def test_gb18030_by_name(call, make_bundle, write, tmp_path):
    bundle = make_bundle(tmp_path / "zh", words=("我", "爱", "编", "程"), segmenter="char")

    found = [
        summary(call, "-m", bundle, write("utf8.txt", "我爱编程\n".encode())),
        summary(call, "-m", bundle, "--encoding", "gb18030", write("gb.txt", "我爱编程\n".encode("gb18030"))),
    ]

    assert found[0]["words"] == 4
    assert found[0] | {"file": ""} == found[1] | {"file": ""}


def test_a_file_whose_name_is_not_utf8_is_scored_and_named(lmctl, bundle, tmp_path):
    name = b"na\xefve.txt"
    (tmp_path / name.decode(errors="surrogateescape")).write_bytes(b"the cat\n")

    as_json = lmctl("eval", "-m", bundle, "--json", "-o", "metrics.json", name, cwd=tmp_path)

    assert (as_json.code, as_json.err) == (0, "")
    assert json.loads(as_json.out)["file"] == "na\\xefve.txt"
    assert json.loads((tmp_path / "metrics.json").read_text())["texts"][0]["file"] == "na\\xefve.txt"


def test_a_text_named_twice_is_numbered_from_one_twice(call, bundle, write):
    text = write("text.txt", b"the cat\nthe dog\n")

    finished = call("eval", "-m", bundle, "--level", "sentence", text, text)

    assert [row[1] for row in finished.rows[1:]] == ["1", "2", "1", "2"]


def test_figures_go_to_standard_output_under_its_usual_name(call, bundle, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = write("text.txt", b"the cat\n")

    finished = call("eval", "-m", bundle, "--format", "kenlm", "-o", "-", text)

    document = json.loads(finished.out[finished.out.index("{") :])
    assert document["texts"][0]["tokens"] == 3
    assert not (tmp_path / "-").exists()


def test_a_cache_gives_the_perplexity_that_it_has_by_hand(call, cached, text):
    bundle = open_bundle(cached)
    model = CachedLanguageModel(load_language_model(bundle), bundle.record.cache, 5)
    state = model.advance(model.null_state(1), np.array([[1]]))
    vocabulary, log_probs = bundle.vocabulary(), []
    for line in filter(None, TEXT.decode().split("\n")):
        for token_id in [*vocabulary.encode(line.split()), 1]:
            log_probs.append(float(model.log_probs(state)[0, token_id]))
            state = model.advance(state, np.array([[token_id]]))

    found = summary(call, "-m", cached, "--state", "carry", "--cache", "5", text)

    assert found["perplexity"] == pytest.approx(math.exp(-np.mean(log_probs)), rel=1e-5)
    without = summary(call, "-m", cached, "--state", "carry", text)
    assert abs(found["perplexity"] / without["perplexity"] - 1) > 1e-2


def test_a_cache_needs_a_text_to_remember_and_parameters(call, bundle, cached, text):
    for model, arguments, message in (
        (cached, ("--cache", "9"), "--cache needs --state carry; with --state reset,"),
        (bundle, ("--cache", "9", "--state", "carry"), f"{bundle}: no cache was tuned for this model: it had no"),
    ):
        finished = call("eval", "-m", model, *arguments, text)
        assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
        assert finished.err.startswith(f"lmctl: {message}")


# What KenLM (4cb443e) and SRILM (1.7.3, ngram -ppl -debug 2) print for this model and text. An n-gram that was
# found has 1 or 2 words; SRILM leaves out words of probability 0, and skips the blank line.
TOOLKITS_ARPA = r"""\data\
ngram 1=5
ngram 2=4

\1-grams:
-99	<s>	-0.2
-0.9	</s>
-0.6	red	-0.3
-0.5	fox	-0.1
-99	saw	-0.2

\2-grams:
-0.2	<s> red
-0.1	red fox
-0.3	fox saw
-99	fox red

\end\
"""
TOOLKITS_TEXT = b"red fox saw\n\nsaw red fox red\nblue fox blue\n"
KENLM_LINES = """\
red 2 -0.2	fox 2 -0.1	saw 2 -0.3	</s> 1 -1.1	Total: -1.7 OOV: 0
</s> 1 -1.1	Total: -1.1 OOV: 0
saw 1 -99.2	red 1 -0.8	fox 2 -0.1	red 2 -99	</s> 1 -1.2	Total: -200.3 OOV: 0
blue 1 -100.2	fox 1 -0.5	blue 1 -100.1	</s> 1 -0.9	Total: -201.69998 OOV: 2
""".splitlines()
SRILM_LINES = """\
red fox saw
	p( red | <s> ) 	= [2gram] 0.6309573 [ -0.2 ]
	p( fox | red ...) 	= [2gram] 0.7943282 [ -0.1 ]
	p( saw | fox ...) 	= [2gram] 0.5011872 [ -0.3 ]
	p( </s> | saw ...) 	= [1gram] 0.07943282 [ -1.1 ]
1 sentences, 3 words, 0 OOVs
0 zeroprobs, logprob= -1.7 ppl= 2.660725 ppl1= 3.686945

saw red fox red
	p( saw | <s> ) 	= [1gram] 0 [ -inf ]
	p( red | saw ...) 	= [1gram] 0.1584893 [ -0.8 ]
	p( fox | red ...) 	= [2gram] 0.7943282 [ -0.1 ]
	p( red | fox ...) 	= [2gram] 0 [ -inf ]
	p( </s> | red ...) 	= [1gram] 0.06309573 [ -1.2 ]
1 sentences, 4 words, 0 OOVs
2 zeroprobs, logprob= -2.1 ppl= 5.011872 ppl1= 11.22018

blue fox blue
	p( <unk> | <s> ) 	= [OOV] 0 [ -inf ]
	p( fox | <unk> ...) 	= [1gram] 0.3162278 [ -0.5 ]
	p( <unk> | fox ...) 	= [OOV] 0 [ -inf ]
	p( </s> | <unk> ...) 	= [1gram] 0.1258925 [ -0.9 ]
1 sentences, 3 words, 2 OOVs
0 zeroprobs, logprob= -1.4 ppl= 5.011872 ppl1= 25.11886

""".splitlines()


@pytest.fixture
def imported(call, write, tmp_path):
    """The model of TOOLKITS_ARPA."""
    call("import", write("toolkits.arpa", TOOLKITS_ARPA.encode()), "-o", tmp_path / "imported", "-q")
    return tmp_path / "imported"


def test_kenlms_format_is_what_kenlm_prints(call, imported, write):
    finished = call("eval", "-m", imported, "--format", "kenlm", "--level", "word", write("t", TOOLKITS_TEXT))

    assert [re.sub(r"=\d+ ", " ", line) for line in finished.lines[:4]] == KENLM_LINES
    # KenLM's own last digits are those of sums in float32.
    assert finished.lines[6:] == ["OOVs:\t2", "Tokens:\t14"]
    including, excluding = (float(line.split("\t")[1]) for line in finished.lines[4:6])
    assert including == pytest.approx(10 ** ((1.7 + 1.1 + 200.3 + 201.7) / 14), rel=1e-5)
    assert excluding == pytest.approx(10 ** ((1.7 + 1.1 + 200.3 + 1.4) / 12), rel=1e-5)


def test_srilms_format_is_what_srilm_prints(call, imported, write):
    text = write("t", TOOLKITS_TEXT)

    finished = call("eval", "-m", imported, "--format", "srilm", "--level", "word", text)

    for line, theirs in zip(finished.lines[:-2], SRILM_LINES, strict=True):
        numbers, expected = (re.findall(r"-?\d+\.\d+", each) for each in (line, theirs))
        assert re.sub(r"-?\d+\.\d+", "", line) == re.sub(r"-?\d+\.\d+", "", theirs)
        assert list(map(float, numbers)) == pytest.approx(list(map(float, expected)), rel=1e-6)
    assert finished.lines[-2:-1] == [f"file {text}: 3 sentences, 10 words, 2 OOVs"]
    assert SRILM_FIGURES.match(finished.lines[-1]).groups()[0] == "2"
    assert [float(figure) for figure in SRILM_FIGURES.match(finished.lines[-1]).groups()[1:]] == pytest.approx(
        [-5.2, 3.78249, 7.356423], rel=1e-6
    )


@pytest.mark.parametrize(("blank_lines", "answers"), [((), 4), (("--blank-lines", "drop"), 3)])
def test_kenlms_format_answers_blank_lines_unless_told_otherwise(call, imported, write, blank_lines, answers):
    text = write("t", TOOLKITS_TEXT)

    finished = call("eval", "-m", imported, "--format", "kenlm", "--level", "sentence", *blank_lines, text)

    assert len(finished.lines) == answers + 4


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (("--format", "kenlm", "--level", "sentence"), b"Total: "),
        (("--format", "kenlm", "--level", "word"), b"the=2 "),
        (("--format", "srilm", "--level", "sentence"), b"the cat\n"),
        (("--format", "tsv", "--level", "word"), b"file\t"),
        (("--json", "--level", "sentence"), b'{"level":"sentence"'),
    ],
)
def test_lines_are_answered_as_they_arrive(command, clean_environment, bundle, options, first):
    process = subprocess.Popen(
        [*command, "eval", "-m", str(bundle), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    )
    process.stdin.write(b"the cat\n")
    process.stdin.flush()

    # Read before the end of standard input is written: it would wait for ever if the answer did.
    answer = process.stdout.readline()

    assert answer.startswith(first)
    rest, _ = process.communicate(b"the dog\n")
    assert process.returncode == 0
    assert rest


def test_several_models_are_scored_side_by_side(call, bundle, uniform, text, write, tmp_path):
    other = write("other.txt", b"the dog\n")

    header, *rows = call("eval", "-m", bundle, "-m", uniform, text, other, "-o", tmp_path / "all.json").rows

    assert header[0] == "file"
    assert header[-1] == "model"
    place = header.index("perplexity")
    assert [(row[0], row[-1]) for row in rows] == [
        (str(name), str(model)) for name in (text, other) for model in (bundle, uniform)
    ]
    for row in rows:
        assert row[place] == f"{summary(call, '-m', row[-1], row[0])['perplexity']:.6f}"
    document = json.loads((tmp_path / "all.json").read_text())
    assert document["models"] == {str(bundle): str(bundle), str(uniform): str(uniform)}
    assert [each["model"] for each in document["texts"]] == [str(bundle), str(uniform)] * 2
    shown = call("eval", "-m", bundle, "-m", uniform, text, "--format", "table").out
    assert [line.split()[:2][-1] for line in shown.splitlines() if "…" in line and "bundle" in line]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-",), "standard input can be read only once; give FILE to compare models"),
        (("text.txt", "--format", "kenlm"), "--format kenlm does not name the model; with several -m use"),
        (("text.txt", "--format", "srilm"), "--format srilm does not name the model; with several -m use"),
    ],
)
def test_what_cannot_be_told_apart_is_not_compared(call, bundle, uniform, arguments, message):
    finished = call("eval", "-m", bundle, "-m", uniform, *arguments)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"lmctl: {message}")


def test_a_model_may_be_the_first_argument(call, bundle, text):
    assert call("eval", bundle, text).out == call("eval", "-m", bundle, text).out
    # Once -m names the model, a folder among the texts is a folder.
    assert call("eval", "-m", bundle, bundle).code == 66


def test_the_line_of_names_may_be_left_out(call, bundle, text):
    for level in ("summary", "sentence", "word"):
        header, *rows = call("eval", "-m", bundle, "--level", level, text).lines
        assert header.startswith("file\t")
        assert call("eval", "-m", bundle, "--level", level, "--no-header", text).lines == rows


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("level", ["summary", "sentence", "word"])
def test_on_a_terminal_every_level_is_a_table_that_fits(on_terminal, bundle, write, columns, level):
    names = [f"chapter-{number}-of-a-novel-with-a-rather-long-title.txt" for number in (1, 2)]
    texts = [write(name, b"the cat sat on the mat .\nthe zebra sat\n") for name in names]

    code, shown = on_terminal("eval", "-q", "-m", bundle, "--level", level, *texts, columns=columns)

    assert code == 0
    lines = [line for line in shown.splitlines() if not line.startswith("vocabulary 9;")]
    assert max(map(len, lines)) <= columns
    assert "\t" not in shown
    # Which text is which can be told.
    assert shown.count("title.txt") >= 2 or level != "summary"
    if level == "word":
        assert sum(line.split()[:1] == ["zebra"] and line.endswith("OOV") for line in lines) == 2
        assert sum(line.split()[:1] == ["</s>"] for line in lines) == 4
    if level == "sentence":
        assert sum(line.split()[:3] in (["1", "7", "0"], ["2", "3", "1"]) for line in lines) == 4
