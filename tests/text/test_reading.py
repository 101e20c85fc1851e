import bz2
import gzip
import io
import itertools
import logging
import lzma
import os
import pickle
import re
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError, InputMissingError, StorageError, UsageError
from lmctl.text import line_ends, source_chunks, sources
from lmctl.text.reading import LineStream, read_chunks, read_lines
from lmctl.text.source_chunks import SourceChunk
from lmctl.text.sources import check_sources

same_folder_for_all_examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(folder, content, name="corpus.txt"):
    path = folder / name
    path.write_bytes(content)
    return str(path)


def lines_of(text):
    """What reading is to give of a text that is no longer than what decides about its line ends."""
    lines = [
        re.sub(r"\ufeff+(?=[^ \t\r\ufeff])", " ", line.lstrip("\ufeff"))
        for line in re.split("\r\n|\n" if "\n" in text else "\r", text)
    ]
    return lines if lines[-1] else lines[:-1]


def chunk(content, *, encoding="utf-8", errors="strict", first_line=1, first_byte=0):
    return SourceChunk("corpus.txt", content, encoding, errors, first_line, first_byte)


# SourceChunk


def test_a_byte_order_mark_is_dropped_at_the_start_of_every_line_since_cat_joins_files_that_have_one():
    assert chunk("\ufeffa\n\ufeff\ufeffb\r\n\ufeffc\n".encode()).lines() == ["a", "b", "c"]
    assert chunk("\ufeffa\n".encode(), first_line=9, first_byte=100).lines() == ["a"]


def test_a_byte_order_mark_inside_a_line_parts_words_and_is_reported(tmp_path, caplog):
    # cat one.txt two.txt, of which the first has no line end after its last line.
    path = tmp_path / "joined.txt"
    path.write_bytes("\ufeffa b\nc d\ufeffe f\n\ufeffg\n".encode())

    assert [line for part in read_chunks([str(path)]) for line in part.lines()] == ["a b", "c d e f", "g"]
    (message,) = caplog.messages
    assert "line 2: a byte order mark before a word inside the line, which is taken for a blank" in message


def test_a_byte_order_mark_that_a_blank_follows_is_a_character_of_the_text(tmp_path, caplog):
    # So it stands in WikiText-2, in whose vocabulary of 33,278 words it is one.
    path = tmp_path / "wikitext.txt"
    path.write_bytes(" W \ufeff / 51\n ; \ufeff\n".encode())

    assert [line for part in read_chunks([str(path)]) for line in part.lines()] == [" W \ufeff / 51", " ; \ufeff"]
    assert not caplog.messages


def test_crlf_ends_a_line_and_a_lone_carriage_return_does_not():
    assert chunk(b"a\r\nb\rc\r\n\r\nd\r").lines() == ["a", "b\rc", "", "d\r"]


def test_other_separators_do_not_end_a_line():
    text = "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g"
    assert chunk(text.encode()).lines() == [text]


@pytest.mark.parametrize(
    ("content", "lines"), [(b"", []), (b"\n", [""]), (b"\n\n", ["", ""]), (b"a", ["a"]), (b"a\n", ["a"])]
)
def test_the_last_line_needs_no_newline(content, lines):
    assert chunk(content).lines() == lines


def test_an_undecodable_byte_is_located_in_the_source():
    with pytest.raises(DataError) as caught:
        chunk(b"good\nbad \xb0\n", first_line=16, first_byte=2036).text()
    assert str(caught.value) == (
        "corpus.txt: line 17, byte 2045: not valid utf-8 (0xb0); "
        "if it is in another encoding, name that with --encoding; --errors replace|skip reads on"
    )


def test_undecodable_bytes_are_replaced_or_left_out_on_request():
    assert chunk(b"a\xb0b", errors="replace").text() == "a\ufffdb"
    assert chunk(b"a\xb0b", errors="skip").text() == "ab"


def test_a_nul_is_refused_replaced_or_left_out_as_errors_says():
    with pytest.raises(DataError) as caught:
        chunk(b"a\nb\0c").lines()
    assert str(caught.value) == (
        "corpus.txt: line 2, byte 3: a NUL byte, which no text has; this looks like a binary file; "
        "--errors skip leaves NULs out, --errors replace puts U+FFFD"
    )
    assert chunk(b"a\nb\0c", errors="replace").lines() == ["a", "b\ufffdc"]
    assert chunk(b"a\nb\0\xffc", errors="skip").lines() == ["a", "bc"]


def test_the_first_of_a_bad_byte_and_a_nul_is_reported():
    with pytest.raises(DataError, match=r"byte 1: not valid utf-8 \(0xff\)"):
        chunk(b"a\xffb\0").text()
    with pytest.raises(DataError, match="byte 1: a NUL byte"):
        chunk(b"a\0b\xff").text()


def test_a_chunk_can_be_pickled():
    original = chunk("词\n".encode("gb18030"), encoding="gb18030")
    assert pickle.loads(pickle.dumps(original)).lines() == ["词"]  # noqa: S301


# read_chunks


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


@pytest.mark.parametrize("encoding", ["iso2022_jp", "hz", "big5", "gbk"])
def test_east_asian_encodings_are_read(tmp_path, encoding):
    path = write(tmp_path, "第一行\n第二行 a\n".encode(encoding))
    assert list(read_lines(path, encoding=encoding)) == ["第一行", "第二行 a"]


def test_gb18030_with_its_byte_order_mark_is_read():
    assert chunk("\ufeff词语\n".encode("gb18030"), encoding="gb18030").lines() == ["词语"]


@pytest.mark.parametrize(
    ("encoding", "content", "place"),
    [
        (
            "utf-16",
            b"\xff\xfea\0\n\0b\0\x00\xd8c\0",
            r"line 2, byte 8: not valid utf-16 \(0x00\)",
        ),
        ("utf-16-be", b"\0a\0\n\0b\xdc\x01\0c", r"line 2, byte 6: not valid utf-16-be \(0xdc\)"),
        ("utf-16-le", b"a\0\n\0b", r"line 2, byte 4: not valid utf-16-le \(0x62\)"),
        ("utf-32-le", b"a\0\0\0\n\0\0\0\xff\xff\xff\xff", r"line 2, byte 8: not valid utf-32-le \(0xff\)"),
        ("utf-16-le", b"a\0\n\0\n\0b\0\0\0c\0", "line 3, byte 8: a NUL byte"),
    ],
)
@pytest.mark.parametrize("read_bytes", [1, 3, 1000])
def test_faults_in_wide_encodings_are_located_in_the_original(
    tmp_path, monkeypatch, encoding, content, place, read_bytes
):
    monkeypatch.setattr(sources, "_READ_BYTES", read_bytes)
    with pytest.raises(DataError, match=place):
        list(read_chunks([write(tmp_path, content)], encoding=encoding))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_wide_encoding_without_its_byte_order_mark_is_named_with_its_byte_order(tmp_path, encoding):
    path = write(tmp_path, "语言模型\n预测\n".encode(f"{encoding}-le"))
    with pytest.raises(DataError) as caught:
        list(read_lines(path, encoding=encoding))
    assert str(caught.value).startswith(
        f"{path}: no byte order mark, with which {encoding} starts; --encoding {encoding}-le "
    )
    with pytest.raises(DataError, match=r"--encoding utf-8 (needs none|reads it)"):
        list(read_lines(write(tmp_path, "语言模型\n".encode()), encoding=encoding))


def test_faults_in_wide_encodings_are_replaced_or_left_out_on_request(tmp_path):
    path = write(tmp_path, b"a\0\x01\xdcb\0")
    assert list(read_lines(path, encoding="utf-16-le", errors="replace")) == ["a\ufffdb"]
    assert list(read_lines(path, encoding="utf-16-le", errors="skip")) == ["ab"]


@pytest.mark.parametrize("encoding", ["utf-99", "", "rot13", "idna", "utf-7", "unicode_escape"])
def test_an_encoding_that_no_text_file_has_is_a_usage_error(tmp_path, encoding):
    with pytest.raises(UsageError, match="unknown text encoding; expected one that Python knows"):
        list(read_chunks([write(tmp_path, b"a")], encoding=encoding))


def test_text_that_is_read_in_the_wrong_encoding_without_an_error_is_doubted_once_a_source(tmp_path, caplog):
    path = write(tmp_path, "语言模型预测下一个词\n".encode() * 100)
    with caplog.at_level(logging.WARNING):
        assert len(list(read_lines(path, encoding="latin-1"))) == 100
    assert caplog.messages == [
        f"{path}: valid utf-8, but read as latin-1; if words come out wrong, --encoding utf-8 is right"
    ]


def test_an_unknown_way_to_treat_errors_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="ignore: unknown way to treat errors; expected strict, replace or skip"):
        list(read_lines(write(tmp_path, b"a"), errors="ignore"))


# Long lines


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


def test_errors_after_a_cut_still_give_the_line_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 4)
    with pytest.raises(DataError, match="line 2, byte 12: not valid"):
        list(read_lines(write(tmp_path, b"a\nbbbbbbbbbb\xff\n")))


# Missing and unreadable


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
    # The superuser, who runs many a test, may read everything.
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


# LineStream


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


def test_a_stream_locates_what_it_cannot_decode(pipe):
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


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="ab \n", max_size=60), pieces=st.integers(1, 20), chunk_bytes=st.integers(1, 20))
def test_every_line_is_read_once_and_of_a_long_one_the_end(text, pieces, chunk_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_chunks, "LONGEST_LINE_BYTES", 6)
        patch.setattr(source_chunks, "_LOOK_FOR_BLANK_BYTES", 3)
        patch.setattr(line_ends, "DECIDING_BYTES", 4)
        cutter = source_chunks.ChunkCutter("text", "utf-8", "strict", chunk_bytes, "end")
        chunks = []
        for start in range(0, len(text), pieces):
            chunks += cutter.feed(text[start : start + pieces].encode())
        chunks += cutter.finish()

    # The last six bytes, from the first blank among three on, if there is one.
    expected = [line if len(line) <= 6 else re.sub(r"^[ab]{0,2} ", "", line[-6:]) for line in lines_of(text)]
    assert [line for chunk in chunks for line in chunk.lines()] == expected


def test_a_long_line_can_be_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source_chunks, "LONGEST_LINE_BYTES", 4)
    with pytest.raises(DataError, match=r"corpus.txt: line 2: longer than 4 bytes"):
        list(read_lines(write(tmp_path, b"a\nbbbbb\n"), long_lines="refuse"))


def test_a_stream_that_cannot_be_read_is_a_storage_error(pipe):
    reader, _, close = pipe
    close(reader)
    with pytest.raises(StorageError, match="standard input: cannot be read: Bad file descriptor"):
        next(iter(LineStream(reader, "standard input")))


def test_a_standard_input_that_does_not_block_is_read_to_its_end(pipe, monkeypatch):
    reader, writer, close = pipe
    os.set_blocking(reader, False)
    monkeypatch.setattr(sys, "stdin", open(reader, encoding="utf-8", closefd=False))  # noqa: SIM115

    def write_slowly():
        for text in ("one\n", "two\n"):
            time.sleep(0.05)
            os.write(writer, text.encode())
        close(writer)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert list(read_lines("-")) == ["one", "two"]
    thread.join()
