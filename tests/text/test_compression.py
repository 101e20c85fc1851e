import bz2
import gzip
import itertools
import logging
import lzma
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zstd_module import zstd

from lmctl.errors import DataError, MissingExtraError
from lmctl.text.compression import decompressed


def zstd_compress(content):
    """One frame with a checksum, as the program zstd writes it."""
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd_compress}
SUFFIX = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}
# RFC 8878, 3.1.2: a magic number, the length of the content, the content.
SKIPPABLE = (0x184D2A5F).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
methods = pytest.mark.parametrize("method", COMPRESS)


def in_pieces(content, size):
    return iter([content[start : start + size] for start in range(0, len(content), size)])


def read(content, *, source="corpus", piece=1000, longest=1000, is_file=False):
    return b"".join(decompressed(in_pieces(content, piece), source, longest, is_file=is_file))


@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(sorted(COMPRESS)),
    texts=st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    padding=st.integers(0, 3),
    piece=st.integers(1, 400),
    longest=st.integers(1, 50),
)
def test_all_streams_are_read_however_they_come(method, texts, padding, piece, longest):
    streams = [COMPRESS[method](text) + bytes(4 * padding) for text in texts]

    pieces = list(decompressed(in_pieces(b"".join(streams), piece), "corpus", longest))

    assert b"".join(pieces) == b"".join(texts)
    assert all(1 <= len(text) <= longest for text in pieces)


@settings(deadline=None)
@given(content=st.binary(max_size=40), piece=st.integers(1, 9))
def test_text_that_is_not_compressed_is_not_changed(content, piece):
    text = b"text " + content
    assert read(text, piece=piece) == text


def test_the_first_line_of_a_terminal_is_not_waited_for():
    def typed():
        yield b"B\n"
        raise AssertionError

    assert next(decompressed(typed(), "standard input", 100)) == b"B\n"


@methods
@pytest.mark.parametrize("byte", [0, 1, 2])
def test_a_second_stream_whose_start_is_damaged_is_refused_and_not_left_out(method, byte):
    first, second = COMPRESS[method](b"first\n"), bytearray(COMPRESS[method](b"second\n"))
    second[byte] ^= 1
    with pytest.raises(DataError) as caught:
        read(first + second)
    assert str(caught.value) == (
        f"corpus: damaged or cut off (the bytes from {len(first)} on are no {method} stream; "
        "all before them are whole); compress or copy it again"
    )


@methods
def test_every_way_to_cut_off_the_last_stream_is_noticed(method):
    first, second = COMPRESS[method](b"first\n"), COMPRESS[method](b"second\n")
    for length in range(1, len(second)):
        with pytest.raises(DataError, match="corpus: damaged or cut off"):
            read(first + second[:length])
    # The end of a stream may be the end of the file.
    assert read(first) == b"first\n"


@methods
def test_every_flipped_bit_is_noticed_or_changes_nothing(method):
    # A header has bits without effect on the text, such as gzip's time of modification.
    content = COMPRESS[method](b"some text\n")
    for place, bit in itertools.product(range(len(content)), range(8)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        try:
            found = read(bytes(damaged), source=f"corpus{SUFFIX[method]}", is_file=True)
        except DataError as error:
            assert str(error).startswith(f"corpus{SUFFIX[method]}: ")  # noqa: PT017
        else:
            assert found == b"some text\n"


@methods
def test_bytes_after_a_stream_are_refused(method):
    with pytest.raises(DataError, match=r"are no [a-z0-9]+ stream"):
        read(COMPRESS[method](b"a\n") + b"garbage")
    with pytest.raises(DataError, match=r"are no [a-z0-9]+ stream"):
        read(COMPRESS[method](b"a\n") + bytes(8) + b"garbage")


def test_zeros_behind_an_xz_stream_come_in_fours_as_its_format_has_it():
    content = lzma.compress(b"a\n")
    assert read(content + bytes(512)) == b"a\n"
    with pytest.raises(DataError, match="511 zeros follow a stream; xz allows multiples of four"):
        read(content + bytes(511))
    with pytest.raises(DataError, match="3 zeros follow a stream"):
        read(content + bytes(3) + content)


@pytest.mark.parametrize("method", ["gzip", "bzip2", "zstd"])
def test_zeros_behind_the_others_may_be_any_number(method):
    assert read(COMPRESS[method](b"a\n") + bytes(511)) == b"a\n"


@methods
def test_a_file_that_is_not_compressed_as_its_name_says_is_refused(method):
    name = f"corpus{SUFFIX[method]}"
    with pytest.raises(DataError) as caught:
        read(b"plain text\n", source=name, is_file=True)
    assert str(caught.value) == (
        f"{name}: its first bytes are not those of {method}; if it is plain text, give it a name without the "
        "suffix, else it is damaged: compress or copy it again"
    )
    with pytest.raises(DataError, match=rf"{name}: empty, so cut off"):
        read(b"", source=name, is_file=True)


@methods
def test_a_compressed_file_is_known_without_its_suffix_and_said_to_be_once(method, caplog):
    name = f"a rotated log of {method}.1"
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert read(COMPRESS[method](b"a\n"), source=name, is_file=True) == b"a\n"
        assert read(COMPRESS[method](b"a\n"), source="standard input") == b"a\n"
    assert caplog.messages == [
        f"{name}: {method} by its first bytes, though its name does not say so; it is decompressed"
    ]


def test_an_empty_text_compressed_is_an_empty_text():
    for compress in COMPRESS.values():
        assert read(compress(b"")) == b""


def test_a_wrong_checksum_is_damage():
    content = bytearray(gzip.compress(b"a\n"))
    assert zlib.crc32(b"a\n").to_bytes(4, "little") == content[-8:-4]
    content[-8] ^= 1
    with pytest.raises(DataError, match="incorrect data check"):
        read(bytes(content))


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_skippable_frames_of_zstd_have_no_text(piece):
    first, second = zstd_compress(b"first\n"), zstd_compress(b"second\n")
    assert read(SKIPPABLE + first + SKIPPABLE + second + SKIPPABLE, piece=piece) == b"first\nsecond\n"
    assert read(SKIPPABLE) == b""
    with pytest.raises(DataError, match="corpus: damaged or cut off"):
        read(first + SKIPPABLE[:-1])


def test_a_small_zstd_frame_of_a_large_text_comes_in_pieces():
    pieces = list(decompressed(iter([zstd_compress(bytes(10_000_000))]), "corpus", 1000))
    assert len(pieces) == 10_000
    assert {len(piece) for piece in pieces} == {1000}


def test_a_wrong_checksum_of_zstd_is_damage():
    content = bytearray(zstd_compress(b"some text\n"))
    content[-1] ^= 1
    with pytest.raises(DataError) as caught:
        read(bytes(content))
    assert str(caught.value) == (
        "corpus: damaged or cut off (restored data doesn't match checksum); compress or copy it again"
    )


def test_a_zstd_window_above_that_of_the_program_is_refused():
    # The program zstd refuses a window above 2**27 bytes, too, unless --long names it. The window of this frame is
    # stated in its header only (RFC 8878, 3.1.1.1.2): exponent 28 - 10, mantissa 0.
    content = b"\x28\xb5\x2f\xfd\x00" + bytes([(28 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(
        DataError, match=r"^corpus: zstd with a window above 128 MiB.* zstd -dc --long=31 FILE unpacks"
    ):
        read(content)


def test_a_zstd_frame_with_a_dictionary_is_refused():
    dictionary = zstd.train_dict([b"hello world %d" % number * 5 for number in range(1000)], 1000)
    with pytest.raises(DataError, match=r"^corpus: zstd with a dictionary of its own, which lmctl does not have"):
        read(zstd.compress(b"hello", zstd_dict=dictionary))


def test_without_its_package_a_zstd_file_is_refused_with_the_name_of_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, zstd.__name__, None)
    monkeypatch.delattr(zstd.__name__)
    with pytest.raises(MissingExtraError) as caught:
        read(zstd_compress(b"a\n"))
    assert str(caught.value) == (
        "corpus: zstd, which lmctl reads with a package that is not installed: pip install 'lmctl[zstd]', "
        "or zstd -dc FILE in a pipe"
    )
