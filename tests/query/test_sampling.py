"""Frequencies of drawn tokens, by enumeration: evenly spaced uniform numbers stand for all of them."""

import math

import numpy as np
import pytest
from bigrams import Bigrams

from lmctl.errors import DataError, UsageError
from lmctl.query.sampling import ROUNDING, Sampler, Sampling, filtered

# <unk>, </s> and four words. Without <unk>, the others have 1/20, 8/20, 4/20, 4/20 and 3/20.
PROBS = [0.2, 0.04, 0.32, 0.16, 0.16, 0.12]
PLACES = 4000


def frequencies(sampling, probs=PROBS, bans=(), has_bans=False):
    """How often each token is drawn, as a share, with PLACES evenly spaced uniform numbers."""
    model = Bigrams([probs] * len(probs))
    uniforms = (np.arange(PLACES) + 0.5) / PLACES
    sampler = Sampler(model, sampling, has_bans=has_bans or bool(bans))
    ids, log_probs = sampler.draw(model.null_state(PLACES), uniforms, [bans] * PLACES)
    assert log_probs.tolist() == model.table[0][ids].tolist()
    return np.bincount(ids, minlength=len(probs)) / PLACES


def near(shares):
    """The rounding of a log probability may move one place to the neighbour."""
    return pytest.approx(shares, abs=2 / PLACES)


@pytest.mark.parametrize("has_bans", [False, True], ids=["model.sample", "all log probabilities"])
def test_without_options_tokens_come_as_in_the_model_but_for_unk(has_bans):
    assert frequencies(Sampling(), has_bans=has_bans) == near([0, 1 / 20, 8 / 20, 4 / 20, 4 / 20, 3 / 20])


def test_a_temperature_of_one_half_squares_the_probabilities():
    # 1 + 64 + 16 + 16 + 9 = 106.
    assert frequencies(Sampling(temperature=0.5)) == near([0, 1 / 106, 64 / 106, 16 / 106, 16 / 106, 9 / 106])


def test_a_temperature_of_two_takes_their_roots():
    roots = [0.0, *(math.sqrt(each) for each in (1, 8, 4, 4, 3))]

    assert frequencies(Sampling(temperature=2)) == near([root / sum(roots) for root in roots])


def test_at_temperature_zero_the_most_probable_token_is_certain():
    assert frequencies(Sampling(temperature=0)).tolist() == [0, 0, 1, 0, 0, 0]
    # Of equally probable ones the smaller id.
    assert frequencies(Sampling(temperature=0), [0.5, 0.1, 0.1, 0.15, 0.15, 0]).tolist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("temperature", [1e-300, 5e-324])
def test_a_tiny_temperature_is_no_division_by_zero(temperature):
    assert frequencies(Sampling(temperature=temperature)).tolist() == [0, 0, 1, 0, 0, 0]


def test_top_k_keeps_the_k_most_probable_tokens_and_of_equal_ones_the_smaller_id():
    assert frequencies(Sampling(top_k=1)) == near([0, 0, 1, 0, 0, 0])
    assert frequencies(Sampling(top_k=2)) == near([0, 0, 8 / 12, 4 / 12, 0, 0])
    assert frequencies(Sampling(top_k=3)) == near([0, 0, 8 / 16, 4 / 16, 4 / 16, 0])
    assert frequencies(Sampling(top_k=99)) == near([0, 1 / 20, 8 / 20, 4 / 20, 4 / 20, 3 / 20])


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.01, 1), (0.4, 1), (0.41, 2), (0.6, 2), (0.61, 3), (0.8, 3), (0.81, 4), (0.95, 4), (0.96, 5)],
)
def test_the_nucleus_is_the_smallest_set_with_the_probability_p(top_p, kept):
    # By falling probability, their sums are 8/20, 12/20, 16/20, 19/20 and 1.
    shares = np.zeros(6)
    for token_id, share in [(2, 8), (3, 4), (4, 4), (5, 3), (1, 1)][:kept]:
        shares[token_id] = share
    assert frequencies(Sampling(top_p=top_p)) == near(shares / shares.sum())


@pytest.mark.parametrize(
    ("min_p", "kept"), [(0.01, 5), (0.125, 5), (0.13, 4), (0.375, 4), (0.4, 3), (0.51, 1), (1, 1)]
)
def test_min_p_keeps_tokens_with_a_share_of_the_highest_probability(min_p, kept):
    shares = np.zeros(6)
    for token_id, share in [(2, 8), (3, 4), (4, 4), (5, 3), (1, 1)][:kept]:
        shares[token_id] = share
    assert frequencies(Sampling(min_p=min_p)) == near(shares / shares.sum())


def test_the_nucleus_is_one_of_the_top_k_after_the_temperature():
    # T = 1/2: 64, 16, 16, 9, 1; of three: 64/96, 16/96, 16/96; the first two have 80/96 = 0.83.
    assert frequencies(Sampling(0.5, top_k=3, top_p=0.8)) == near([0, 0, 64 / 80, 16 / 80, 0, 0])
    # Without the temperature: 8/16, 4/16, 4/16; the first two have 0.75.
    assert frequencies(Sampling(top_k=3, top_p=0.8)) == near([0, 0, 0.5, 0.25, 0.25, 0])
    # The words of probability 16 have a quarter of 64.
    assert frequencies(Sampling(0.5, top_k=3, min_p=0.3)) == near([0, 0, 1, 0, 0, 0])


def test_banned_tokens_are_left_out_and_the_others_renormalised():
    assert frequencies(Sampling(), bans=[2, 4]) == near([0, 1 / 8, 0, 4 / 8, 0, 3 / 8])
    assert frequencies(Sampling(top_k=2), bans=[2]) == near([0, 0, 0, 0.5, 0.5, 0])
    assert frequencies(Sampling(temperature=0), bans=[2]).tolist() == [0, 0, 0, 1, 0, 0]


def test_the_nucleus_may_end_among_many_tokens_of_equal_probability():
    # 998 words with 1/1000 each, and one with 2/1000: 0.9 needs 899 of them.
    shares = frequencies(Sampling(top_p=0.9), [0.0, 0.002, *[0.001] * 998])

    assert np.flatnonzero(shares).tolist() == list(range(1, 900))


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.999, 0.9999999])
@pytest.mark.parametrize("spread", [0.1, 3.0, 40.0])
def test_the_nucleus_is_the_beginning_of_a_full_sort(top_p, spread):
    logs = np.random.default_rng(1).normal(scale=spread, size=500)
    logs -= logs.max()

    kept = np.flatnonzero(np.isfinite(filtered(logs[None], Sampling(top_p=top_p))[0]))

    probs = np.exp(logs) / np.exp(logs).sum()
    order = np.argsort(-probs, kind="stable")
    needed = int(np.searchsorted(np.cumsum(probs[order]), top_p * (1 - ROUNDING))) + 1
    assert kept.tolist() == sorted(order[:needed].tolist())


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(0.5), Sampling(0.0), Sampling(top_k=3), Sampling(top_p=0.5)]
)
def test_a_context_in_which_only_unk_is_possible_draws_nothing(sampling):
    model = Bigrams([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    sampler = Sampler(model, sampling, has_bans=False)

    ids, log_probs = sampler.draw(np.array([0, 1, 2]), np.array([0.5, 0.5, 0.5]), [[], [], []])

    assert log_probs.tolist() == [0.0, -math.inf, 0.0]
    assert (ids[0], ids[2]) == (2, 1)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.5), Sampling(top_k=3)])
def test_damaged_weights_are_an_error(sampling):
    model = Bigrams([[0.2, 0.4, 0.4]] * 3)
    model.table[:] = np.nan

    with pytest.raises(DataError, match="the model gives a word the log probability nan"):
        Sampler(model, sampling, has_bans=False).draw(np.zeros(1, dtype=int), np.zeros(1), [[]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": -1}, "the temperature is -1; expected a number of at least 0"),
        ({"temperature": math.nan}, "the temperature is nan; expected a number of at least 0"),
        ({"temperature": math.inf}, "the temperature is inf; expected a number of at least 0"),
        ({"top_k": 0}, "top_k is 0; expected a whole number of at least 1"),
        ({"top_p": 0}, "top_p is 0; expected a number above 0, and at most 1"),
        ({"top_p": 1.5}, "top_p is 1.5; expected a number above 0, and at most 1"),
        ({"min_p": 2}, "min_p is 2; expected a number from 0 to 1"),
    ],
)
def test_a_value_outside_its_range_is_refused(values, message):
    with pytest.raises(UsageError) as raised:
        Sampling(**values)
    assert str(raised.value) == message
