import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.layers.best_words import BestWords
from lmctl.layers.distributions import largest


def log_probs_of(logits, log_sum, log_prob):
    return (logits - np.float64(log_sum)).astype(np.float32) + np.float32(log_prob)


@pytest.mark.parametrize("k", [1, 2, 7, 40, 90])
@pytest.mark.parametrize("steps", [2, 1000], ids=["many ties", "few ties"])
def test_words_found_part_by_part_are_those_of_a_full_search(k, steps):
    generator = np.random.default_rng(k)
    for _ in range(40):
        parts = [generator.integers(0, steps, size).astype(np.float32) / steps for size in (20, 50, 30)]
        sums = np.log([np.exp(part, dtype=np.float64).sum() for part in parts])
        log_probs = generator.choice([-0.5, -1.0, -300.0, -20000.0], 3).astype(np.float32)
        allowed = generator.random(100) < generator.choice([0.9, 1.0])
        whole = np.concatenate([log_probs_of(*part) for part in zip(parts, sums, log_probs, strict=True)])
        firsts = (0, 20, 70)

        best = BestWords(k)
        for place in generator.permutation(3):
            ids = slice(firsts[place], firsts[place] + len(parts[place]))
            there = None if allowed.all() else allowed[ids]
            best.add(parts[place], sums[place], float(log_probs[place]), firsts[place], there)

        candidates = np.flatnonzero(allowed)
        expected = largest(whole[None, candidates], candidates, min(k, len(candidates)))
        np.testing.assert_array_equal(best.found()[0], expected[0][0])
        np.testing.assert_array_equal(best.found()[1], expected[1][0])


def test_words_that_cannot_come_are_found_if_too_few_can():
    best = BestWords(3)
    best.add(np.array([-np.inf, 0.0, -np.inf], np.float32), 0.0, -1.0, 0, None)
    best.add(np.array([0.0, -np.inf], np.float32), 0.0, -2.0, 3, None)

    ids, log_probs = best.found()

    assert ids.tolist() == [1, 3, 0]
    assert log_probs.tolist() == [-1.0, -2.0, -np.inf]


def test_nan_is_no_logit():
    with pytest.raises(DataError, match="the model gives a word the log probability nan"):
        BestWords(1).add(np.array([0.0, np.nan], np.float32), float("nan"), 0.0, 0, None)
