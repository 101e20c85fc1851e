"""Reading texts in chunks of whole lines, from files, compressed files and standard input."""

import bz2
import gzip
import io
import itertools
import logging
import lzma
import os
import re
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from source_texts import lines_of, write

from lmctl.errors import DataError, InputMissingError, StorageError, UsageError
from lmctl.text import line_ends, source_chunks, sources
from lmctl.text.reading import read_chunks, read_lines
from lmctl.text.sources import check_sources

same_folder_for_all_examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@same_folder_for_all_examples
@given(
    text=st.text(alphabet="ab \r\n词\u2028\ufeff", max_size=60),
    chunk_bytes=st.integers(1, 80),
    read_bytes=st.integers(1, 80),
    encoding=st.sampled_from(["utf-8", "gb18030", "utf-16", "utf-16-be", "utf-32"]),
)
def test_lines_do_not_depend_on_the_size_of_chunks_or_reads(tmp_path, text, chunk_bytes, read_bytes, encoding):
    content = text.encode(encoding)
    expected = lines_of(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_READ_BYTES", read_bytes)
        chunks = list(read_chunks([write(tmp_path, content)], encoding=encoding, chunk_bytes=chunk_bytes))

    assert [line for chunk in chunks for line in chunk.lines()] == expected
    assert all(chunk.content.endswith(b"\n") for chunk in chunks[:-1])
    for before, after in itertools.pairwise(chunks):
        assert after.first_byte == before.first_byte + len(before.content)
        assert after.first_line == before.first_line + before.content.count(b"\n")


def test_chunks_hold_about_as_much_as_asked_and_never_two_sources(tmp_path):
    one = write(tmp_path, b"aa\nbb\ncc\n", "one.txt")
    two = write(tmp_path, b"dd", "two.txt")

    chunks = list(read_chunks([one, two], chunk_bytes=7))

    assert [(c.source, c.content, c.first_line, c.first_byte) for c in chunks] == [
        (one, b"aa\nbb\n", 1, 0),
        (one, b"cc\n", 3, 6),
        (two, b"dd", 1, 0),
    ]


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        *[("a.gz", gzip.compress), ("a.txt.BZ2", bz2.compress), ("a.xz", lzma.compress), ("a.zip", bytes)],
        *[("a.1", gzip.compress), ("a", bz2.compress), ("a.gz", lzma.compress)],
    ],
)
def test_files_are_decompressed_by_their_first_bytes_and_handed_over_as_read(tmp_path, name, compress):
    seen = []
    path = write(tmp_path, compress(b"a b\nc\n"), name)

    chunks = list(read_chunks([path], on_bytes=lambda source, piece: seen.append((source, piece))))

    assert [line for chunk in chunks for line in chunk.lines()] == ["a b", "c"]
    assert seen == [(path, b"a b\nc\n")]


def truncated(compressed):
    return compressed[:-6]


def damaged(compressed):
    return compressed[:20] + bytes(byte ^ 0xFF for byte in compressed[20:30]) + compressed[30:]


@pytest.mark.parametrize("damage", [truncated, damaged])
@pytest.mark.parametrize(
    ("name", "compress"), [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)]
)
def test_a_damaged_or_truncated_compressed_file_is_named(tmp_path, name, compress, damage):
    path = write(tmp_path, damage(compress(bytes(range(1, 256)) * 20)), name)
    with pytest.raises(DataError, match=f"{name}: damaged or cut off"):
        list(read_chunks([path]))


def test_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeff一\r\n二".encode()), encoding="ascii"))
    chunks = list(read_chunks(["-"]))
    assert [(c.source, c.lines()) for c in chunks] == [("standard input", ["一", "二"])]


def test_a_closed_standard_input_is_a_storage_error(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(StorageError, match="standard input: cannot be read: Bad file descriptor"):
        list(read_chunks(["-"]))


@pytest.mark.parametrize("chunk_bytes", [1, 4, 10, 1000])
def test_a_long_line_is_cut_at_its_last_blank_that_fits(tmp_path, monkeypatch, caplog, chunk_bytes):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 10)
    path = write(tmp_path, b"short\naa bb cc dd ee\n0123456789\nff gg hh ii jj\n")

    with caplog.at_level(logging.WARNING):
        chunks = list(read_chunks([path], chunk_bytes=chunk_bytes))

    lines = [line for chunk in chunks for line in chunk.lines()]
    assert lines == ["short", "aa bb cc ", "dd ee", "0123456789", "ff gg hh ", "ii jj"]
    assert b"".join(chunk.content for chunk in chunks) == (tmp_path / "corpus.txt").read_bytes()
    assert caplog.messages == [f"{path}: line 2 is longer than 10 bytes; it is treated as several sentences"]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_long_line_without_blanks_is_cut_between_characters(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 11)
    text = "语言模型𠀀预测下一个词" * 5

    lines = list(read_lines(write(tmp_path, f"{text}\n".encode(encoding)), encoding=encoding))

    assert "".join(lines) == text
    assert all(len(line.encode()) <= 11 * 3 for line in lines)
    assert len(lines) > 5


def test_a_long_line_is_not_cut_inside_its_crlf(tmp_path, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 4)
    assert list(read_lines(write(tmp_path, b"abc\r\nd\r\n"))) == ["abc", "d"]
    assert list(read_lines(write(tmp_path, b"abcdefg\r\nh"))) == ["abcd", "efg", "h"]
    assert list(read_lines(write(tmp_path, b"a\nabcd\r"))) == ["a", "abcd\r"]


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(st.text(alphabet="ab", max_size=9), max_size=6),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    pieces=st.integers(1, 30),
    chunk_bytes=st.integers(1, 20),
)
def test_a_long_line_is_cut_at_the_same_places_with_all_line_ends(lines, line_end, pieces, chunk_bytes):
    # The first line decides whether CR ends a line.
    content = "".join(line + line_end for line in ["a", *lines]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_chunks, "LONGEST_LINE_BYTES", 4)
        patch.setattr(line_ends, "DECIDING_BYTES", 4)
        cutter = source_chunks.ChunkCutter("text", "utf-8", "strict", chunk_bytes, warns=False)
        chunks = []
        for start in range(0, len(content), pieces):
            chunks += cutter.feed(content[start : start + pieces])
        chunks += cutter.finish()

    parts = [[line[start : start + 4] for start in range(0, len(line), 4)] or [""] for line in lines]
    assert [line for chunk in chunks for line in chunk.lines()] == ["a", *itertools.chain.from_iterable(parts)]


def test_errors_after_a_cut_still_give_the_line_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 4)
    with pytest.raises(DataError, match="line 2, byte 12: not valid"):
        list(read_lines(write(tmp_path, b"a\nbbbbbbbbbb\xff\n")))
    # Before the bad byte stand 2 + 11 + 1 bytes, of which 6 were left out with the start of line 2.
    with pytest.raises(DataError, match="line 3, byte 14: not valid"):
        list(read_lines(write(tmp_path, b"a\nbbbbbbbbbb\nc\xff\n"), long_lines="end"))


def test_missing_files_and_folders_are_told_apart_before_and_while_reading(tmp_path):
    missing, inside_a_file = str(tmp_path / "corpus.txt"), write(tmp_path, b"", "file") + "/x"
    for read in (check_sources, lambda paths: list(read_chunks(paths))):
        for path in (missing, inside_a_file, missing + ".gz"):
            with pytest.raises(InputMissingError) as caught:
                read([path])
            assert str(caught.value) == f"{path}: no such file"
        with pytest.raises(InputMissingError) as caught:
            read([str(tmp_path)])
        assert str(caught.value) == f"{tmp_path}: is a folder; expected a text file"
        with pytest.raises(StorageError, match=r"cannot be read: .*embedded null"):
            read(["a\0b"])


def test_a_file_that_may_not_be_read_is_a_storage_error(tmp_path, monkeypatch):
    # The superuser may read everything, and often runs the tests.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageError, match=r"corpus\.txt: cannot be read: Permission denied"):
        check_sources([write(tmp_path, b"a")])


def test_standard_input_can_be_named_once():
    check_sources(["-"])
    with pytest.raises(UsageError, match="named more than once"):
        check_sources(["-", "-"])


def test_checking_a_named_pipe_does_not_open_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check_sources([str(tmp_path / "pipe")])


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(alphabet="ab \n", max_size=60),
    line_end=st.sampled_from(["\n", "\r\n"]),
    pieces=st.integers(1, 20),
    chunk_bytes=st.integers(1, 20),
)
@example(text="a\nabababab\n", line_end="\r\n", pieces=1, chunk_bytes=6)
def test_every_line_is_read_once_and_of_a_long_one_the_end(text, line_end, pieces, chunk_bytes):
    content = text.replace("\n", line_end).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_chunks, "LONGEST_LINE_BYTES", 6)
        patch.setattr(source_chunks, "_LOOK_FOR_BLANK_BYTES", 3)
        patch.setattr(line_ends, "DECIDING_BYTES", 4)
        cutter = source_chunks.ChunkCutter("text", "utf-8", "strict", chunk_bytes, "end")
        chunks = []
        for start in range(0, len(content), pieces):
            chunks += cutter.feed(content[start : start + pieces])
        chunks += cutter.finish()

    # The last six bytes. A space among the first three of them ends a word that was cut, which is left out.
    expected = [line if len(line) <= 6 else re.sub(r"^[ab]{0,2} ", "", line[-6:]) for line in lines_of(text)]
    assert [line for chunk in chunks for line in chunk.lines()] == expected


def test_a_long_line_can_be_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 4)
    with pytest.raises(DataError, match=r"corpus.txt: line 2: longer than 4 bytes"):
        list(read_lines(write(tmp_path, b"a\nbbbbb\n"), long_lines="refuse"))
