"""Lines of a stream are returned as soon as they arrive."""

import os
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_texts import lines_of

from lmctl import files
from lmctl.errors import DataError, StorageError
from lmctl.text import line_ends, source_chunks
from lmctl.text.reading import LineStream, read_lines


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    open_ends = {reader, writer}

    def close(end):
        open_ends.discard(end)
        os.close(end)

    yield reader, writer, close
    for end in open_ends:
        os.close(end)


def test_each_line_is_answered_before_the_next_is_written(pipe):
    reader, writer, close = pipe
    batches = iter(LineStream(reader, "standard input"))
    for text in ["one", "", "三"]:
        os.write(writer, f"{text}\n".encode())
        assert next(batches) == [text]
    os.write(writer, b"four\nfive\nhalf")
    assert next(batches) == ["four", "five"]
    os.write(writer, b" a line")
    close(writer)
    assert list(batches) == [["half a line"]]


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(alphabet="ab \r\n词\ufeff", max_size=40),
    writes=st.integers(1, 20),
    read_bytes=st.integers(1, 20),
    encoding=st.sampled_from(["utf-8", "gb18030", "utf-16", "utf-32-le"]),
)
def test_a_stream_gives_the_same_lines_however_it_arrives(text, writes, read_bytes, encoding):
    content = text.encode(encoding)
    reader, writer = os.pipe()

    def write_all():
        for start in range(0, len(content), writes):
            os.write(writer, content[start : start + writes])
        os.close(writer)

    thread = threading.Thread(target=write_all)
    thread.start()
    batches = list(LineStream(reader, "standard input", encoding=encoding, read_bytes=read_bytes))
    thread.join()
    os.close(reader)

    assert [line for batch in batches for line in batch] == lines_of(text)
    assert all(batches)


def test_a_stream_locates_bytes_that_cannot_be_decoded(pipe):
    reader, writer, _ = pipe
    batches = iter(LineStream(reader, "standard input"))
    os.write(writer, b"fine\n")
    assert next(batches) == ["fine"]
    os.write(writer, b"b\xffd\n")
    with pytest.raises(DataError, match="standard input: line 2, byte 6: not valid utf-8"):
        next(batches)


def test_of_a_stream_without_line_ends_the_end_alone_is_kept(pipe, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 8)
    monkeypatch.setattr(line_ends, "DECIDING_BYTES", 4)
    reader, writer, close = pipe
    os.write(writer, b"y" * 5 + b"x" * 20)
    close(writer)
    assert list(LineStream(reader, "standard input", long_lines="end")) == [["x" * 8]]


def test_a_stream_that_cannot_be_read_is_a_storage_error(pipe):
    reader, _, close = pipe
    close(reader)
    with pytest.raises(StorageError, match="standard input: cannot be read: Bad file descriptor"):
        next(iter(LineStream(reader, "standard input")))


def test_a_standard_input_that_does_not_block_is_read_to_its_end(pipe, monkeypatch):
    reader, writer, close = pipe
    os.set_blocking(reader, False)
    monkeypatch.setattr(sys, "stdin", open(reader, encoding="utf-8", closefd=False))  # noqa: SIM115

    waits, wait = threading.Semaphore(0), files._wait

    def waiting(descriptor, event):
        waits.release()
        wait(descriptor, event)

    def write_while_it_waits():
        for text in ("one\n", "two\n"):
            waits.acquire()
            os.write(writer, text.encode())
        close(writer)

    monkeypatch.setattr(files, "_wait", waiting)
    thread = threading.Thread(target=write_while_it_waits, daemon=True)
    thread.start()
    assert list(read_lines("-")) == ["one", "two"]
    thread.join()
