from dataclasses import dataclass

import numpy as np
import pytest

from lmctl.query import state_store
from lmctl.query.state_store import StateStore, bytes_of


def tokens(*ids):
    return np.array(ids, dtype=np.int32)


@dataclass(frozen=True)
class State:
    hidden: np.ndarray
    parts: tuple


def test_the_longest_beginning_is_found():
    store = StateStore()
    store.put(tokens(1, 2), "two")
    store.put(tokens(1, 2, 3, 4), "four")
    store.put(tokens(9), "other")

    assert store.longest(tokens(1, 2, 3, 4, 5)).state == "four"
    assert store.longest(tokens(1, 2, 3, 4)).state == "four"
    assert store.longest(tokens(1, 2, 3)).state == "two"
    assert store.longest(tokens(1, 2, 3), above=2) is None
    assert store.longest(tokens(1)) is None
    assert store.longest(tokens(0, 1, 2)) is None


def test_tokens_with_the_hash_of_others_are_not_taken_for_them(monkeypatch):
    monkeypatch.setattr(StateStore, "_hashes", lambda _, ids: np.arange(len(ids), dtype=np.uint64))
    store = StateStore()
    store.put(tokens(1, 2), "one")

    assert store.longest(tokens(1, 3)) is None
    store.put(tokens(1, 3), "other")
    assert store.longest(tokens(1, 3)).state == "other"
    assert store.longest(tokens(1, 2)) is None
    assert store.bytes == bytes_of("other") + 8


def test_the_states_that_were_not_used_for_the_longest_time_go_first():
    state = np.zeros(100, dtype=np.float32)
    store = StateStore(most_bytes=3 * (400 + 4))
    for token in (1, 2, 3):
        store.put(tokens(token), state)
    store.longest(tokens(1))
    store.put(tokens(4), state)

    assert [token for token in (1, 2, 3, 4) if store.longest(tokens(token))] == [1, 3, 4]
    assert store.bytes == 3 * 404


def test_a_state_that_is_stored_again_counts_once():
    store = StateStore()
    store.put(tokens(1), np.zeros(10))
    store.put(tokens(1), np.zeros(20))

    assert store.bytes == 164


def test_a_state_larger_than_the_store_is_not_stored():
    store = StateStore(most_bytes=100)
    store.put(tokens(1), np.zeros(5))
    store.put(tokens(2), np.zeros(100))

    assert store.longest(tokens(1))
    assert store.longest(tokens(2)) is None


def test_there_are_never_more_states_than_a_fixed_number(monkeypatch):
    monkeypatch.setattr(state_store, "MOST_STATES", 2)
    store = StateStore()
    for token in (1, 2, 3):
        store.put(tokens(token), None)

    assert [token for token in (1, 2, 3) if store.longest(tokens(token))] == [2, 3]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (np.zeros((2, 3), dtype=np.float32), 24),
        ((np.zeros(2), [np.zeros(3)]), 40),
        (State(np.zeros(4), (np.zeros(1, dtype=np.int32),)), 36),
    ],
    ids=["array", "tuple", "dataclass"],
)
def test_the_bytes_of_a_state_are_those_of_its_arrays(state, expected):
    assert bytes_of(state) == expected
