"""JSON Lines and tables from the command line: every command reads the text that stands in them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from scored import summary
from zstd_module import zstd

from lmctl.corpus.prepared import PreparedCorpus

LINES = ["the cat sat on the mat .", 'the dog sat on the "cat" .', "", "the mat , the cat .", "a dog sat ."]
TEXT = "".join(f"{line}\n" for line in LINES).encode()
RECORDS = "".join(json.dumps({"id": n, "m": {"text": line}}) + "\n" for n, line in enumerate(LINES)).encode()
TSV = "".join(f"{n}\t{line}\n" for n, line in [("id", "text"), *enumerate(LINES)]).encode()


def table():
    file = io.StringIO()
    csv.writer(file).writerows([["id", "text"], *enumerate(LINES)])
    return file.getvalue().encode()


FORMS = {
    "jsonl": (RECORDS, ("--field", "m.text")),
    "csv": (table(), ("--column", "text")),
    "tsv": (TSV, ("--column", "text")),
    "zst": (zstd.compress(RECORDS), ("--field", "m.text", "--column", "text")),
}
forms = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def source(write, form):
    return write(f"records.{form}", FORMS[form][0])


@forms
def test_prepare_prints_the_text_of_records_as_that_of_lines(lmctl, call, write, source, form):
    expected = call("prepare", "--stdout", write("text.txt", TEXT)).out
    assert call("prepare", "--stdout", *FORMS[form][1], source).out == expected
    assert lmctl("prepare", "--stdout", *FORMS[form][1], "-", stdin=FORMS[form][0]).out == expected


@forms
def test_a_corpus_of_records_has_the_tokens_of_lines_and_the_settings_that_found_them(
    call, write, source, form, tmp_path
):
    options = ("--valid-fraction", "0", "-q")
    assert call("prepare", source, *FORMS[form][1], *options, "-o", tmp_path / "records").code == 0
    assert call("prepare", write("text.txt", TEXT), *options, "-o", tmp_path / "lines").code == 0

    records, lines = (PreparedCorpus.open(tmp_path / name) for name in ("records", "lines"))
    assert records.vocabulary.decode(records.train.tolist()) == lines.vocabulary.decode(lines.train.tolist())
    assert records.record.recipe == lines.record.recipe
    given = dict(zip(FORMS[form][1][::2], FORMS[form][1][1::2], strict=True))
    stored = json.loads((tmp_path / "records" / "corpus.json").read_text())["settings"]["text"]
    assert (stored["field"], stored["column"]) == (given.get("--field"), given.get("--column"))


@forms
def test_eval_scores_the_text_of_records(lmctl, call, bundle, write, source, form):
    expected = summary(call, "-m", bundle, write("text.txt", TEXT)) | {"file": ""}
    assert summary(call, "-m", bundle, *FORMS[form][1], source) | {"file": ""} == expected
    # Scored as the lines arrive.
    options = ("eval", "-m", bundle, "--level", "sentence", "--json")
    arriving = lmctl(*options, *FORMS[form][1], stdin=FORMS[form][0])
    whole = call(*options, write("text.txt", TEXT))
    assert len(arriving.lines) == 5
    for found, wanted in zip(arriving.lines, whole.lines, strict=True):
        assert json.loads(found) | {"file": ""} == json.loads(wanted) | {"file": ""}


def test_a_training_text_and_its_validation_text_may_be_records(call, write, tmp_path):
    train, valid = write("train.jsonl", RECORDS), write("valid.csv", table())
    options = ("--field", "m.text", "--column", "text", "--set", "model.family=ngram", "--set", "model.order=2")
    trained = call("train", train, "--valid", valid, *options, "-o", tmp_path / "model", "-q")
    plain = call(
        "train", write("train.txt", TEXT), "--valid", write("valid.txt", TEXT), *options[4:], "-q",
        "-o", tmp_path / "plain",
    )  # fmt: skip

    assert (trained.code, plain.code) == (0, 0)
    figures = [json.loads((tmp_path / name / "current/metrics.json").read_text()) for name in ("model", "plain")]
    assert figures[0]["valid"] == figures[1]["valid"]
    # Another field is another text, so the model is trained again.
    assert call("train", train, "--valid", valid, *options, "-o", tmp_path / "model").out == trained.out
    assert (
        call("train", train, "--valid", valid, "--field", "id", *options[2:], "-o", tmp_path / "model").code == 65
    )


def test_mix_reads_the_text_of_records(call, counted, write, tmp_path):
    text = write("valid.txt", b"sat on the dog sat on the mat\n")
    records = write("valid.jsonl", b'{"text": "sat on the dog sat on the mat"}\n')
    members = (f"{counted}@1", f"{counted}@2")
    plain = call("mix", *members, "--valid", text, "-o", tmp_path / "plain", "--json")
    mixed = call("mix", *members, "--valid", records, "--field", "text", "-o", tmp_path / "mixed", "--json")
    assert json.loads(mixed.out)["perplexity"] == json.loads(plain.out)["perplexity"]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        (
            "a.jsonl",
            RECORDS,
            (),
            ": JSON Lines with the field m.text; name the field that has the text with --field",
        ),
        (
            "a.txt",
            RECORDS,
            (),
            ": JSON Lines with the field m.text; name the field that has the text with --field",
        ),
        (
            "a.csv",
            b"id,text\n1,a\n",
            (),
            ": a table, by its name, with the columns id, text; name the column that",
        ),
        (
            "a.jsonl",
            b'{"a": "b"}\n{"a": 1}\n',
            ("--field", "a"),
            ": line 2: the field 'a' is a number; expected a",
        ),
        ("a.csv", b"id,text\n1,a\n2\n", ("--column", "text"), ": line 3: a row of 1 column; expected text in col"),
        (
            "a.csv",
            b"id,text\n1,a\n2\n",
            ("--column", "txt"),
            ": line 1: no column 'txt' in the header; its column",
        ),
    ],
)
@pytest.mark.parametrize("command", ["prepare", "stdout", "train", "eval"])
def test_faults_of_records_are_one_line_with_file_and_line(
    call, bundle, write, tmp_path, name, content, options, message, command
):
    path = write(name, content)
    arguments = {
        "prepare": ("prepare", path, "-o", tmp_path / "corpus"),
        "stdout": ("prepare", "--stdout", "--segmenter", "space", path),
        "train": ("train", path, "-o", tmp_path / "model", "--set", "model.family=ngram"),
        "eval": ("eval", "-m", bundle, path),
    }[command]
    finished = call(*arguments, *options)
    assert finished.code == 65
    assert finished.err.count("\n") == 1
    assert finished.err.startswith(f"lmctl: {path}{message}")


SUBTITLES = b"""1
00:00:01,000 --> 00:00:02,000
<i>the cat sat</i>
on the mat .

2
00:00:03,000 --> 00:00:04,000
{\\an8}the dog sat .
"""


def test_subtitles_are_known_by_their_name_and_by_their_first_lines(lmctl, call, bundle, write):
    expected = "the cat sat on the mat .\nthe dog sat .\n"
    vtt = b"WEBVTT\n\n" + SUBTITLES.replace(b",000", b".000")
    for name, content in (("a.srt", SUBTITLES), ("a.vtt", vtt), ("a.txt", SUBTITLES), ("b.txt", vtt)):
        assert call("prepare", "--stdout", write(name, content)).out == expected
        assert lmctl("prepare", "--stdout", "-", stdin=content).out == expected
        found = summary(call, "-m", bundle, write(name, content))
        assert found | {"file": ""} == summary(call, "-m", bundle, write("c", expected.encode())) | {"file": ""}
    refused = call("prepare", "--stdout", write("a.srt", b"the cat\n"))
    assert refused.code == 65
    assert refused.err.startswith(f"lmctl: {write('a.srt', b'')}: no subtitles, which its name or its first line")


def test_paragraphs_are_cut_into_sentences(lmctl, call, counted, write, tmp_path):
    document = "Mr. Cat sat on the mat. The dog sat!\n\n他走了。真的吗？\n".encode()
    sentences = "Mr. Cat sat on the mat.\nThe dog sat!\n\n他走了。\n真的吗？\n".encode()
    path, lines = write("a.txt", document), write("b.txt", sentences)
    expected = call("prepare", "--stdout", "--segmenter", "words", lines).out
    options = ("prepare", "--stdout", "--segmenter", "words", "--line", "paragraph")
    assert call(*options, path).out == expected
    assert lmctl(*options, "-", stdin=document).out == expected
    assert (
        call(*options, "--field", "t", write("a.jsonl", json.dumps({"t": document.decode()}).encode())).out
        == expected
    )
    found = summary(call, "-m", counted, "--line", "paragraph", path)
    assert found | {"file": ""} == summary(call, "-m", counted, lines) | {"file": ""}
    assert call("prepare", path, "--line", "paragraph", "-o", tmp_path / "corpus", "-q").code == 0
    assert json.loads((tmp_path / "corpus/corpus.json").read_text())["settings"]["text"]["line"] == "paragraph"


def test_a_setting_that_names_nothing_is_a_usage_error(call, bundle, write):
    path = write("a.jsonl", RECORDS)
    for option in ("--field", "--column"):
        assert call("eval", "-m", bundle, path, option, "").code == 2
        assert call("prepare", "--stdout", path, option, "").code == 2
    assert call("eval", "-m", bundle, path, "--field", "a..b").code == 2
    assert call("eval", "-m", bundle, path, "--column", "0").code == 65  # it is JSON Lines, and no table


def test_a_word_that_is_too_long_is_named_by_the_line_of_its_record(call, write, tmp_path):
    long = "x" * 40_000
    path = write("a.jsonl", f'{{"t": "a\\nb"}}\n\n{{"t": "{long}"}}\n'.encode())
    finished = call("prepare", path, "--field", "t", "--segmenter", "space", "-o", tmp_path / "corpus")
    assert finished.code == 65
    assert finished.err.startswith(f"lmctl: {path}: line 3: ")
