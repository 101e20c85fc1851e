import math

import numpy as np
import pytest

from lmctl.errors import UsageError
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.query import hypotheses
from lmctl.query.hypotheses import log_probs_of, score_hypotheses
from lmctl.query.ranking import rank_sentences

SENTENCES = [
    "the cat sat on the mat",
    "the cat sat on the dog",
    "the cat",
    "the cat sat",
    "",
    "on zebra .",
    "the cat sat on the mat",
    "cat",
    "dog dog dog dog",
]


@pytest.mark.parametrize("at_once", [1, 2, 5, 128])
def test_a_sentence_has_its_score_by_itself(model, monkeypatch, at_once):
    monkeypatch.setattr(hypotheses, "SENTENCES_AT_ONCE", at_once)

    scores = score_hypotheses(model, SENTENCES)

    for sentence, score in zip(SENTENCES, scores, strict=True):
        alone = model.score(sentence)
        assert score.log_prob == pytest.approx(alone.total_log_prob, rel=1e-12)
        assert (score.words, score.oov, score.characters) == (len(sentence.split()), alone.oov, len(sentence))


def test_a_beginning_in_common_is_scored_once(model, monkeypatch):
    columns = []
    score = model.language_model.score

    def counted(inputs, *arguments, **settings):
        columns.append(inputs.shape[1])
        return score(inputs, *arguments, **settings)

    monkeypatch.setattr(model.language_model, "score", counted)

    score_hypotheses(model, ["the cat sat on the mat", "the cat sat on the dog", "the cat"])

    # the; cat; sat and </s>; on; the; mat and dog; </s> twice.
    assert columns == [1, 1, 2, 1, 1, 2, 2]


def test_nothing_to_score(model):
    assert score_hypotheses(model, []) == []


def test_the_most_probable_sentence_is_first(model):
    ranked = rank_sentences(model, SENTENCES)

    bits = [-model.score(sentence).total_log_prob / math.log(2) for sentence in SENTENCES]
    assert [found.place for found in ranked] == sorted(range(len(SENTENCES)), key=bits.__getitem__)
    assert [found.sentence for found in ranked] == [SENTENCES[found.place] for found in ranked]
    assert [found.bits for found in ranked] == pytest.approx(sorted(bits))
    assert [found.margin for found in ranked[:-1]] == pytest.approx(np.diff(sorted(bits)), abs=1e-9)
    assert ranked[-1].margin is None


@pytest.mark.parametrize(
    ("per", "bits"), [("sentence", 3 * math.log2(9)), ("token", math.log2(9)), ("character", 3 * math.log2(9) / 8)]
)
def test_bits_are_divided_as_asked(uniform, per, bits):
    # the, cat, </s>; seven characters and the end of the line.
    (found,) = rank_sentences(uniform, ["the cat"], per=per)
    assert found.bits == pytest.approx(bits)


def test_equal_sentences_stay_in_their_order(uniform):
    ranked = rank_sentences(uniform, ["dog", "cat", "the"])
    assert [found.sentence for found in ranked] == ["dog", "cat", "the"]
    assert [found.margin for found in ranked] == [0.0, 0.0, None]


def test_a_model_of_gaps_cannot_rank(make_model):
    with pytest.raises(UsageError, match="lmctl fill"):
        rank_sentences(make_model(family="masked"), ["the cat"])


def test_contexts_that_bigrams_no_longer_tell_apart_are_scored_once(estimate_text, monkeypatch):
    vocabulary, tables = estimate_text(
        "the cat sat on the mat\nthe dog sat on the mat\n", order=2, smoothing="mle"
    )
    model = NgramLanguageModel(tables)
    sentences = [
        vocabulary.encode(words.split()) for words in ("the cat sat on the mat", "the dog sat on the mat")
    ]
    alone = [log_probs_of([sentence], model)[0] for sentence in sentences]
    columns = []
    score = model.score

    def counted(inputs, *arguments, **settings):
        columns.append(inputs.shape[1])
        return score(inputs, *arguments, **settings)

    monkeypatch.setattr(model, "score", counted)

    assert log_probs_of(sentences, model).tolist() == alone
    # the; cat and dog; sat after each; then "sat" alone is the context.
    assert columns == [1, 2, 2, 1, 1, 1, 1]
