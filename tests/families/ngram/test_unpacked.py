import math

import numpy as np
import pytest

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.ngram import unpacked as unpacking
from lmctl.families.ngram.keys import ABSENT
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.unpacked import UnpackedTables, pays, unpacked

# Sentences of six words. The first word is far more frequent than the others, so its context has many n-grams.
NUMBERS = np.minimum(np.random.default_rng(3).geometric(0.2, size=(500, 6)), 40)
LINES = [" ".join(f"w{number}" for number in row) for row in NUMBERS.tolist()]


@pytest.fixture(params=[8, 32])
def read(request, estimate_text):
    """A new model of half of the lines, with 8 and 32 bits, and the tokens of the others."""
    vocabulary, tables = estimate_text(
        "\n".join(LINES[:250]), order=4, smoothing="kneser-ney", quantize=request.param
    )
    token_ids = [token for line in LINES[250:] for token in (*vocabulary.encode(line.split()), SENTENCE_END_ID)]
    return NgramLanguageModel(tables), np.array(token_ids)


def scores(model, token_ids):
    targets = token_ids[:, None]
    inputs = np.concatenate([[[SENTENCE_END_ID]], targets[:-1]])
    return model.score(inputs, targets, np.array([len(targets)]), model.null_state(1))[0]


def test_contexts_have_the_places_and_weights_of_the_packed_tables(read):
    tables = read[0]._tables
    found = unpacked(tables)

    for order in (2, 3, 4):
        contexts = np.array([ABSENT, *range(tables.sizes.ngrams[order - 2])])
        first, stop = tables.continuations(order, contexts)
        assert [each.tolist() for each in found.continuations(order, contexts)] == [first.tolist(), stop.tolist()]
        if tables.shares:
            expected = tables.weights(order - 1, contexts, first, stop)
            assert found.weights(order - 1, contexts, first, stop).tobytes() == expected.tobytes()


def test_a_long_text_is_scored_in_unpacked_tables_with_the_same_bits(read, monkeypatch):
    model, token_ids = read
    monkeypatch.setattr(unpacking, "TOKENS_FOR_A_CONTEXT", math.inf)
    packed = scores(model, token_ids)
    assert not isinstance(model._tables, UnpackedTables)
    monkeypatch.setattr(unpacking, "TOKENS_FOR_A_CONTEXT", 0)

    found = scores(model, token_ids)

    assert isinstance(model._tables, UnpackedTables)
    assert found.log_probs.tobytes() == packed.log_probs.tobytes()
    assert found.ngram_lengths.tolist() == packed.ngram_lengths.tolist()
    assert found.ngram_terms.tobytes() == packed.ngram_terms.tobytes()
    assert set(packed.ngram_lengths.ravel().tolist()) == {1, 2, 3, 4}


def test_unpacking_pays_if_there_is_a_token_for_eight_contexts(read):
    model, _ = read
    contexts = sum(model.sizes.ngrams[:3])

    assert [pays(model._tables, tokens) for tokens in (contexts // 8, contexts // 8 + 1)] == [False, True]


def test_a_sentence_has_the_same_scores_after_other_sentences(read):
    model, token_ids = read
    assert model.forgets_at_sentence_end

    together = scores(model, token_ids).log_probs
    alone = [scores(model, sentence).log_probs for sentence in np.split(token_ids, len(token_ids) // 7)]

    assert together.tobytes() == np.concatenate(alone).tobytes()
