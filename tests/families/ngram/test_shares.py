import math

import numpy as np
import pytest

from lmctl.errors import DataError, UsageError
from lmctl.families.ngram.estimation import estimate
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.shares import MOST_SUMMED, coded_shares
from lmctl.families.ngram.sizes import table_name
from lmctl.families.ngram.tables import open_tables

TEXT = (
    "a b c a\nb a c c b\na a b\nc\n"
    + " ".join("adefghijklmn")
    + "\n"
    + "".join(f"a {c}\n" for c in "opqrst")
    + "u v\n" * 6
)


@pytest.fixture
def quantised(estimate_text, tmp_path):
    """A model of order 5 in a folder, and its tables."""
    _, tables = estimate_text(TEXT, folder=tmp_path, order=5, smoothing="kneser-ney", quantize=8)
    return tmp_path, tables


def test_a_weight_is_what_the_shares_of_a_context_leave(quantised):
    _, tables = quantised
    lengths = []
    for order in range(2, 6):
        contexts = np.arange(tables.sizes.ngrams[order - 2])
        first, stop = tables.continuations(order, contexts)
        lengths.extend((stop - first).tolist())

        weights = tables.weights(order - 1, contexts, first, stop)

        for context in contexts.tolist():
            shares = tables.shares[order].of(np.arange(first[context], stop[context]))
            assert weights[context] == 1 - math.fsum(shares)
    # Weights that are stored and weights that are summed are among them.
    assert {0, 1, 2} < set(lengths)
    assert max(lengths) > MOST_SUMMED


def test_shares_are_rounded_down_only_if_their_context_would_lose_half_of_its_weight():
    codebook = np.array([1 / 16, 1 / 4, 1 / 2, 3 / 4])
    # The weight of the first context is 0.4875, and 0.4375 with the nearest values. That of the second is 0.1, and
    # would be 0. The third has more shares than are summed when a weight is asked for.
    shares = np.array([0.45, 1 / 16, 0.45, 0.45, *[1 / 16] * 9], dtype=np.float32)
    contexts = np.array([3, 3, 5, 5, *[8] * 9])

    codes, large, weights = coded_shares(codebook, contexts, shares)

    assert codes.tolist() == [2, 0, 1, 1, *[0] * 9]
    assert large.tolist() == [8]
    assert weights.tolist() == [1 - 9 / 16]


def test_every_distribution_sums_to_one_as_exactly_as_the_unigrams(quantised):
    _, tables = quantised
    model = NgramLanguageModel(tables)
    tokens = np.random.default_rng(1).integers(0, model.vocabulary_size, (7, 500))

    sums = np.exp(model.log_probs(model.advance(model.null_state(500), tokens)).astype(float)).sum(axis=1)

    np.testing.assert_allclose(sums, 1, atol=3e-7)


def test_the_terms_of_a_score_add_up_to_it(quantised):
    _, tables = quantised
    model = NgramLanguageModel(tables)
    tokens = np.random.default_rng(2).integers(0, model.vocabulary_size, (30, 4))

    scores, _ = model.score(tokens[:-1], tokens[1:], np.full(4, 29), model.initial_state(4))

    np.testing.assert_allclose(scores.ngram_terms.astype(float).sum(axis=0), scores.log_probs, rtol=1e-6)


def test_as_a_back_off_model_it_has_the_same_distributions(quantised, tmp_path_factory):
    from lmctl.families.arpa.export import write_arpa
    from lmctl.families.arpa.importing import read_arpa
    from lmctl.families.arpa.words import WordSpelling

    _, tables = quantised
    model = NgramLanguageModel(tables)
    folder = tmp_path_factory.mktemp("arpa")
    words = ["<unk>", "</s>", *(f"w{number}" for number in range(2, model.vocabulary_size))]
    with (folder / "model.arpa").open("wb") as file:
        write_arpa(tables, WordSpelling(words), file)
    vocabulary, sizes = read_arpa(str(folder / "model.arpa"), folder)
    assert sizes.ngrams == tables.sizes.ngrams
    other = NgramLanguageModel(open_tables(folder, sizes))
    ids = np.array([vocabulary.words.index(word) for word in words])
    tokens = np.random.default_rng(3).integers(0, model.vocabulary_size, (6, 100))

    ours = model.log_probs(model.advance(model.initial_state(100), tokens))
    theirs = other.log_probs(other.advance(other.initial_state(100), ids[tokens]))[:, ids]

    np.testing.assert_allclose(theirs, ours, rtol=1e-6, atol=1e-6)


def damaged(folder, order, at, value):
    """Change bytes of the shares of an order."""
    path = folder / table_name(order, "shares")
    content = np.load(path)
    new = np.array([value]).view(np.uint8)
    content[at : at + len(new)] = new
    np.save(path, content)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, np.uint64(10**6), "it ends in an array of"),
        (0, np.uint64(0), "bytes, expected"),
        (8, np.float32(np.nan), "its codebook does not rise"),
        (8 + 4 * 255, np.float32(0), "its codebook does not rise"),
        (8 + 4 * 255, np.float32(1), "its codebook does not rise"),
        (8 + 4 * 256, np.uint32(10**6), "the weights are not those of the contexts with more than 8"),
        (8 + 4 * 256 + 8, np.float32(1.5), "a weight that is not between 0 and 1"),
    ],
)
def test_damaged_shares_are_refused(quantised, at, value, message):
    folder, tables = quantised
    assert len(tables.shares[2].large) == 1
    damaged(folder, 2, at, value)

    with pytest.raises(DataError, match=message) as error:
        open_tables(folder, tables.sizes)

    assert str(folder / table_name(2, "shares")) in str(error.value)


def test_shares_of_more_than_one_are_refused(quantised):
    folder, tables = quantised
    contexts = np.arange(tables.sizes.ngrams[1])
    first, stop = tables.continuations(3, contexts)
    two = first[(stop - first == 2).argmax()]
    size = (folder / table_name(3, "shares")).stat().st_size - 128
    codes = size - -(-tables.sizes.ngrams[2] // 8) * 8
    highest = np.uint16(0xFFFF)
    assert 2 * tables.shares[3].codebook[-1] > 1
    damaged(folder, 3, codes + two, highest)

    with pytest.raises(DataError, match="shares that add up to more than 1"):
        open_tables(folder, tables.sizes)


def test_a_probability_above_one_is_refused(quantised):
    folder, tables = quantised
    probs = np.load(folder / table_name(1, "probs"))
    probs[0] = 1.5
    np.save(folder / table_name(1, "probs"), probs)

    with pytest.raises(DataError, match="a probability that is not between 0 and 1"):
        open_tables(folder, tables.sizes)


def test_relative_frequencies_are_not_quantised(tmp_path):
    with pytest.raises(UsageError, match="quantize 8: expected smoothing kneser-ney, got mle"):
        estimate(np.array([2, 1]), 3, tmp_path, order=2, smoothing="mle", quantize=8)
