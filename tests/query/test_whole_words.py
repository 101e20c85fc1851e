import itertools
import math

import numpy as np
import pytest
from bigrams import Bigrams

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import UsageError
from lmctl.query.whole_words import WordPredictor
from lmctl.text.segmentation import make_segmenter
from lmctl.text.subword_training import train_subwords

LINES = ["ab ba, aab", "ab b abab", "a ba. b"]
LONGEST = 4


@pytest.fixture(scope="module")
def subword_model():
    return train_subwords(LINES, 12, "bpe")


@pytest.fixture(scope="module")
def pieces(subword_model):
    """All pieces of the model."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=subword_model)
    return tuple(processor.id_to_piece(number) for number in range(3, processor.get_piece_size()))


@pytest.fixture
def model(make_model, pieces, subword_model):
    """A network with random weights, whose tokens are the pieces."""
    return make_model(words=pieces, segmenter="sentencepiece", subword_model=subword_model, scale=1.5)


def borders_after(model, piece):
    """The ids before which a word ends, by the rule of the module's docstring, for letters and `.` and `,`.

    A line, which has no piece on the left of its first word, starts with a blank.
    """
    return [
        token_id
        for token_id, text in enumerate(model.vocabulary.words)
        if token_id < 2 or text.startswith("▁") or (piece and (text[0] in ".," or piece[-1] in ".,"))
    ]


def all_words(model, context):
    """The probability of every word of at most LONGEST pieces, from distributions along each of them."""
    words = model.vocabulary.words
    language_model = model.language_model
    encoded = model.encode(context)
    segmenter = make_segmenter("sentencepiece", model=model.tokenizer.segmenter.model)
    last = encoded.words[-1] if encoded.words else ""

    def log_probs(token_ids):
        column = np.array([SENTENCE_END_ID, *encoded.token_ids, *token_ids])[:, None]
        state = language_model.advance(language_model.null_state(1), column)
        return language_model.log_probs(state)[0].astype(np.float64)

    def total(token_ids, chosen):
        return np.logaddexp.reduce(log_probs(token_ids)[list(chosen)])

    starts = borders_after(model, last)
    found = {}
    for length in range(1, LONGEST + 1):
        for token_ids in itertools.product(range(2, len(words)), repeat=length):
            texts = [words[token_id] for token_id in token_ids]
            if token_ids[0] not in starts or texts[-1] == "▁":
                continue
            inner = itertools.pairwise(texts)
            if any(text.startswith("▁") for text in texts[1:]) or any(
                left != "▁" and (left[-1] in ".," or right[0] in ".,") for left, right in inner
            ):
                continue
            if texts[0].startswith("▁") and segmenter.segment("".join(texts)[1:]) != texts:
                continue
            log_prob = -total((), starts)
            for place, token_id in enumerate(token_ids):
                log_prob += log_probs(token_ids[:place])[token_id]
            if texts[-1][-1] not in ".,":
                log_prob += total(token_ids, borders_after(model, texts[-1]))
            found["".join(texts)] = log_prob
    return found


@pytest.mark.parametrize("context", ["", "ab", "ab ba,"])
def test_the_best_words_are_those_of_all_words(model, context):
    (answer,) = WordPredictor(model, k=3).answer([context])

    expected = sorted(all_words(model, context).items(), key=lambda item: -item[1])[:3]
    assert answer.exact
    assert [found.word for found in answer.predictions] == [word.removeprefix("▁") for word, _ in expected]
    assert [found.logprob for found in answer.predictions] == pytest.approx([log for _, log in expected], rel=1e-5)
    assert [found.prob for found in answer.predictions] == pytest.approx([math.exp(log) for _, log in expected])


def test_the_words_and_the_end_of_the_sentence_and_what_is_unseen_are_everything(model):
    predictor = WordPredictor(model, k=1000, allow_sentence_end=True, limit=400)
    (answer,) = predictor.answer(["ab"])

    assert sum(found.prob for found in answer.predictions) + answer.unseen == pytest.approx(1, abs=1e-6)
    assert not answer.exact


@pytest.mark.parametrize("seed", [1, 10, 24])
def test_a_few_answers_are_the_first_of_many_if_specials_are_allowed(make_model, pieces, subword_model, seed):
    context = "ab"
    model = make_model(words=pieces, segmenter="sentencepiece", subword_model=subword_model, scale=1.5, seed=seed)
    many, few = (
        WordPredictor(model, k=k, allow_sentence_end=True, allow_unknown=True).answer([context])[0].predictions
        for k in (20, 2)
    )
    assert few == many[:2]


def test_a_limit_that_ends_the_search_says_so(model):
    (answer,) = WordPredictor(model, k=5, limit=1).answer(["ab"])

    assert not answer.exact
    assert len(answer.predictions) <= 1
    assert answer.unseen > 0


def test_only_candidates_are_answers_and_all_of_them_are_found(model):
    (answer,) = WordPredictor(model, k=5, candidates=["abab", "ba", "xyz"]).answer(["ab"])

    words = all_words(model, "ab")
    assert {found.word for found in answer.predictions} == {"abab", "ba"}
    assert answer.exact
    by_word = {found.word: found.logprob for found in answer.predictions}
    assert by_word["ba"] == pytest.approx(words["▁ba"], rel=1e-5)


def test_improbable_words_are_left_out_without_looking_for_them(model):
    (answer,) = WordPredictor(model, k=1000, threshold=0.05).answer(["ab"])

    words = all_words(model, "ab")
    assert answer.exact
    assert len(answer.predictions) == sum(math.exp(log) >= 0.05 for log in words.values())


def test_a_carried_state_is_searched_as_a_text_that_is_read_whole(model):
    carried = WordPredictor(model, k=3, state="carry")
    carried.answer(["ab"])
    (answer,) = carried.answer(["ba,"])
    (whole,) = WordPredictor(model, k=3).answer(["ab ba,"])

    assert [found.word for found in answer.predictions] == [found.word for found in whole.predictions]
    assert [found.prob for found in answer.predictions] == [found.prob for found in whole.predictions]


def test_the_answer_does_not_depend_on_its_company(model):
    contexts = ["", "ab", "ab ba,", "a"]
    predictor = WordPredictor(model, k=3)
    assert predictor.answer(contexts) == [predictor.answer([context])[0] for context in contexts]


@pytest.mark.parametrize("specials", [False, True])
def test_where_no_word_can_begin_there_is_no_answer(model, monkeypatch, specials):
    # After every piece comes "b", which goes on with the word.
    (inside,) = model.vocabulary.encode(["b"])
    bigrams = Bigrams(np.eye(len(model.vocabulary))[[inside] * len(model.vocabulary)])
    monkeypatch.setattr(type(model), "language_model", bigrams)
    predictor = WordPredictor(model, k=3, allow_sentence_end=specials, allow_unknown=specials)

    (answer,) = predictor.answer(["ab"])

    assert (answer.predictions, answer.exact, answer.unseen) == ([], True, 0.0)


def test_a_model_of_words_is_refused(make_model):
    with pytest.raises(UsageError, match=r"its tokens are words already \(segmenter space\); leave --words out"):
        WordPredictor(make_model())


def test_a_chinese_piece_is_a_word_by_itself(make_model):
    trained = train_subwords(["我爱编程", "编程爱我"], 20, "bpe")
    model = make_model(words=("▁", "我", "爱", "编", "程"), segmenter="sentencepiece", subword_model=trained)
    (answer,) = WordPredictor(model, k=4, limit=50).answer(["我"])

    log_probs = model.log_probs("我")
    by_word = {found.word: found.logprob for found in answer.predictions}
    # All pieces may follow, so nothing is divided.
    assert by_word["爱"] == pytest.approx(log_probs[model.vocabulary.encode(["爱"])[0]], rel=1e-5)
    assert set(by_word) == {"我", "爱", "编", "程"}
