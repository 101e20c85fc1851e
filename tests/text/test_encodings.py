"""Texts in other encodings than UTF-8, and the positions of bad bytes."""

import logging

import pytest
from source_texts import chunk, write

from lmctl.errors import DataError, UsageError
from lmctl.text import sources
from lmctl.text.reading import read_chunks, read_lines


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


@pytest.mark.parametrize("read_bytes", [1, 1000])
def test_a_fault_in_a_text_without_its_byte_order_mark_is_the_missing_mark(tmp_path, monkeypatch, read_bytes):
    monkeypatch.setattr(sources, "_READ_BYTES", read_bytes)
    # 剀 is 0xD8 0xDC in GBK, and these bytes are half a surrogate pair, U+DCD8, in UTF-16 of the usual byte order.
    path = write(tmp_path, "赣江剀剀\n".encode("gbk"))
    with pytest.raises(DataError, match=r"no byte order mark, with which utf-16 starts"):
        list(read_lines(path, encoding="utf-16"))


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
