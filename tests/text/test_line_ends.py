import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.text import line_ends
from lmctl.text.line_ends import LineEnds


def fed(content, piece=1000):
    ends = LineEnds("corpus.txt")
    found = b"".join(ends.feed(content[start : start + piece]) for start in range(0, len(content), piece))
    return found + ends.finish()


@given(content=st.text(alphabet="ab\r\n", max_size=40).map(str.encode), piece=st.integers(1, 41))
def test_pieces_of_any_size_give_the_same_and_no_byte_moves(content, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_ends, "DECIDING_BYTES", 16)
        found = fed(content, piece)
        assert found == fed(content)
    assert len(found) == len(content)
    assert all(
        before == after or (before, after) == (13, 10) for before, after in zip(content, found, strict=True)
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\rb\r", b"a\nb\n"),
        (b"a\r\rb", b"a\n\nb"),
        # An LF anywhere in the start: CR is no line end.
        (b"a\rb\n", b"a\rb\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\r", b"a\n"),
        (b"", b""),
    ],
)
def test_a_carriage_return_ends_a_line_if_there_is_no_line_feed(content, expected):
    assert fed(content) == expected


def test_the_start_decides_and_all_three_end_lines_if_it_has_carriage_returns_alone(monkeypatch):
    monkeypatch.setattr(line_ends, "DECIDING_BYTES", 4)
    for piece in (1, 3, 100):
        assert fed(b"a\rb\rc\r\nd\ne\r", piece) == b"a\nb\nc\r\nd\ne\n"
        # The last byte of the start may be half of CRLF.
        assert fed(b"abc\r\nd\re", piece) == b"abc\r\nd\re"
        assert fed(b"abcdef\rg\r", piece) == b"abcdef\rg\r"


def test_the_treatment_of_carriage_returns_is_reported_once(caplog):
    ends = LineEnds("corpus.txt")
    with caplog.at_level(logging.INFO):
        for lines, first_line in [(b"a\r\nb\r\r\n", 1), (b"c\rd\re\nf\r", 3)]:
            ends.count_inside(lines, first_line)
        ends.warn()
        fed(b"a\rb\r")
    inside, in_place = caplog.messages
    assert inside == (
        "corpus.txt: line 3: a carriage return inside the line (2 in all); other lines end in LF, so it is taken "
        "for a blank (if it should end a line: tr '\\r' '\\n')"
    )
    assert in_place == "corpus.txt: has carriage returns in place of line feeds; each ends a line"
