import numpy as np
import pytest

from lmctl.errors import DataError, UsageError
from lmctl.families import base
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.query import batching
from lmctl.query.vectors import Neighbors, SentenceEncoder, known_words, word_vectors

WORDS = ["the", "cat", "sat", "on", "mat", "dog", "."]
TEXTS = ["the cat sat on the mat .", "", "dog", "the zebra", "the cat sat on the mat ."]


@pytest.fixture
def ngrams(model, estimate_text):
    """A model whose n-grams have neither vectors nor features."""
    _, tables = estimate_text("the cat\n", order=2, smoothing="mle")
    model.runtime = NgramLanguageModel(tables)
    return model


def test_the_vectors_of_words_are_the_rows_of_the_embedding(model):
    np.testing.assert_array_equal(word_vectors(model), model.bundle.weights()["embedding"])


def test_vectors_of_clusters_are_made_as_long_as_the_first(make_model):
    clusters = [{"words": 4, "width": 4}, {"words": 5, "width": 2}]
    sizes = {"embedding_dim": 4, "clusters": clusters, "tied": True}

    vectors = word_vectors(make_model(sizes=sizes))

    assert vectors.shape == (9, 4)


def test_a_sentence_is_the_mean_of_the_features_after_each_of_its_words(model):
    language_model = model.language_model
    (found,) = SentenceEncoder(model).encode(["the zebra sat"])

    token_ids = np.array([model.vocabulary.encode(["the", "zebra", "sat"])]).T
    features, _ = language_model.advance_with_features(language_model.initial_state(1), token_ids)
    np.testing.assert_allclose(found.vector, features[:, 0].mean(axis=0), rtol=1e-6)
    assert (found.text, found.oov) == ("the zebra sat", ["zebra"])


def test_a_sentence_without_words_has_the_features_of_its_start(model):
    (found,) = SentenceEncoder(model).encode([""])

    expected = model.language_model.features(model.language_model.initial_state(1))[0]
    np.testing.assert_array_equal(np.array(found.vector, dtype=np.float32), expected)


@pytest.mark.parametrize(("largest_batch", "batch_tokens"), [(1, 8192), (2, 8192), (64, 4)])
def test_sentences_have_the_same_vectors_in_any_company(model, monkeypatch, largest_batch, batch_tokens):
    together = SentenceEncoder(model).encode(TEXTS)
    monkeypatch.setattr(batching, "LARGEST_BATCH", largest_batch)
    monkeypatch.setattr(batching, "BATCH_TOKENS", batch_tokens)
    monkeypatch.setattr(base, "POSITIONS_AT_ONCE", batch_tokens)

    assert SentenceEncoder(model).encode(TEXTS) == together
    assert [SentenceEncoder(model).encode([text])[0] for text in TEXTS] == together


def test_a_model_may_encode_sentences_in_its_own_way(model, monkeypatch):
    def encode(token_ids, lengths):
        return np.stack([lengths, token_ids.sum(axis=0)], axis=1).astype(np.float32)

    monkeypatch.setattr(model.language_model, "sentence_vectors", encode)

    cat, _, sentence = SentenceEncoder(model).encode(["cat", "", "the cat sat"])

    ids = model.vocabulary.encode(["the", "cat", "sat"])
    assert sentence.vector == [3.0, sum(ids)]
    # Beside longer sentences of the batch, `</s>` is the padding.
    assert cat.vector[0] == 1.0


def test_neighbors_are_ranked_by_the_cosine(model):
    (found,) = Neighbors(model, k=99).answer(["cat"])

    vectors = word_vectors(model).astype(np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = dict(zip(model.vocabulary.words, (units @ units[3]).tolist(), strict=True))
    assert [near.word for near in found.neighbors] == sorted(
        set(WORDS) - {"cat"}, key=cosines.__getitem__, reverse=True
    )
    for near in found.neighbors:
        assert near.cosine == pytest.approx(cosines[near.word], abs=1e-6)
    assert Neighbors(model, k=2).answer(["cat"])[0].neighbors == found.neighbors[:2]


def test_words_without_length_are_near_to_none_and_come_by_id(uniform):
    (found,) = Neighbors(uniform, k=3).answer(["cat"])

    assert [(near.word, near.cosine) for near in found.neighbors] == [("the", 0.0), ("sat", 0.0), ("on", 0.0)]


def test_a_word_out_of_vocabulary_has_no_neighbors(model):
    zebra, cat, blank = Neighbors(model).answer(["zebra", " cat ", ""])

    assert (zebra.oov, zebra.neighbors) == (["zebra"], [])
    assert (blank.oov, blank.neighbors) == ([""], [])
    assert cat.neighbors == Neighbors(model).answer(["cat"])[0].neighbors


def test_words_are_normalized_as_the_text_was(make_model):
    model = make_model(lowercase=True)

    assert known_words(model, ["The", "the", "CAT", "</s>", "<unk>"]) == {
        "the": 2,
        "cat": 3,
        "</s>": 1,
        "<unk>": 0,
    }


def test_unknown_words_are_left_out_with_a_warning_and_are_refused_if_there_are_no_others(model, caplog):
    assert known_words(model, ["cat", "zebra", "yak"]) == {"cat": 3}

    assert [record.getMessage() for record in caplog.records] == [
        "not in the model's vocabulary, left out: zebra, yak"
    ]
    with pytest.raises(UsageError, match="none of the 2 words is in the model's vocabulary"):
        known_words(model, ["zebra", "yak"])


def test_a_model_without_vectors_says_which_models_have_some(ngrams):
    for ask, missing in (
        (word_vectors, "word vectors"),
        (SentenceEncoder, "vectors of sentences"),
        (Neighbors, "word"),
    ):
        with pytest.raises(UsageError, match=f"has no {missing}.*; models that have some: networks .lstm, "):
            ask(ngrams)


def test_vectors_that_are_not_finite_are_refused(model, monkeypatch):
    monkeypatch.setattr(model.language_model, "word_vectors", lambda: np.full((9, 3), np.nan, dtype=np.float32))

    with pytest.raises(DataError, match="not finite"):
        word_vectors(model)


@pytest.fixture
def masked(make_model):
    """A model that fills gaps."""
    return make_model(family="masked")


def test_a_sentence_of_a_model_that_fills_gaps_is_the_mean_over_its_words_in_their_whole_sentence(masked):
    (found, empty) = SentenceEncoder(masked).encode(["the zebra sat", ""])

    (features, ends) = masked.gap_model.features([np.array([1, 2, 0, 4, 1]), np.array([1, 1])])
    np.testing.assert_allclose(found.vector, features[1:4].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(np.array(empty.vector, np.float32), ends[0])
    assert found.oov == ["zebra"]


def test_its_sentences_have_the_same_vectors_in_any_company(masked, monkeypatch):
    long = " ".join(["the cat sat on the mat ."] * 3)
    texts = [*TEXTS, long]
    together = SentenceEncoder(masked).encode(texts)
    monkeypatch.setattr(batching, "LARGEST_BATCH", 2)

    assert SentenceEncoder(masked).encode(texts) == together
    assert [SentenceEncoder(masked).encode([text])[0] for text in texts] == together


def test_its_words_have_vectors_and_neighbors(masked):
    np.testing.assert_array_equal(word_vectors(masked), masked.bundle.weights()["embedding"])
    (answer,) = Neighbors(masked, k=2).answer(["cat"])
    assert len(answer.neighbors) == 2
