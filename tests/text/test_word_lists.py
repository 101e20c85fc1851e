import bz2
import gzip
import os
import threading
from types import SimpleNamespace

import pytest
from waiting import LONGEST_SECONDS

from lmctl.errors import DataError, InputMissingError, StorageError
from lmctl.text import sources, word_lists
from lmctl.text.limits import LARGEST_WORD_LIST_BYTES, LONGEST_WORD_BYTES
from lmctl.text.word_lists import read_list_lines, read_word_list

WORDS = ("the", "的", "of")


@pytest.fixture
def write(tmp_path):
    def write(content, name="words.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_a_word_list_has_one_word_a_line_and_each_once(write):
    path = write("\ufeff<unk>\t0\n the \r\n\n的\t12\tx y\nthe\nof")
    assert read_word_list(path) == ("<unk>", "the", "的", "of")


def test_two_words_on_a_line_are_refused(write):
    path = write("the\nNew York\t3\n")
    with pytest.raises(DataError) as caught:
        read_word_list(path)
    assert str(caught.value) == f"{path}: line 2: 'New York' has white space inside; expected one word a line"


def test_a_missing_word_list_is_named(tmp_path):
    with pytest.raises(InputMissingError, match=r"none\.txt: no such file"):
        read_word_list(str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    "content",
    [
        *(end.join((*WORDS, "")).encode() for end in ("\n", "\r\n", "\r")),
        *(f"\ufeff{end.join(WORDS)}".encode() for end in ("\n", "\r\n", "\r")),
        gzip.compress("\n".join(WORDS).encode(), mtime=0),
        bz2.compress("\r".join(WORDS).encode()),
    ],
)
def test_a_word_list_is_read_as_a_text_is(write, content):
    assert read_word_list(write(content)) == WORDS


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16", "utf-16-le"])
def test_a_word_list_is_in_the_encoding_of_the_text(write, encoding):
    assert read_word_list(write("\n".join(WORDS).encode(encoding)), encoding=encoding) == WORDS


def test_a_word_list_in_another_encoding_than_the_text_is_to_be_converted(write):
    path = write("的\n一\n是\n不\n".encode("gb18030"))
    with pytest.raises(DataError) as caught:
        read_word_list(path)
    assert str(caught.value) == (
        f"{path}: line 1, byte 0: not valid utf-8 (0xb5); word lists are read in the encoding of the text, and it "
        "looks like gb18030: iconv -f gb18030 -t utf-8"
    )


def test_bytes_that_are_not_text_are_refused_replaced_or_left_out_as_in_a_text(write):
    path = write(b"a\0b\nc\xff\n")
    with pytest.raises(DataError, match="line 1, byte 1: a NUL byte"):
        read_word_list(path)
    assert read_word_list(path, errors="skip") == ("ab", "c")
    assert read_word_list(path, errors="replace") == ("a\ufffdb", "c\ufffd")


def test_a_message_quotes_no_more_than_a_line_can_hold(write):
    path = write("word and " * 100_000)
    with pytest.raises(DataError) as caught:
        read_word_list(path)
    assert len(str(caught.value)) < len(path) + 150


def test_a_word_has_a_limit_in_bytes(write):
    most = "的" * (LONGEST_WORD_BYTES // 3) + "ab"
    assert read_word_list(write(f"a\n{most}\n")) == ("a", most)
    path = write(f"a\n{most}的\n")
    with pytest.raises(
        DataError, match=rf"line 2: a word of {LONGEST_WORD_BYTES + 3} bytes, '的+\.\.\.'; the limit is 32768"
    ):
        read_word_list(path)


def test_a_list_has_a_limit_in_bytes(write, monkeypatch):
    assert LARGEST_WORD_LIST_BYTES == 64 << 20
    monkeypatch.setattr(word_lists, "LARGEST_WORD_LIST_BYTES", 3 << 20)
    assert list(read_list_lines(write(b"word\n" * 600_000))) == ["word"] * 600_000
    with pytest.raises(DataError, match="a word list of more than 3 MiB, which is the limit"):
        list(read_list_lines(write(gzip.compress(b"word\n" * 700_000), "words.gz")))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_an_endless_list_is_refused(device):
    with pytest.raises(DataError, match=f"{device}: line"):
        read_word_list(device)
    assert read_word_list("/dev/null") == ()


def test_a_pipe_is_a_list(tmp_path, monkeypatch):
    monkeypatch.setattr(word_lists, "PATIENCE_SECONDS", LONGEST_SECONDS)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("the\nof\n"))
    writer.start()
    assert read_word_list(str(pipe)) == ("the", "of")
    writer.join()


def test_a_pipe_that_was_written_in_time_is_read_although_the_look_comes_late(tmp_path, monkeypatch):
    pipe, start = tmp_path / "pipe", iter([0.0])
    os.mkfifo(pipe)
    # Half a minute passes between two looks, and a program writes meanwhile.
    clock = SimpleNamespace(monotonic=lambda: next(start, 30.0), sleep=lambda _: pipe.write_text("the\nof\n"))
    monkeypatch.setattr(sources, "time", clock)

    assert read_word_list(str(pipe)) == ("the", "of")


def test_the_pipe_of_a_shell_is_a_list_even_if_it_is_empty():
    for content, words in ((b"the\nof\n", ("the", "of")), (b"", ())):
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        assert read_word_list(f"/dev/fd/{reader}") == words
        os.close(reader)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(word_lists, "PATIENCE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match=r"pipe: a named pipe; no program wrote to it for 0\.1 seconds"):
        read_word_list(str(tmp_path / "pipe"))
