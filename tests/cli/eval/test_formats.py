"""`lmctl eval` as tab-separated rows, JSON lines and tables."""

from __future__ import annotations

import json
import math
import re

import pytest
from scored import log10, summary


def test_a_pipe_gets_tsv_with_a_row_for_each_text(call, bundle, text, write):
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
        *("vocabulary_size", "state", "cache", "dynamic_rate", "model"),
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
        # Six decimals, because eval scores the sentences side by side, and `scores` one by one.
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
    # The names are shortened, but both of their ends are there.
    assert f"{other}"[-8:] in finished.out
    assert f"{text}"[-8:] in finished.out
    for row in figures:
        shown = (f"{row['tokens']:,}", f"{100 * row['oov_rate']:.2f} %", f"{row['perplexity']:.2f}")
        assert re.search(" +".join(map(re.escape, shown)), finished.out)
    for heading in ("perplexity", "character", "accuracy", "@1 ", "@5", "@10", "MRR"):
        assert heading in finished.out
    assert finished.lines[-1] == "vocabulary 9; state reset; perplexity includes OOVs as <unk>"


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
    # The names of the texts differ.
    assert shown.count("title.txt") >= 2 or level != "summary"
    if level == "word":
        assert sum(line.split()[:1] == ["zebra"] and line.endswith("OOV") for line in lines) == 2
        assert sum(line.split()[:1] == ["</s>"] for line in lines) == 4
    if level == "sentence":
        assert sum(line.split()[:3] in (["1", "7", "0"], ["2", "3", "1"]) for line in lines) == 4
