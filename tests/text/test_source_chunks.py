"""A chunk of bytes becomes lines: byte order marks, line ends, undecodable bytes and NULs."""

import pickle

import pytest
from source_texts import chunk

from lmctl.errors import DataError
from lmctl.text.reading import read_chunks


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
    # WikiText-2 contains it, as one of the 33,278 words of its vocabulary.
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
        "if the text has another encoding, name it with --encoding; --errors replace|skip reads on"
    )


def test_undecodable_bytes_are_replaced_or_left_out_on_request():
    assert chunk(b"a\xb0b", errors="replace").text() == "a\ufffdb"
    assert chunk(b"a\xb0b", errors="skip").text() == "ab"


@pytest.mark.parametrize(
    ("encoding", "line", "replaced", "skipped"),
    [
        # The start of a sequence of four, three and eight bytes. Python decodes it so inside a text.
        ("gb18030", b"\x810", "\ufffd0", "0"),
        ("euc_jp", b"\x8f", "\ufffd", ""),
        ("euc_kr", b"\xa4\xd4", "\ufffd\ufffd", ""),
        ("utf-8", b"\xe4\xb8", "\ufffd", ""),
    ],
)
def test_invalid_bytes_are_treated_alike_at_the_end_of_a_chunk_and_inside_it(encoding, line, replaced, skipped):
    for errors, expected in (("replace", replaced), ("skip", skipped)):
        for content, lines in ((line + b"\n", [expected]), (line + b"\nbcdefgh\n", [expected, "bcdefgh"])):
            assert chunk(b"a\n" + content, encoding=encoding, errors=errors).lines() == ["a", *lines]


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
