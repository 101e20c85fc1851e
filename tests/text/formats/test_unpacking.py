"""Chunks of text from records: the same text for every size of the pieces, with the line numbers of the source."""

import codecs
import csv
import io
import json

import pytest

from lmctl.errors import DataError
from lmctl.text.formats import TextFormat
from lmctl.text.formats.recognition import recognised, suffix_of
from lmctl.text.formats.unpacking import ChunkReader, unpacked_start

FIELD, COLUMN, BOTH, NEITHER = (
    TextFormat("text"),
    TextFormat(None, "text"),
    TextFormat("text", "text"),
    TextFormat(),
)
RECORDS = b'{"text": "one"}\n{"text": "two\\r\\nthree\\n"}\r\n\n{"text": ""}\n{"text": "\xe4\xb8\xad"}'


def chunks(content, text_format, *, source="a", piece=1000, chunk_bytes=1000, encoding="utf-8", errors="strict"):
    reader = ChunkReader(source, encoding, errors, chunk_bytes, text_format=text_format)
    found = []
    for start in range(0, len(content), piece):
        found += reader.feed(content[start : start + piece])
    return [*found, *reader.finish()]


def lines(content, text_format, **kwargs):
    return [
        (chunk.line_number(place), line)
        for chunk in chunks(content, text_format, **kwargs)
        for place, line in enumerate(chunk.lines())
    ]


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("chunk_bytes", [1, 8, 1000])
def test_lines_of_records_have_the_line_numbers_of_the_source(piece, chunk_bytes):
    expected = [(1, "one"), (2, "two"), (2, "three"), (4, ""), (5, "中")]
    assert lines(RECORDS, FIELD, piece=piece, chunk_bytes=chunk_bytes) == expected
    table = b'id,text\n1,"a\nb"\n2,c\n'
    assert lines(table, COLUMN, piece=piece, chunk_bytes=chunk_bytes) == [(2, "a"), (2, "b"), (4, "c")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "gb18030", "utf-16-le"])
def test_records_are_read_in_the_encoding_of_the_text(encoding):
    content = '{"text": "编程"}\n{"text": "是"}\n'.encode(encoding)
    assert lines(content, FIELD, encoding=encoding, piece=3) == [(1, "编程"), (2, "是")]
    assert lines("id,text\n1,编程\n".encode(encoding), COLUMN, encoding=encoding) == [(2, "编程")]


def test_an_invalid_byte_is_named_by_its_place_in_the_source():
    with pytest.raises(DataError, match=r"^a: line 2, byte 26: not valid utf-8 \(0xff\)"):
        lines(b'{"text": "one"}\n{"text": "\xff"}\n', FIELD)
    assert lines(b'{"text": "x\xffy"}\n', FIELD, errors="skip") == [(1, "xy")]


def test_a_nul_in_a_text_is_treated_like_a_nul_byte():
    content = b'{"text": "one"}\n{"text": "a\\u0000b"}\n'
    with pytest.raises(DataError) as caught:
        lines(content, FIELD)
    assert str(caught.value) == (
        "a: line 2: a NUL character, which no text has; --errors skip leaves NULs out, --errors replace puts "
        "U+FFFD"
    )
    assert lines(content, FIELD, errors="skip")[1] == (2, "ab")
    assert lines(content, FIELD, errors="replace")[1] == (2, "a\ufffdb")


def test_a_line_that_is_too_long_for_a_record_is_refused(monkeypatch):
    monkeypatch.setattr("lmctl.text.source_chunks.LONGEST_LINE_BYTES", 50)
    with pytest.raises(DataError, match=r"^a: line 2: longer than 50 bytes$"):
        lines(b'{"text": "a"}\n{"text": "' + b"b" * 60 + b'"}\n', FIELD)


@pytest.mark.parametrize("piece", [1, 1000])
def test_lines_are_lines_in_spite_of_the_settings_of_other_formats(piece):
    assert lines(b"{braces} are text\nid,text\n", NEITHER, piece=piece) == [
        (1, "{braces} are text"),
        (2, "id,text"),
    ]
    assert lines(b'{"text": 1}\n', None, source="a.jsonl", piece=piece) == [(1, '{"text": 1}')]


def test_with_a_field_and_a_column_each_source_is_read_by_its_form():
    assert lines(b'{"text": "a"}', BOTH) == [(1, "a")]
    assert lines(b"text,id\na,1", BOTH) == [(2, "a")]


@pytest.mark.parametrize(
    ("source", "suffix"),
    [("a.CSV", ".csv"), ("x/a.jsonl.zst", ".jsonl"), ("a.b.tsv.gz", ".tsv"), ("a.gz", ""), ("standard input", "")],
)
def test_the_suffix_of_a_compression_is_not_that_of_the_format(source, suffix):
    assert suffix_of(source) == suffix


@pytest.mark.parametrize(
    ("start", "source", "text_format", "message"),
    [
        (
            '{"id": 1, "text": "a", "meta": {"lang": "en"}}\n',
            "a.txt",
            NEITHER,
            (
                "a.txt: JSON Lines with the fields text, meta.lang; name the field that has the text with --field "
                "(text.field)"
            ),
        ),
        ('{"text": "a"}', "a", COLUMN, "a: JSON Lines with the field text; name the field"),
        ("[\n", "a.jsonl.gz", NEITHER, "a.jsonl.gz: JSON Lines; name the field that has the text"),
        ('{"text": "' + "a" * 70_000, "a", NEITHER, "a: JSON Lines; name the field that has the text"),
        (
            "id,text\n",
            "a.csv",
            NEITHER,
            (
                "a.csv: a table, by its name, with the columns id, text; name the column that has the text, or "
                "its number from 1 if these are no names, with --column (text.column)"
            ),
        ),
        ("\nid\ttext\n", "a.TSV", NEITHER, "a.TSV: a table, by its name, with the columns id, text; name the"),
    ],
)
def test_records_without_a_setting_are_refused_with_the_names_to_choose_from(start, source, text_format, message):
    with pytest.raises(DataError) as caught:
        recognised(start, source, text_format, is_whole=True)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("start", ["\\data\\\n", "\n\\data\\\r\n", "\r\n\r\n\\data\\ \n"])
def test_a_model_in_the_arpa_format_is_no_text(start, piece):
    with pytest.raises(DataError) as caught:
        lines(start.encode() + b"ngram 1=3\n", NEITHER, source="a.txt", piece=piece)
    assert str(caught.value) == (
        "a.txt: an n-gram model in the ARPA format, not a text; lmctl import makes a model of it"
    )


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("text", ["\n\n\\data", "\\data\\ is a line\n", "\n\n", "the\n\\data\\\n"])
def test_texts_that_only_resemble_such_a_model_are_lines(text, piece):
    assert lines(text.encode(), NEITHER, piece=piece) == list(enumerate(text.splitlines(), start=1))


@pytest.mark.parametrize("text", ["{not json}\n", "id,text\n", "", '{"half": \n', "[1]\n", '"a"\n'])
def test_other_texts_are_lines(text):
    assert recognised(text, "a.txt", NEITHER, is_whole=True) == "lines"


def test_an_empty_file_with_the_name_of_records_is_an_empty_text():
    for source in ("a.jsonl", "a.csv"):
        for text_format in (NEITHER, FIELD, COLUMN, BOTH):
            assert lines(b"", text_format, source=source) == []


def test_the_start_of_records_is_unpacked_without_the_incomplete_one_and_without_warnings(caplog):
    pieces = [RECORDS[:5], RECORDS[5:62], b'{"text": "never ']
    assert unpacked_start(pieces, "a", "utf-8", "strict", FIELD, 1000) == "one\ntwo\nthree\n\n"
    assert unpacked_start([b"lines\n"], "a", "utf-8", "strict", NEITHER, 1000) is None
    marked = b'{"text": "a\xef\xbb\xbfb"}\n' + codecs.BOM_UTF8 + b'{"text": "c"}\n'
    assert unpacked_start([marked], "a", "utf-8", "strict", FIELD, 1000) == "a b\nc\n"
    assert caplog.messages == []


def test_every_record_of_a_large_file_is_read():
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["text"])
    expected = [f'line {number}, "quoted"' for number in range(2000)]
    writer.writerows([text] for text in expected)
    table = file.getvalue().encode()
    records = "".join(json.dumps({"text": text}) + "\n" for text in expected).encode()

    assert [line for _, line in lines(table, COLUMN, piece=777, chunk_bytes=500)] == expected
    assert [line for _, line in lines(records, FIELD, piece=777, chunk_bytes=500)] == expected
    assert max(len(chunk.content) for chunk in chunks(records, FIELD, piece=777, chunk_bytes=500)) < 2000
