"""The contract of surprisals, for every registered family."""

from __future__ import annotations

import numpy as np
import pytest
from family_contract import FILLS_GAPS, NEXT_WORD

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import UsageError
from lmctl.query.model import Model
from lmctl.query.surprisal import Item, surprisals
from lmctl.store.bundle import open_bundle

# Lines of several lengths; `zyzzyva` is outside the vocabulary.
LINES = ("the bread is good .", "and", "", "the zyzzyva and the old bread , it is good and it is old .", "it is")


@pytest.fixture
def make_model(models):
    return lambda name: Model(open_bundle((models(name) / "current").resolve()))


def of_lines(model, **settings):
    items = [Item(number, line) for number, line in enumerate(LINES, start=1)]
    return [found for batch in surprisals(model, [items], **settings) for _, found in batch]


@pytest.mark.parametrize("name", NEXT_WORD)
def test_the_bits_of_a_sentence_are_those_of_its_score(name, make_model):
    model = make_model(name)

    found = of_lines(model)

    assert [bool(sentence) for sentence in found] == [bool(line) for line in LINES]
    assert [word.word for word in found[3] if word.oov] == ["zyzzyva"]
    for line, sentence in zip(LINES, found, strict=True):
        if line:
            assert sentence[-1].word == "</s>"
            total = -model.score(line).total_log_prob / np.log(2)
            assert sum(word.bits for word in sentence) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("name", NEXT_WORD)
def test_bits_and_entropy_are_those_of_the_distribution_before_the_word(name, make_model):
    model = make_model(name)
    # Sentences that stand alone are scored in this form.
    language_model = model.language_model.for_many_columns()

    for line, sentence in zip(LINES, of_lines(model, entropy=True), strict=True):
        state = language_model.initial_state(1)
        token_ids = [*model.encode(line).token_ids, SENTENCE_END_ID] if line else []
        for word, token_id in zip(sentence, token_ids, strict=True):
            (log_probs,) = language_model.log_probs(state).astype(np.float64)
            # 0 log 0 is 0.
            there = log_probs[log_probs > -np.inf]
            assert word.entropy == pytest.approx(-np.sum(np.exp(there) * there) / np.log(2), rel=1e-12)
            assert word.bits == pytest.approx(-log_probs[token_id] / np.log(2), abs=2e-5)
            state = language_model.advance(state, np.array([[token_id]]))


@pytest.mark.parametrize("name", FILLS_GAPS)
def test_a_family_without_a_next_word_is_refused_in_one_line(name, make_model):
    with pytest.raises(UsageError, match=r"^[^\n]*has no distribution of the next word[^\n]*`lmctl fill`[^\n]*$"):
        of_lines(make_model(name))
