"""The part of a validation text that a generation keeps."""

import pytest

from lmctl.jobs.train.kept_text import KEPT_BYTES, PIECE_BYTES, kept_lines, kept_part


@pytest.mark.parametrize("text", [b"", b"a\n", b"the cat sat\n\n the dog\n", b"no end", b"x" * 99 + b"\n"])
def test_a_text_up_to_a_megabyte_is_kept_whole(tmp_path, text):
    (tmp_path / "valid.txt").write_bytes(text)

    assert kept_part(tmp_path / "valid.txt") == text


def test_of_a_longer_text_pieces_from_its_beginning_to_its_end_are_kept(tmp_path):
    # 64 bytes a line and 256 lines a piece; three and a half megabytes, so that every fourth piece is kept.
    lines = [b"%063d\n" % number for number in range(54_000)]
    (tmp_path / "valid.txt").write_bytes(b"".join(lines))

    kept = kept_part(tmp_path / "valid.txt").splitlines(keepends=True)

    per_piece = PIECE_BYTES // 64
    assert kept == [line for number, line in enumerate(lines) if number // per_piece % 4 == 0]
    assert sum(map(len, kept)) <= KEPT_BYTES


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"the cat sat on the mat\n", b"the cat\n"),
        ("语言模型和语言\n".encode(), "语言模\n".encode()),
        (b"x" * 20, b"xxxxxxxxxx\n"),
        (b" " + b"x" * 20, b" xxxxxxxxx\n"),
    ],
)
def test_of_a_text_of_one_long_line_its_beginning_is_kept(line, kept):
    assert kept_lines([line], total_bytes=len(line), most_bytes=11) == kept


def test_no_line_makes_it_longer_than_a_megabyte():
    lines = [b"x" * 700_000 + b"\n"] * 3 + [b"short\n"] * 2

    assert kept_lines(lines, total_bytes=KEPT_BYTES) == lines[0] + b"short\n" * 2
