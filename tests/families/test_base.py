import numpy as np
import pytest

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families import base
from lmctl.families.base import LanguageModel


class Table(LanguageModel):
    """A model whose distributions are the rows of a table. Its state is the tokens that it has read."""

    def __init__(self, log_probs):
        self.table = np.array(log_probs, dtype=np.float32)
        self.vocabulary_size = self.table.shape[1]

    def null_state(self, batch):
        return [[] for _ in range(batch)]

    def advance(self, state, token_ids, lengths=None):  # noqa: ARG002
        return [[*before, *column] for before, column in zip(state, token_ids.T.tolist(), strict=True)]

    def select_columns(self, state, columns):
        return [state[column] for column in columns]

    def join(self, states):
        return [column for state in states for column in state]

    def log_probs(self, state):  # noqa: ARG002
        return self.table

    def score(self, inputs, targets, lengths, state, *, ranks=False, features=False):
        raise NotImplementedError


def test_a_sentence_starts_from_the_null_state_advanced_by_the_sentence_end():
    assert Table([[0.0, 0.0]]).initial_state(2) == [[SENTENCE_END_ID], [SENTENCE_END_ID]]


@pytest.mark.parametrize(
    ("k", "token_ids"),
    [(1, [4]), (2, [4, 0]), (3, [4, 0, 1]), (4, [4, 0, 1, 3]), (5, [4, 0, 1, 3, 2]), (9, [4, 0, 1, 3, 2])],
)
def test_top_k_of_equal_probabilities_has_the_smaller_id_first(k, token_ids):
    found, log_probs = Table([[-2.0, -2.0, -3.0, -2.0, -1.0]]).top_k(None, k)

    assert found.tolist() == [token_ids]
    assert log_probs.tolist() == [[-1.0, -2.0, -2.0, -2.0, -3.0][:k]]


@pytest.mark.parametrize("k", [1, 3, 20, 99, 100])
@pytest.mark.parametrize("distinct", [2, 7, 1000])
def test_top_k_is_the_beginning_of_a_full_sort(k, distinct):
    # There are few distinct values, so most words are tied.
    table = -np.random.default_rng(distinct).integers(1, distinct, size=(6, 100), endpoint=True)

    found, log_probs = Table(table).top_k(None, k)

    for row in range(6):
        expected = sorted(range(100), key=lambda token_id: (-table[row, token_id], token_id))[:k]
        assert found[row].tolist() == expected
        np.testing.assert_array_equal(log_probs[row], table[row, expected])


@pytest.mark.parametrize("k", [1, 2, 3, 50])
def test_top_k_answers_with_allowed_tokens_alone(k):
    allowed = np.array([False, True, False, True, True])

    found, log_probs = Table([[-0.1, -3.0, -0.2, -2.0, -3.0]]).top_k(None, k, allowed)

    # The log probabilities are those of the table, not renormalised over the allowed words.
    assert found.tolist() == [[3, 1, 4][:k]]
    assert log_probs.tolist() == [[-2.0, -3.0, -3.0][:k]]


@pytest.mark.parametrize(("k", "allowed"), [(0, None), (3, np.zeros(4, dtype=bool))])
def test_top_k_of_nothing_is_empty(k, allowed):
    found, log_probs = Table(np.zeros((2, 4))).top_k(None, k, allowed)

    assert found.shape == log_probs.shape == (2, 0)


def test_top_k_finds_words_of_probability_zero_last():
    found, log_probs = Table([[-np.inf, -1.0, -np.inf]]).top_k(None, 2)

    assert found.tolist() == [[1, 0]]
    assert log_probs.tolist() == [[-1.0, -np.inf]]


def test_a_family_has_no_features_unless_it_says_so():
    table = Table([[0.0, 0.0]])

    assert not table.has_features
    with pytest.raises(NotImplementedError, match="Table has no features"):
        table.features(table.null_state(1))
    with pytest.raises(NotImplementedError, match="Table has no features"):
        table.advance_with_features(table.null_state(1), np.array([[1]]))


class Bigram(Table):
    """A model whose distribution is the row of the last token; before any token, row 0."""

    def advance(self, state, token_ids, lengths=None):
        lengths = [len(token_ids)] * len(state) if lengths is None else lengths
        columns = zip(state, token_ids.T.tolist(), lengths, strict=True)
        return [[*before, *column[:length]] for before, column, length in columns]

    def log_probs(self, state):
        return self.table[[column[-1] if column else 0 for column in state]]


def test_advancing_with_log_probs_answers_after_every_token_up_to_each_columns_end():
    bigram = Bigram([[-1.0, -2.0, -3.0], [-4.0, -5.0, -6.0], [-7.0, -8.0, -9.0]])
    token_ids = np.array([[1, 2], [0, 1], [2, 0]])

    log_probs, state = bigram.advance_with_log_probs(bigram.null_state(2), token_ids, np.array([3, 2]))

    np.testing.assert_array_equal(log_probs[:, 0], bigram.table[[1, 0, 2]])
    np.testing.assert_array_equal(log_probs[:2, 1], bigram.table[[2, 1]])
    assert state == [[1, 0, 2], [2, 1]]
    np.testing.assert_array_equal(
        bigram.advance_with_log_probs(bigram.null_state(2), token_ids)[0], bigram.table[token_ids]
    )


@pytest.mark.parametrize("at_once", [1, 6, 1 << 21])
def test_ranks_of_whole_distributions_count_ties_against_the_target(monkeypatch, at_once):
    monkeypatch.setattr(base, "DISTRIBUTIONS_AT_ONCE", at_once)
    bigram = Bigram([[-1.0, -1.0, -3.0], [-4.0, -5.0, -6.0], [-9.0, -8.0, -7.0]])
    inputs, targets = np.array([[0, 1], [1, 2], [2, 0]]), np.array([[0, 0], [1, 0], [2, 2]])

    scores, state = bigram._score_with_ranks(
        inputs, targets, np.array([3, 2]), bigram.null_state(2), features=False
    )

    assert scores.log_probs.tolist() == [[-1.0, -4.0], [-5.0, -9.0], [-7.0, 0.0]]
    assert scores.ranks.tolist() == [[2, 1], [2, 3], [1, 0]]
    assert state == [[0, 1, 2], [1, 2]]


def test_a_token_is_drawn_by_its_place_on_the_line_of_probabilities():
    # Without token 0, the others lie at 0 to 0.25, 0.25 to 0.5, and 0.5 to 1.
    model = Table(np.log([[0.2, 0.2, 0.2, 0.4]] * 6))

    ids, log_probs = model.sample(None, np.array([0.0, 0.24, 0.26, 0.49, 0.51, 1 - 2**-53]), excluded=0)

    assert ids.tolist() == [1, 1, 2, 2, 3, 3]
    np.testing.assert_array_equal(log_probs, model.table[0][ids])


def test_tokens_of_probability_zero_are_never_drawn():
    with np.errstate(divide="ignore"):
        model = Table(np.log([[0.0, 0.5, 0.0, 0.5, 0.0]] * 3))

    assert model.sample(None, np.array([0.0, 0.5, 1 - 2**-53]), excluded=4)[0].tolist() == [1, 3, 3]
    assert np.isneginf(Table([[0.0, -np.inf]]).sample(None, np.array([0.5]), excluded=0)[1]).all()
