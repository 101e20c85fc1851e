"""`lmctl compare`: its formats, its agreement with `lmctl eval`, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from refusals import assert_refused
from scored import TEXT, summary

FAST = ("--samples", "200")
OF_GROUP = "difference_bits difference_low difference_high units"


@pytest.fixture
def text(write):
    return write("text.txt", TEXT)


def objects(call, *arguments):
    """The JSON objects of the command, by level."""
    finished = call("compare", "--json", *FAST, *arguments)
    assert (finished.code, finished.err) == (0, "")
    found = {"summary": [], "group": [], "word": []}
    for line in finished.lines:
        value = json.loads(line)
        found[value.pop("level")].append(value)
    return found


@pytest.mark.parametrize(
    "options",
    [(), ("--state", "carry"), ("--blank-lines", "keep"), ("--accuracy-at", "1,5")],
    ids=" ".join,
)
def test_the_figures_of_a_model_are_those_of_eval(call, bundle, counted, mixture, text, options):
    found = objects(call, bundle, counted, mixture, *options, text)

    accuracy = () if "--accuracy-at" in options else ("--accuracy-at", "1")
    for each in found["summary"]:
        expected = summary(call, "-m", each["model"], *options, *accuracy, text)
        shared = {key for key in each if key in expected}
        assert shared > {"perplexity", "perplexity_excluding_oov", "bits_per_character", "accuracy", "oov_rate"}
        assert {key: each[key] for key in shared} == {key: expected[key] for key in shared}
        assert min(each["parameters"], each["bytes"], each["tokens_per_second"]) > 0


def test_perplexity_and_its_interval_are_those_of_eval(call, counted, mixture, text):
    # With ranks, a mixture computes whole distributions, and other last digits.
    options = ("--accuracy-at", "none", "--samples", "10000")
    first, *others = objects(call, "-m", f"{counted}@1", "-m", counted, "-m", mixture, text, *options)["summary"]

    for each in (first, *others):
        expected = summary(call, "-m", each["model"], "--interval", text)
        assert each["perplexity"] == expected["perplexity"]
        assert each["perplexity_excluding_oov"] == expected["perplexity_excluding_oov"]
        assert each["low"] == pytest.approx(expected["interval"]["low"])
        assert each["high"] == pytest.approx(expected["interval"]["high"])
    assert (first["difference"], first["p"]) == (None, None)
    for each in others:
        assert each["baseline"] == f"{counted}@1"
        assert each["difference"] == each["perplexity"] - first["perplexity"]
        assert each["difference_low"] <= each["difference"] <= each["difference_high"]
        assert 0 < each["p"] <= each["p_holm"] <= 1


def test_n_grams_say_which_contexts_the_training_text_has(call, counted, mixture, write):
    # Of the trigrams of the two sentences, `dog sat on` is one. `mat sat` is not even a bigram of them.
    text = write("text.txt", b"dog sat on\nmat sat\n")

    for models in ((f"{counted}@1", counted), (counted, mixture)):
        found = objects(call, *models, text)["group"]
        lengths = {each["group"]: each["tokens"] for each in found if each["by"] == "ngram_length"}
        assert sum(lengths.values()) == 7
    # dog, sat, on, </s>; mat, sat, </s>: `</s> dog` and `on </s>`, `mat </s>`, `</s> mat` never came, `dog sat`
    # came, and `dog sat on`; `mat sat` did not.
    assert lengths == {"1": 5, "2": 1, "3": 1}


def test_the_table_shows_models_differences_groups_and_tokens(on_terminal, counted, text):
    code, shown = on_terminal("compare", f"{counted}@1", counted, *FAST, text)

    lines = shown.splitlines()
    assert code == 0
    assert "Holm" not in shown
    assert any(line.startswith("2 less 1: perplexity ") for line in lines)
    assert "bits per token, by count in the training text of 1" in lines
    assert "tokens whose bits differ most between 1 and 2" in lines
    # The first line is the progress, which is drawn over.
    assert max(map(len, lines[1:])) <= 80


def test_the_table_has_intervals_of_groups_and_corrected_p_values(on_terminal, counted, mixture, text):
    code, shown = on_terminal("compare", f"{counted}@1", counted, mixture, *FAST, text, columns=160)

    assert code == 0
    assert shown.count("by Holm's method") == 2
    assert re.search(r"[-+]\d\.\d{3} to [-+]\d\.\d{3}", shown)


def test_the_table_says_in_one_sentence_why_perplexities_are_left_out(call, bundle, make_bundle, tmp_path, text):
    other = make_bundle(tmp_path / "other", words=("the", "cat"))
    first, second = objects(call, bundle, other, text)["summary"]
    assert (first["perplexity"], first["perplexity_excluding_oov"]) == (None, None)
    assert second["difference"] == second["bits_per_character"] - first["bits_per_character"]

    shown = " ".join(
        call("compare", bundle, other, *FAST, "--format", "table", "--level", "summary", text).out.split()
    )

    assert "perplexities are left out:" in shown
    assert "bits per character" in shown
    assert "by position" not in shown


@pytest.mark.parametrize(
    ("level", "columns"),
    [
        ("group", f"file by group tokens bits bits_per_token {OF_GROUP} share model"),
        ("word", "file line position before word after bits baseline_bits difference_bits model"),
    ],
)
def test_tsv_has_the_rows_of_one_level(call, bundle, uniform, text, level, columns):
    as_json = objects(call, bundle, uniform, text)[level]

    header, *rows = call("compare", bundle, uniform, *FAST, "--format", "tsv", "--level", level, text).rows

    assert header == columns.split()
    assert len(rows) == len(as_json) > 3
    for row, expected in zip(rows, as_json, strict=True):
        cells = dict(zip(header, row, strict=True))
        assert set(cells) == set(expected)
        for key, value in expected.items():
            shown = "" if value is None else f"{value:.6f}" if isinstance(value, float) else str(value)
            assert cells[key] == shown


def test_tsv_has_a_summary_of_each_model_and_text_under_one_header(call, bundle, uniform, text, write):
    other = write("other.txt", b"the cat\nthe dog\n")

    header, *rows = call("compare", bundle, uniform, *FAST, "--format", "tsv", text, other).rows

    cells = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(each["file"], each["model"]) for each in cells] == [
        (str(file), str(model)) for file in (text, other) for model in (bundle, uniform)
    ]
    assert "accuracy@1" in header
    assert [each["difference"] == "" for each in cells] == [True, False, True, False]
    assert "accuracy@1" not in call("compare", bundle, uniform, "--accuracy-at", "none", text).rows[0]


def test_a_copy_of_a_model_does_not_differ(call, bundle, text, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")

    _, found = objects(call, bundle, copy, text)["summary"]

    assert (found["difference"], found["difference_low"], found["difference_high"], found["p"]) == (
        0.0,
        0.0,
        0.0,
        1.0,
    )


def test_two_models_of_probability_zero_have_no_difference(call, train_mle, write):
    one, other = train_mle("one"), train_mle("other")
    text = write("text.txt", b"the cat\nmat mat\n")

    first, second = objects(call, one, other, text)["summary"]

    assert (first["perplexity"], second["perplexity"]) == (None, None)
    assert (second["difference"], second["p"]) == (None, None)
    assert "none, as both" in call("compare", one, other, *FAST, "--format", "table", text).out


@pytest.fixture
def train_mle(call, write, tmp_path):
    """`train_mle(name)`: bigrams of one sentence, without smoothing."""

    def train(name):
        corpus = write(f"{name}.txt", b"the cat sat on the mat\n")
        finished = call(
            *("train", corpus, "-o", tmp_path / name, "--preset", "ngram", "--set", "model.order=2"),
            *("--set", "model.smoothing=mle", "--valid-fraction", "0", "--quiet"),
        )
        assert finished.code == 0, finished.err
        return tmp_path / name

    return train


@pytest.mark.parametrize("state", ["reset", "carry"])
def test_json_lines_are_read_as_eval_reads_them(call, bundle, uniform, write, state):
    text = write("text.jsonl", b'{"t": "the cat sat"}\n{"t": "the dog\\nsat"}\n')

    found = objects(call, bundle, uniform, "--field", "t", "--state", state, text)

    expected = summary(call, "-m", bundle, "--field", "t", "--state", state, text)
    assert found["summary"][0]["bits_per_character"] == expected["bits_per_character"]
    assert {each["line"] for each in found["word"]} <= {1, 2, 3}


def test_models_with_and_without_a_cache(call, cached, bundle, text):
    found = call("compare", cached, bundle, "--state", "carry", "--cache", "10", text)

    assert_refused(found, 2, "no cache was tuned")
    assert_refused(call("compare", cached, bundle, "--cache", "10", text), 2, "--cache needs --state carry")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("good.txt",), 2, "two models or more, got none; good.txt is no model"),
        (("bundle", "good.txt"), 2, "two models or more, got bundle alone; good.txt is no model"),
        (("bundle", "bundle", "good.txt"), 2, "bundle is named twice"),
        (("bundle", "other"), 2, "no FILE given"),
        (("bundle", "other", "-"), 2, "standard input can be read only once"),
        (("bundle", "other", "missing.txt"), 66, "missing.txt"),
        (("-m", "bundle", "-m", "missing", "good.txt"), 66, "missing: no such model"),
        (("bundle", "other", "empty.txt"), 65, "empty.txt: nothing to score"),
        (("bundle", "other", "one.txt"), 65, "one.txt: 1 line to draw from; an interval needs two or more"),
        (("bundle", "masked", "good.txt"), 2, "masked fills gaps"),
        (("bundle", "other", "--unit", "0", "good.txt"), 2, "expected line, document or a number of lines"),
        (("bundle", "other", "--unit", "page", "good.txt"), 2, "expected line, document or a number of lines"),
        (("bundle", "other", "--accuracy-at", "x", "good.txt"), 2, "expected whole numbers"),
        (("bundle", "other", "--samples", "0", "good.txt"), 2, "--samples"),
        (("bundle", "other", "--tokens", "2", "good.txt"), 2, "--tokens needs --level word"),
        (("bundle", "other", "--tokens", "2", "--level", "group", "--json", "good.txt"), 2, "needs --level word"),
        (("--dynamic", "bundle", "good.txt"), 2, "--dynamic needs --state carry"),
        (("bundle", "other", "--dynamic-rate", "0.1", "good.txt"), 2, "--dynamic-rate needs --dynamic"),
        (
            (*("bundle", "--dynamic", "bundle", "--state", "carry", "--accuracy-at", "2"), "good.txt"),
            2,
            "--dynamic computes the probabilities of the text alone",
        ),
        (("--dynamic", "bundle", "--state", "carry", "good.txt"), 2, "got bundle with --dynamic alone"),
        (
            (*("other", "--dynamic", "bundle", "--dynamic", "bundle", "--state", "carry"), "good.txt"),
            2,
            "bundle is named twice",
        ),
        (
            ("other", "--dynamic", "bundle", "--state", "carry", "good.txt"),
            2,
            "--dynamic: bundle keeps no validation text",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_request_is_one_line_and_an_exit_code(
    call, workplace, uniform, make_bundle, arguments, code, expected
):
    (workplace / "other").symlink_to(uniform)
    make_bundle(workplace / "masked", family="masked")
    (workplace / "empty.txt").write_bytes(b"\n")
    (workplace / "one.txt").write_bytes(b"the cat\n")

    finished = call("compare", *arguments)

    assert_refused(finished, code, expected)
    assert finished.out == ""


def test_models_that_read_blank_lines_otherwise_need_an_answer(call, counted, bundle, write, tmp_path):
    corpus = write("corpus.txt", b"the cat\n\nthe dog\n")
    call(
        *(
            "train",
            corpus,
            "-o",
            tmp_path / "kept",
            "--preset",
            "ngram",
            "--set",
            "text.blank_lines=keep",
            "--quiet",
        ),
        *("--valid-fraction", "0"),
    )

    for models in ((bundle, tmp_path / "kept"), (tmp_path / "kept", bundle)):
        found = call("compare", *models, corpus)
        assert_refused(
            found, 2, f"{tmp_path / 'kept'} scores blank lines, and {bundle} leaves them out", "--blank-lines"
        )
    assert call("compare", bundle, tmp_path / "kept", "--blank-lines", "drop", *FAST, corpus).code == 0


def test_every_key_is_documented(call, bundle, uniform, text, documents):
    documented = set(re.findall(r"`([a-z_]+)`", (documents / "comparing.md").read_text()))
    shown = call("help", "compare").out.split()

    for level, rows in objects(call, bundle, uniform, text).items():
        assert {*rows[0]} - documented == set(), level
        columns = call("compare", bundle, uniform, *FAST, "--format", "tsv", "--level", level, text).rows[0]
        assert {column.replace("@1", "@K") for column in columns} - {*shown} == set(), level


@pytest.fixture
def documents(corpora):
    return corpora.parent / "docs"
