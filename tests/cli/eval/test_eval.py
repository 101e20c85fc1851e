"""`lmctl eval`: the texts that it scores, the models that it compares, and the files that it writes."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from counted_bigrams import publish_bigrams
from refusals import assert_refused
from scored import TEXT, summary


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


@pytest.mark.parametrize(("limit", "code"), [("9.01", 0), ("8.99", 3), ("8.9999999", 3)])
def test_a_perplexity_above_the_limit_is_exit_3_after_the_figures(lmctl, uniform, limit, code):
    finished = lmctl(
        "eval", "-m", uniform, "--max-perplexity", limit, "--format", "kenlm", "-", stdin=b"the cat\n"
    )

    assert finished.code == code
    assert finished.lines[0].startswith("Perplexity including OOVs:\t9")
    message = f"lmctl: -: perplexity 9.000000 is above --max-perplexity {limit}\n"
    assert finished.err == ("" if code == 0 else message)


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

    # The test reads the answer before it closes standard input. It would wait for ever if the command did.
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
def test_several_models_are_refused_if_the_output_cannot_distinguish_them(
    call, bundle, uniform, arguments, message
):
    finished = call("eval", "-m", bundle, "-m", uniform, *arguments)

    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith(f"lmctl: {message}")


@pytest.mark.parametrize("format", ["tsv", "jsonl", "srilm"])
def test_a_certain_word_has_a_surprisal_of_0_and_no_minus(call, write, tmp_path, format):
    model = publish_bigrams(tmp_path, "the cat\n")

    finished = call("eval", "-m", model, "--level", "word", "--format", format, write("certain.txt", b"the cat\n"))

    assert finished.code == 0
    assert not re.search(r"[\t :]-0\b", finished.out)


def test_a_model_that_is_named_twice_is_refused(call, bundle, uniform, text):
    finished = call("eval", "-m", bundle, "-m", uniform, "-m", bundle, text)

    assert_refused(finished, 2, f"{bundle} is named twice; expected different models")


def test_a_model_may_be_the_first_argument(call, bundle, text):
    assert call("eval", bundle, text).out == call("eval", "-m", bundle, text).out
    # If -m names the model, a folder among the texts is not taken for the model.
    assert call("eval", "-m", bundle, bundle).code == 66
