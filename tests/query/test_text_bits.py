import math

import numpy as np
import pytest

from lmctl.deadline import Deadline
from lmctl.query import text_bits
from lmctl.query.evaluation import evaluate_file
from lmctl.query.text_bits import TextBits, bits_of_lines

OVER = Deadline(0.0, lambda: 1.0)
SENTENCES = ["the cat sat", "the dog", "a zebra", "on the mat"]


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "text.txt"
    place.write_text("".join(f"{line}\n" for line in SENTENCES))
    return place


@pytest.mark.parametrize("state", ["carry", "reset"])
def test_the_bits_of_a_whole_text_are_those_of_eval(model, path, state):
    found = bits_of_lines(model, path, state=state, blank_lines="drop")

    figures = evaluate_file(model, str(path), state=state)
    assert found.per_character() == figures.bits_per_character
    assert (found.is_cut, found.characters_to()) == (False, figures.characters)
    assert found.places.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("state", ["carry", "reset"])
def test_the_bits_of_a_part_are_those_of_its_lines(model, path, state, tmp_path, monkeypatch):
    monkeypatch.setattr(text_bits, "FEWEST_TIMED_CHARACTERS", len("the cat sat\nthe dog\n"))
    whole = bits_of_lines(model, path, state=state, blank_lines="drop")

    part = bits_of_lines(model, path, state=state, blank_lines="drop", deadline=OVER)

    beginning = tmp_path / "beginning.txt"
    beginning.write_text("the cat sat\nthe dog\n")
    of_beginning = evaluate_file(model, str(beginning), state=state).bits_per_character
    assert part.is_cut
    assert part.end == 2
    assert part.per_character() == of_beginning == whole.per_character(part.end)
    assert bits_of_lines(model, path, state=state, blank_lines="drop", end=2).per_character() == of_beginning


def test_bits_to_a_place_are_summed_to_the_last_unit_that_ends_there():
    bits = TextBits(np.array([1.0, 3.0, 4.0]), np.array([6.0, 8.0, 20.0]), np.array([2.0, 4.0, 5.0]), is_cut=False)

    assert [bits.per_character(end) for end in (1, 2, 3, None)] == [3.0, 3.0, 2.0, 4.0]
    assert math.isclose(bits.characters_to(3), 4)
