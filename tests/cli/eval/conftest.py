"""For the tests of `lmctl eval`: a text, and the scores of its sentences."""

import pytest
from scored import TEXT

import lmctl as api


@pytest.fixture
def text(write):
    """A text of three sentences and a blank line, with one unknown word."""
    return write("text.txt", TEXT)


@pytest.fixture(scope="module")
def scores(bundle):
    """The sentences' scores by the Python API."""
    model = api.load(bundle)
    return [model.score(line) for line in TEXT.decode().split("\n") if line]
