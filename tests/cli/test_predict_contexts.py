"""The contexts of `lmctl predict`: from arguments, files and standard input, in any encoding."""

from __future__ import annotations

import gzip
import json

import pytest


def test_blank_lines_and_a_last_line_without_an_end_are_answered(call, bundle, write):
    contexts = write("contexts.txt", b"the cat\n\n   \nthe dog")

    finished = call("predict", "-m", bundle, "-f", contexts)

    by_text = call("predict", "-m", bundle, "the cat", "", "", "the dog")
    assert finished.lines == by_text.lines
    assert len(finished.lines) == 4


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfthe cat\r\nthe dog\r\n", b"the cat\r\nthe dog", "the cat\nthe dog\n".encode("utf-16")],
    ids=["BOM and CRLF", "CRLF", "utf-16"],
)
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_how_lines_are_written_does_not_matter(lmctl, bundle, write, content, source):
    encoding = ("--encoding", "utf-16") if content.startswith(b"\xff") else ()
    path = write("contexts.txt", content)
    stdin, where = (content, "-") if source == "stdin" else (b"", path)

    finished = lmctl("predict", "-m", bundle, "--json", *encoding, "-f", where, stdin=stdin)

    records = [json.loads(line) for line in finished.lines]
    assert [record["context"] for record in records] == ["the cat", "the dog"]
    assert [record["oov"] for record in records] == [[], []]


def test_piped_input_and_dash_are_the_same(lmctl, bundle):
    piped = lmctl("predict", "-m", bundle, stdin=b"the cat\n\non\n")
    dash = lmctl("predict", "-m", bundle, "-f", "-", stdin=b"the cat\n\non\n")

    assert (piped.code, piped.err) == (0, "")
    assert len(piped.lines) == 3
    assert piped == dash


def test_text_arguments_leave_standard_input_alone(lmctl, bundle):
    finished = lmctl("predict", "-m", bundle, "the", stdin=b"never\nread\n")

    assert len(finished.lines) == 1


def test_no_contexts_are_no_answers(lmctl, bundle):
    finished = lmctl("predict", "-m", bundle, stdin=b"")

    assert (finished.code, finished.out, finished.err) == (0, "", "")


def test_compressed_contexts_are_read(call, bundle, tmp_path):
    import gzip

    path = tmp_path / "contexts.gz"
    path.write_bytes(gzip.compress(b"the cat\n"))

    assert call("predict", "-m", bundle, "-f", path).out == call("predict", "-m", bundle, "the cat").out


@pytest.mark.parametrize(("errors", "context"), [("replace", "the \ufffd cat"), ("skip", "the  cat")])
def test_bytes_that_are_not_text_are_replaced_or_skipped_when_asked(call, bundle, write, errors, context):
    path = write("bad.txt", b"the \xff cat\n")

    finished = call("predict", "-m", bundle, "--json", "--errors", errors, "-f", path)

    assert json.loads(finished.out)["context"] == context


def test_lines_before_a_bad_byte_have_been_answered(lmctl, bundle):
    finished = lmctl("predict", "-m", bundle, "-f", "-", stdin=(b"w" * 1999 + b"\n") * 500 + b"\xff\n")

    assert finished.code == 65
    assert len(finished.lines) > 100
    assert finished.err.startswith("lmctl: standard input: line 501, byte 1000000: ")


def test_candidates_and_contexts_are_read_alike(lmctl, bundle, tmp_path):
    (tmp_path / "words.gb").write_bytes("the\rcat\r的".encode("gb18030"))
    contexts = "the cat\nthe\n".encode("gb18030")
    arguments = ("predict", "-m", bundle, "--candidates", tmp_path / "words.gb", "--encoding", "gb18030")
    finished = lmctl(*arguments, "--format", "words", stdin=gzip.compress(contexts))
    assert finished.code == 0
    assert finished.out.count("\n") == 2
