import math

import numpy as np
import pytest

from lmctl.layers import attention as attention_module
from lmctl.layers.attention import Attention, Memory, seen_within_sentences
from lmctl.layers.positions import alibi_slopes, rotated

HEADS, HEAD_DIM, CONTEXT = 3, 8, 5
BOUND = 8.0


def draw(*shape, seed=1):
    """Queries, keys and values, (B, T, A, K) each; no element exceeds the bound."""
    return np.random.default_rng(seed).uniform(-BOUND, BOUND, (3, *shape, HEADS, HEAD_DIM)).astype(np.float32)


def make_attention(positions="alibi", context=CONTEXT):
    return Attention(HEADS, context, positions, np.full(HEADS * HEAD_DIM, BOUND * 1.001))


def attend(attention, queries, keys, values, memory, read):
    """Read positions; return the outputs at each position, and the memory after them."""
    remembered = memory.keys.shape[1]
    memory = attention.remember(keys, values, memory, read)
    places = np.tile(np.arange(queries.shape[1]) + remembered, (len(queries), 1))
    return attention.answer(queries, memory, places, read, remembered), memory


def empty(batch):
    return Memory.empty(batch, HEADS, HEAD_DIM)


def plainly(queries, keys, values, positions, context=CONTEXT):
    """Attention over the whole text, written out in float64 (Vaswani et al. 2017, equation 1)."""
    batch, steps = queries.shape[:2]
    if positions == "rotary":
        places = np.tile(np.arange(steps), (batch, 1))
        queries, keys = rotated(queries, places), rotated(keys, places)
    queries, keys, values = (part.astype(np.float64) for part in (queries, keys, values))
    answers = np.zeros(queries.shape)
    for column, time, head in np.ndindex(batch, steps, HEADS):
        seen = range(max(0, time - context + 1), time + 1)
        scores = keys[column, list(seen), head] @ queries[column, time, head] / math.sqrt(HEAD_DIM)
        if positions == "alibi":
            scores -= alibi_slopes(HEADS)[head] * (time - np.array(seen))
        weights = np.exp(scores - scores.max())
        answers[column, time, head] = (weights / weights.sum()) @ values[column, list(seen), head]
    return answers


@pytest.mark.parametrize("context", [1, 2, 5, 100])
@pytest.mark.parametrize("positions", ["alibi", "rotary"])
def test_attention_is_the_formula_over_the_whole_text(positions, context):
    parts = draw(2, 23)

    answers, _ = attend(make_attention(positions, context), *parts, empty(2), np.zeros(2, int))

    np.testing.assert_allclose(answers, plainly(*parts, positions, context), atol=1e-5)


@pytest.mark.parametrize("cuts", [[1, 2, 3], [4], [2, 19], list(range(1, 23))])
@pytest.mark.parametrize("positions", ["alibi", "rotary"])
def test_a_text_in_pieces_gives_the_bits_of_the_text_at_once(positions, cuts):
    heads = make_attention(positions)
    parts = draw(2, 23)
    whole, _ = attend(heads, *parts, empty(2), np.zeros(2, int))

    memory, pieces = empty(2), []
    for first, stop in zip([0, *cuts], [*cuts, 23], strict=True):
        answers, memory = attend(heads, *parts[:, :, first:stop], memory, np.full(2, first))
        memory = memory.latest(min(CONTEXT - 1, stop), np.zeros(2, int))
        pieces.append(answers)

    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


@pytest.mark.parametrize("at_once", [1, 100, 1 << 22])
def test_blocks_of_any_size_give_the_same_bits(monkeypatch, at_once):
    parts = draw(2, 40)
    expected, _ = attend(make_attention(), *parts, empty(2), np.zeros(2, int))

    monkeypatch.setattr(attention_module, "SCORES_AT_ONCE", at_once)
    answers, _ = attend(make_attention(), *parts, empty(2), np.zeros(2, int))

    np.testing.assert_array_equal(answers, expected)


def test_columns_that_have_read_more_or_less_are_answered_as_each_is_alone():
    heads = make_attention("rotary")
    before, after = draw(3, 6), draw(3, 4, seed=2)
    read = np.array([6, 0, 2])
    _, memory = attend(heads, *before, empty(3), np.zeros(3, int))
    memory = memory.latest(4, 6 - read)

    together, _ = attend(heads, *after, memory, read)

    for column, length in enumerate(read):
        one = slice(column, column + 1)
        _, alone = attend(heads, *before[:, one, :length], empty(1), np.zeros(1, int))
        alone = alone.latest(min(4, length), np.zeros(1, int))
        answers, _ = attend(heads, *after[:, one], alone, read[one])
        np.testing.assert_array_equal(together[one], answers)
        # Positions that a column has not read are zero in its memory.
        assert not memory.keys[column, : max(0, 4 - length)].any()
        np.testing.assert_array_equal(memory.values[column, 4 - min(4, length) :], alone.values[0])


def test_a_memory_holds_no_more_than_it_says():
    heads = make_attention()
    _, memory = attend(heads, *draw(2, 100), empty(2), np.zeros(2, int))

    kept = memory.latest(4, np.zeros(2, int))

    for part, whole in ((kept.keys, memory.keys), (kept.units, memory.units), (kept.values, memory.values)):
        np.testing.assert_array_equal(part, whole[:, -4:])
        assert part.base is None or part.base.size <= 2 * part.size


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0])
@pytest.mark.parametrize("head_dim", [1, 8, 64])
def test_every_sum_is_exact(head_dim, scale):
    """The sum of the largest possible terms is a whole number below 2^53, so it is exact in every order."""
    rng = np.random.default_rng(3)
    steps = 33
    parts = (rng.uniform(0.99, 1.0, (3, 1, steps, 1, head_dim)) * scale).astype(np.float32)
    heads = Attention(1, 64, "alibi", np.full(head_dim, scale))

    answers, memory = attend(heads, *parts, Memory.empty(1, 1, head_dim), np.zeros(1, int))

    assert np.abs(memory.keys).max() <= 2**24
    assert np.abs(memory.values).max() <= 2**24
    sums = [sum(int(a) * int(b) for a, b in zip(key, key, strict=True)) for key in memory.keys[0, :, 0]]
    assert max(sums) <= 2**53
    assert np.abs(answers).max() <= scale


def test_the_cost_of_one_more_position_does_not_grow_beyond_the_context(monkeypatch):
    heads = make_attention()
    matmul, shapes = np.matmul, []
    monkeypatch.setattr(
        np, "matmul", lambda *parts: (shapes.append([part.shape for part in parts]), matmul(*parts))[1]
    )

    def of_one_more(read):
        _, memory = attend(heads, *draw(1, read), empty(1), np.zeros(1, int))
        memory = memory.latest(min(CONTEXT - 1, read), np.zeros(1, int))
        assert memory.keys.shape[1] <= CONTEXT - 1
        shapes.clear()
        attend(heads, *draw(1, 1), memory, np.full(1, read))
        return [*shapes]

    assert of_one_more(CONTEXT) == of_one_more(30 * CONTEXT)
    assert of_one_more(CONTEXT) == [
        [(1, HEADS, 1, HEAD_DIM), (1, HEADS, HEAD_DIM, CONTEXT)],
        [(1, HEADS, 1, CONTEXT), (1, HEADS, CONTEXT, HEAD_DIM)],
    ]


def attend_where(attention, queries, keys, values, is_seen):
    """Whole texts at once, with any rule of what a position sees."""
    batch, steps = queries.shape[:2]
    memory = attention.remember(keys, values, empty(batch), np.zeros(batch, int))
    return attention.answer_where(queries, memory, np.tile(np.arange(steps), (batch, 1)), is_seen)


@pytest.mark.parametrize("positions", ["alibi", "rotary"])
def test_attention_to_any_positions_is_the_formula(positions):
    queries, keys, values = draw(2, 9)
    is_seen = np.random.default_rng(5).random((2, 9, 9)) < 0.5
    is_seen |= np.eye(9, dtype=bool)

    answers = attend_where(make_attention(positions), queries, keys, values, is_seen)

    if positions == "rotary":
        places = np.tile(np.arange(9), (2, 1))
        queries, keys = rotated(queries, places), rotated(keys, places)
    expected = np.zeros(answers.shape)
    for column, time, head in np.ndindex(2, 9, HEADS):
        seen = np.flatnonzero(is_seen[column, time])
        scores = keys[column, seen, head].astype(np.float64) @ queries[column, time, head] / math.sqrt(HEAD_DIM)
        if positions == "alibi":
            scores -= alibi_slopes(HEADS)[head] * np.abs(time - seen)
        weights = np.exp(scores - scores.max())
        expected[column, time, head] = (weights / weights.sum()) @ values[column, seen, head].astype(np.float64)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


@pytest.mark.parametrize("positions", ["alibi", "rotary"])
def test_attention_to_the_positions_before_gives_the_bits_of_causal_attention(positions):
    parts = draw(2, 9)
    distances = np.arange(9)[:, None] - np.arange(9)
    is_seen = np.tile((distances >= 0) & (distances < CONTEXT), (2, 1, 1))

    causal, _ = attend(make_attention(positions), *parts, empty(2), np.zeros(2, int))

    np.testing.assert_array_equal(attend_where(make_attention(positions), *parts, is_seen), causal)


@pytest.mark.parametrize("at_once", [1, 100])
def test_positions_that_are_not_seen_and_blocks_of_any_size_change_no_bit(monkeypatch, at_once):
    heads, parts = make_attention("rotary"), draw(2, 9)
    alone = attend_where(heads, *parts[:, :1, :6], np.ones((1, 6, 6), bool))
    is_seen = np.zeros((2, 9, 9), bool)
    is_seen[0, :6, :6] = True
    is_seen |= np.eye(9, dtype=bool)

    monkeypatch.setattr(attention_module, "SCORES_AT_ONCE", at_once)
    padded = attend_where(heads, *parts, is_seen)

    np.testing.assert_array_equal(padded[0, :6], alone[0])


def test_a_word_sees_its_own_sentence_and_the_ends_beside_it():
    # a b </s> c </s> d, and two positions of padding
    is_end = np.array([[0, 0, 1, 0, 1, 0, 0, 0]], bool)
    is_there = np.array([[1, 1, 1, 1, 1, 1, 0, 0]], bool)

    assert seen_within_sentences(is_end, is_there)[0].astype(int).tolist() == [
        [1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
    ]
