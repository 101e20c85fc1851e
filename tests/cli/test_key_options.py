"""The help of flags that set a configuration key."""

from __future__ import annotations

import click
import msgspec
import pytest

from lmctl.cli import key_options
from lmctl.config import find_keys


@pytest.fixture
def help_of(monkeypatch):
    """`help_of(*keys)`: the help of a flag that sets these keys, which have one path."""

    def show(*keys):
        monkeypatch.setattr(key_options, "find_keys", lambda _: keys)
        option = key_options.KeyOption(["--size"], keys[0].path)
        return option.get_help_record(click.Context(click.Command("train")))[1]

    return show


def key(**changes):
    """A whole number of at least 1 that no preset sets."""
    (found,) = find_keys("vocabulary.min_count")
    return msgspec.structs.replace(found, path="model.size", **changes)


def test_the_help_has_every_sentence_of_the_description(help_of):
    assert help_of(key(description="Units in a layer. Memory grows with their square.", default=3)) == (
        "Units in a layer. Memory grows with their square.  [model.size; at least 1; default 3]"
    )


@pytest.mark.parametrize(
    ("default", "expected"),
    [(None, "Units. A layer has them; the default has none.  ["), (3, "Units. A layer has them.  [")],
)
def test_null_is_described_if_it_is_the_default(help_of, default, expected):
    found = help_of(key(description="Units. A layer has them; null has none.", default=default))

    assert found.startswith(expected)


def test_null_in_a_sentence_of_its_own_is_left_out_with_it(help_of):
    assert help_of(key(description="Units. null has none. Or more.", default=3)).startswith("Units. Or more.  [")


def test_families_with_the_same_words_are_named_together(help_of):
    owned = [
        key(family="lstm", description="Units in a layer. More take time.", default=3),
        key(family="ngram", description="Words of an n-gram.", default=5),
        key(family="vae", description="Units in a layer.", default=3),
        key(family="hmm", description="Words of an n-gram.", default=3),
    ]

    assert help_of(*owned) == (
        "Units in a layer (lstm, vae). Words of an n-gram (ngram, hmm).  "
        "[model.size; lstm, vae, hmm: at least 1, default 3; ngram: at least 1, default 5]"
    )
