import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.corpus import holding_out
from lmctl.corpus.holding_out import LONG_LINE_CHARACTERS, PART_CHARACTERS, HoldOut, line_is_valid

FRACTION = 0.2


def words_of(lines):
    return [line.split() for line in lines]


def numbers(count):
    return " ".join(map(str, range(count)))


def test_a_line_that_people_write_is_held_out_whole():
    lines = [numbers(100), "", "x" * LONG_LINE_CHARACTERS, "a b"]
    hold_out = HoldOut(FRACTION)

    assert hold_out.cut_long_lines(lines) == lines
    flags = hold_out(lines, words_of(lines))
    first = line_is_valid(lines[0], FRACTION)
    assert flags == [first, first, line_is_valid(lines[2], FRACTION), line_is_valid("a b", FRACTION)]
    assert hold_out.long_lines == 0


def test_of_one_line_as_long_as_a_corpus_about_the_share_validates():
    line = numbers(100_000)
    hold_out = HoldOut(FRACTION)

    parts = hold_out.cut_long_lines([line])

    assert "".join(parts) == line
    flags = hold_out(parts, words_of(parts))
    # No word is cut. Neighbouring parts on the same side are one sentence.
    assert [word for part in parts for word in part.split()] == line.split()
    assert all(before != after for before, after in itertools.pairwise(flags))
    held_out = sum(len(part) for part, is_valid in zip(parts, flags, strict=True) if is_valid)
    assert held_out / len(line) == pytest.approx(FRACTION, abs=0.05)
    assert hold_out.long_lines == 1


def test_later_lines_do_not_change_how_a_long_line_is_divided():
    short, long = (HoldOut(FRACTION).cut_long_lines([numbers(count)]) for count in (20_000, 30_000))
    assert long[: len(short) - 1] == short[:-1]


def test_chinese_is_cut_at_full_stops_and_other_text_wherever_it_must():
    line = ("一" * 99 + "。") * 300
    for part in HoldOut(FRACTION, white_space_cuts=False).cut_long_lines([line]):
        assert part.endswith("。")
    line = "".join(chr(0x4E00 + number % 20_000) for number in range(LONG_LINE_CHARACTERS + 1))
    parts = HoldOut(0.5, white_space_cuts=False).cut_long_lines([line])
    assert "".join(parts) == line
    assert all(len(part) % PART_CHARACTERS == 0 for part in parts[:-1])


@given(
    lines=st.lists(st.text(alphabet="ab \t。\u0301", max_size=60), max_size=5),
    fraction=st.sampled_from([0.1, 0.5, 0.9]),
    white_space_cuts=st.booleans(),
)
def test_every_character_stays_in_its_place(lines, fraction, white_space_cuts):
    with pytest.MonkeyPatch.context() as patch:
        # Most lines that Hypothesis makes have fewer than ten characters.
        patch.setattr(holding_out, "LONG_LINE_CHARACTERS", 4)
        patch.setattr(holding_out, "_PARTS", holding_out.part_patterns(2))
        hold_out = HoldOut(fraction, white_space_cuts)
        cut = hold_out.cut_long_lines(lines)
    assert "".join(cut) == "".join(lines)
    assert hold_out.long_lines == sum(len(line) > 4 for line in lines)
    assert len(hold_out(cut, words_of(cut))) == len(cut)
    if white_space_cuts:
        assert [word for line in cut for word in line.split()] == [word for line in lines for word in line.split()]
    rebuilt = [""] * len(lines)
    for place, part in enumerate(cut):
        rebuilt[hold_out.line_of(place)] += part
    assert rebuilt == lines


def test_the_lines_told_apart_are_counted_up_to_a_limit():
    hold_out = HoldOut(FRACTION)
    lines = ["a", "b", "a"]
    hold_out(lines, words_of(lines))
    assert len(hold_out.different) == 2
    lines = list(map(str, range(1_000)))
    hold_out(lines, words_of(lines))
    assert len(hold_out.different) == holding_out.MOST_TOLD_APART
