"""How much is read. `tests/families/contract` compares the answers of every family with those of one context."""

from dataclasses import dataclass
from weakref import WeakSet

import numpy as np
import pytest

from lmctl.families.base import LanguageModel
from lmctl.query import context_reader
from lmctl.query.context_reader import CONTEXTS_AT_ONCE, FEWEST_SAVED, ContextReader
from lmctl.query.state_store import StateStore


class Recorder(LanguageModel):
    """A model whose state is the tokens that were read, a tuple for each column. It counts what it reads."""

    vocabulary_size = 10**6

    def __init__(self, context_length=None):
        self.context_length = context_length
        self.tokens = self.calls = 0

    def null_state(self, batch):
        return [()] * batch

    def advance(self, state, token_ids, lengths=None):
        lengths = [len(token_ids)] * len(state) if lengths is None else lengths
        self.calls += 1
        self.tokens += int(sum(lengths))
        return [
            (*before, *column[:length])
            for before, column, length in zip(state, token_ids.T.tolist(), lengths, strict=True)
        ]

    def select_columns(self, state, columns):
        return [state[column] for column in columns]

    def join(self, states):
        return [column for state in states for column in state]

    def log_probs(self, state):
        raise NotImplementedError

    def score(self, inputs, targets, lengths, state, *, ranks=False, features=False):
        raise NotImplementedError


def read(reader, contexts):
    """The state after each context, in their order."""
    found = {}
    for places, state in reader.read(contexts):
        assert not found.keys() & set(places)
        found |= dict(zip(places, state, strict=True))
    return [found[place] for place in range(len(contexts))]


def check(reader, contexts):
    assert read(reader, contexts) == [tuple(context) for context in contexts]


TEXT = list(range(1, 1001))


def test_a_text_that_grows_is_read_once_in_one_call_or_in_many():
    growing = [TEXT[:length] for length in range(301)]
    # The last contexts share too little to wait for each other.
    repeated = FEWEST_SAVED**2 // 2
    for at_once in (1, 64, 301):
        model = Recorder()
        reader = ContextReader(model)
        for first in range(0, len(growing), at_once):
            check(reader, growing[first : first + at_once])
        assert 300 <= model.tokens <= 300 + repeated * (1 + 301 // at_once if at_once > 1 else 0)


def test_a_common_beginning_is_read_once_in_one_call():
    model = Recorder()
    check(ContextReader(model), [[*TEXT[:200], 7, place] for place in range(2000, 2500)])

    assert model.tokens == 200 + 1 + 500


def test_a_common_beginning_of_single_contexts_is_read_twice_and_then_no_more():
    model = Recorder()
    reader = ContextReader(model)
    for place in range(2000, 2100):
        check(reader, [[*TEXT[:200], place, 5]])

    # The second context shows where they part.
    assert model.tokens == 202 + 202 + 98 * 2


def test_contexts_of_several_texts_that_grow_are_each_read_once():
    model = Recorder()
    reader = ContextReader(model)
    for length in range(50, 80):
        check(reader, [[text, *TEXT[:length]] for text in range(5000, 5020)])

    assert model.tokens == 20 * 80


def test_contexts_that_share_little_are_read_side_by_side():
    model = Recorder()
    check(ContextReader(model), [[1, 2, 3, place, *TEXT[:20]] for place in range(2000, 2004)])

    assert (model.calls, model.tokens) == (1, 4 * 24)


def test_equal_contexts_and_empty_ones_are_answered_each():
    model = Recorder()
    check(ContextReader(model), [TEXT[:30], [], TEXT[:30], [], TEXT[:10], TEXT[:30]])


def test_contexts_of_more_than_one_tree_are_all_answered():
    generator = np.random.default_rng(1)
    contexts = [generator.integers(0, 3, generator.integers(0, 60)).tolist() for _ in range(CONTEXTS_AT_ONCE + 9)]
    model = Recorder()
    reader = ContextReader(model)

    check(reader, contexts)
    check(reader, contexts)


def test_without_a_store_only_contexts_of_one_call_share():
    model = Recorder()
    reader = ContextReader(model, StateStore(most_bytes=0))
    for _ in range(2):
        check(reader, [[*TEXT[:200], place] for place in (2000, 2001)])

    assert model.tokens == 2 * 202


@pytest.mark.parametrize("length", [0, 1, 4])
def test_of_a_model_with_a_short_context_only_that_context_is_read(length):
    model = Recorder(context_length=length)
    contexts = [TEXT[:500], TEXT[:2], []]

    assert read(ContextReader(model), contexts) == [
        tuple(context[max(0, len(context) - length) :]) for context in contexts
    ]
    assert model.tokens == length + min(length, 2)


def test_states_are_in_the_order_of_the_contexts():
    contexts = [TEXT[:40], [], TEXT[:30], [9, 9], TEXT[:50], TEXT[:30]]

    assert ContextReader(Recorder()).states(contexts) == [tuple(context) for context in contexts]


def test_another_thread_may_read_a_context_meanwhile(monkeypatch):
    reader = ContextReader(Recorder())
    check(reader, [[1, *TEXT[:40]]])
    check(reader, [[2, *TEXT[:40]]])
    start = context_reader._Sequence.start.fget

    def start_of(sequence):
        # What another thread does at its end.
        reader._earlier.append(sequence._replace(place=context_reader.EARLIER))
        return start(sequence)

    monkeypatch.setattr(context_reader._Sequence, "start", property(start_of))

    check(reader, [[1, *TEXT[:40], 7], [2, *TEXT[:40], 8]])


@dataclass(eq=False)
class Weighty:
    """A state with the tokens of each column, and 1 KiB for each."""

    tokens: list
    weight: np.ndarray


class Weigher(Recorder):
    """A model that notes the most columns of all its states that were in memory when it read."""

    def __init__(self):
        super().__init__()
        self.alive, self.most = WeakSet(), 0

    def made(self, tokens):
        state = Weighty(tokens, np.zeros((len(tokens), 1024), dtype=np.uint8))
        self.alive.add(state)
        return state

    def null_state(self, batch):
        return self.made(super().null_state(batch))

    def advance(self, state, token_ids, lengths=None):
        self.most = max(self.most, sum(len(each.weight) for each in self.alive))
        return self.made(super().advance(state.tokens, token_ids, lengths))

    def select_columns(self, state, columns):
        return self.made(super().select_columns(state.tokens, columns))

    def join(self, states):
        return self.made(super().join([state.tokens for state in states]))


@pytest.mark.parametrize(
    "contexts",
    [
        [[first, *TEXT[:40], last] for first in range(2000, 2400) for last in (1, 2)],
        [[1, *TEXT[:40], last] for last in range(2000, 2800)],
        [
            [first, *TEXT[:20], second, *TEXT[:20], last]
            for first in range(2000, 2020)
            for second in range(3000, 3020)
            for last in (1, 2)
        ],
    ],
    ids=["many beginnings", "one beginning", "beginnings of beginnings"],
)
def test_the_states_in_memory_are_limited(contexts, monkeypatch):
    monkeypatch.setattr(context_reader, "WAITING_BYTES", 32 << 10)
    model = Weigher()

    found = {}
    for places, state in ContextReader(model, StateStore(most_bytes=0)).read(contexts):
        found |= dict(zip(places, state.tokens, strict=True))
        del state

    assert [found[place] for place in range(len(contexts))] == [tuple(context) for context in contexts]
    # Of 32 columns each: those before and after a step, those that wait, and two levels of starts.
    assert model.most <= 10 * 32
