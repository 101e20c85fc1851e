"""States of a model by the tokens that it has read, in bounded memory."""

from __future__ import annotations

import dataclasses
import sys
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import IntArray

# Bytes of the arrays of all states and their tokens, and number of states.
MOST_BYTES = 1 << 26
MOST_STATES = 1 << 12
# An odd number with bits all over, so that its powers differ in all of their bits (Knuth, TAOCP 3, section 6.4).
_FACTOR = 0x9E3779B97F4A7C15


class Stored(NamedTuple):
    """A state of one column, and the tokens that were read, (T,)."""

    tokens: IntArray
    state: Any
    numbers_bytes: int


class StateStore:
    """The states that were used last. If memory is short, those that were not used for the longest time go.

    A state is found by a polynomial hash of its tokens, and the tokens are compared. Several threads may use a
    store.

    Args:
        most_bytes: most bytes of the arrays of states and tokens; 0: nothing is stored.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._stored: OrderedDict[int, Stored] = OrderedDict()
        self._bytes = 0
        self._powers = np.ones(1, dtype=np.uint64)
        self._lock = Lock()

    @property
    def bytes(self) -> int:
        """Bytes of the arrays of all states and their tokens."""
        return self._bytes

    def longest(self, tokens: IntArray, above: int = 0) -> Stored | None:
        """The state after as many of the first tokens as possible; None: there is none after more than `above`."""
        with self._lock:
            if not self._stored:
                return None
            hashes = self._hashes(tokens).tolist()
            for length in range(len(tokens), above, -1):
                found = self._stored.get(hashes[length - 1])
                if found is not None and np.array_equal(found.tokens, tokens[:length]):
                    self._stored.move_to_end(hashes[length - 1])
                    return found
        return None

    def put(self, tokens: IntArray, state: Any) -> None:
        """Store the state of one column after one or more tokens. The arrays must not be changed afterwards."""
        size = bytes_of(state) + tokens.nbytes
        if size > self._most_bytes:
            return
        with self._lock:
            key = int(self._hashes(tokens)[-1])
            before = self._stored.pop(key, None)
            self._bytes += size - (before.numbers_bytes if before else 0)
            self._stored[key] = Stored(tokens.copy(), state, size)
            while self._bytes > self._most_bytes or len(self._stored) > MOST_STATES:
                self._bytes -= self._stored.popitem(last=False)[1].numbers_bytes

    def _hashes(self, tokens: IntArray) -> NDArray[np.uint64]:
        """A hash of the first 1, 2, ... T tokens, each a sum of tokens times powers, modulo 2^64."""
        while len(self._powers) < len(tokens):
            step = pow(_FACTOR, len(self._powers), 1 << 64)
            self._powers = np.concatenate([self._powers, self._powers * np.uint64(step)])
        terms = (tokens.astype(np.uint64) + np.uint64(1)) * self._powers[: len(tokens)]
        return np.cumsum(terms, dtype=np.uint64)


def bytes_of(state: Any) -> int:
    """Bytes of a state: of its arrays, in tuples and dataclasses; of other objects, as Python counts."""
    if isinstance(state, np.ndarray):
        return state.nbytes
    if isinstance(state, tuple | list):
        return sum(map(bytes_of, state))
    if dataclasses.is_dataclass(state):
        return sum(bytes_of(getattr(state, field.name)) for field in dataclasses.fields(state))
    return sys.getsizeof(state)
