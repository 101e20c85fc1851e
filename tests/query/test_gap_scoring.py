"""Models that fill gaps: pseudo-log-likelihoods against the definition, and the words that a sample has."""

import math

import numpy as np
import pytest
from pieces import all_pieces, model_of_a_user

from lmctl.families.gap_model import GapModel, GapScores
from lmctl.query import gap_scoring
from lmctl.query.evaluation import evaluate_gaps
from lmctl.query.gap_scoring import Gap, sampled_gaps, score_gaps, score_lines, sentences_of
from lmctl.query.text_bits import bits_of_gaps

LINES = ["the cat sat on the mat .", "", "dog", "the zebra sat .", "a dog on the mat . the mat"]


class Neighbours(GapModel):
    """The word in a gap is one of its neighbours, with probability 1/4 each, or any of V words, with 1/2."""

    vocabulary_size = 9
    context = 100

    def log_probs(self, texts, gaps):
        rows = np.full((len(texts), 9), 0.5 / 9)
        for row, text, gap in zip(rows, texts, gaps, strict=True):
            row[text[gap - 1]] += 0.25
            row[text[gap + 1]] += 0.25
        return np.log(rows).astype(np.float32)

    def score(self, texts, gaps, *, ranks=False, top_answers=False):
        rows = self.log_probs(texts, gaps).astype(np.float64)
        found = np.array([row[text[gap]] for row, text, gap in zip(rows, texts, gaps, strict=True)])
        found_ranks = np.count_nonzero(rows >= found[:, None], axis=1) if ranks else None
        return GapScores(found, found_ranks, *((rows.argmax(axis=1), rows.max(axis=1)) if top_answers else ()))

    def features(self, texts):
        return [np.zeros((len(text), 2), np.float32) for text in texts]

    def word_vectors(self):
        return np.zeros((9, 2), np.float32)


@pytest.fixture
def masked(make_model):
    return make_model(family="masked")


@pytest.fixture
def neighbours(masked):
    masked.runtime = Neighbours()
    return masked


def scores(model, lines, **options):
    return [score for batch in score_lines(model, model.gap_model, [lines], **options) for score in batch]


def test_each_word_is_hidden_in_turn_and_read_with_both_ends_of_its_sentence(neighbours):
    (score,) = scores(neighbours, ["the the cat"], ranks=True)

    # </s> the the cat </s>: the neighbours of the words are </s> the, the cat, and the </s>.
    few, more = 0.5 / 9, 0.5 / 9 + 0.25
    np.testing.assert_allclose(np.exp(score.log_probs), [more, more, few], rtol=1e-6)
    assert score.ranks.tolist() == [2, 2, 9]
    assert score.pseudo_log_likelihood == pytest.approx(2 * math.log(more) + math.log(few))
    assert (score.words, score.line) == (["the", "the", "cat"], 1)
    assert score.top_ids is None


def test_the_top_answers_of_each_gap(neighbours):
    (score,) = scores(neighbours, ["the the cat"], top_answers=True)

    # </s> the the cat </s>: `</s>` or `the`; `the` or `cat`; `the` or `</s>`. The smaller id comes first.
    the, cat = neighbours.vocabulary.encode(["the", "cat"])
    assert (the, cat) == (2, 3)
    assert score.top_ids.tolist() == [1, the, 1]
    np.testing.assert_allclose(np.exp(score.top_log_probs), 0.5 / 9 + 0.25, rtol=1e-6)


def test_the_figures_of_a_text_by_hand(neighbours, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the the cat\n\nzebra\n")
    few, more = 0.5 / 9, 0.5 / 9 + 0.25

    figures = evaluate_gaps(neighbours, neighbours.gap_model, str(text), accuracy_at=[1, 2])

    pll = 2 * math.log(more) + 2 * math.log(few)
    assert (figures.sentences, figures.words, figures.oov, figures.oov_rate) == (2, 4, 1, 0.25)
    assert figures.pll == pytest.approx(pll)
    assert figures.pll_excluding_oov == pytest.approx(pll - math.log(few))
    assert figures.pseudo_cross_entropy_nats == pytest.approx(-pll / 4)
    assert figures.pseudo_perplexity == pytest.approx(math.exp(-pll / 4))
    assert figures.pseudo_perplexity_excluding_oov == pytest.approx(math.exp(-(pll - math.log(few)) / 3))
    assert figures.accuracy == {"1": 0.0, "2": 0.5}
    # Ranks 2, 2 and 9; the OOV is a miss.
    assert figures.mean_reciprocal_rank == pytest.approx((1 / 2 + 1 / 2 + 1 / 9) / 4)
    spelling = neighbours.characters.spelling_bits("zebra")
    assert figures.characters == len("thethecatzebra")
    assert figures.pseudo_bits_per_character == pytest.approx((-pll / math.log(2) + spelling) / 14)


def test_the_characters_of_pieces_are_those_of_the_text_without_blanks(make_model, tmp_path):
    trained = model_of_a_user(["the cat sat on the mat", "the dog"], byte_fallback=True, vocab_size=600)
    model = make_model(
        family="masked", words=all_pieces(trained), segmenter="sentencepiece", subword_model=trained
    )
    text = tmp_path / "text.txt"
    text.write_text("the cat \u65e5\nthe dog\n", encoding="utf-8")

    assert "<0xE6>" in model.encode("\u65e5").words
    assert evaluate_gaps(model, model.gap_model, str(text)).characters == len("thecat") + 1 + len("thedog")
    assert bits_of_gaps(model, model.gap_model, text).characters_to() == len("thecat") + 1 + len("thedog")


def test_a_text_without_words_is_an_error(neighbours, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n  \n")
    for evaluate, path in ((evaluate_gaps, str(text)), (bits_of_gaps, text)):
        with pytest.raises(Exception, match=r"text.txt: nothing to score"):
            evaluate(neighbours, neighbours.gap_model, path)


def test_scores_are_those_of_the_masked_model_on_each_gap(masked):
    for score, line in zip(scores(masked, LINES), [line for line in LINES if line], strict=True):
        text = np.array([1, *masked.encode(line).token_ids, 1])
        for word, log_prob in enumerate(score.log_probs.tolist(), start=1):
            (row,) = masked.gap_model.log_probs([text], np.array([word]))
            assert log_prob == pytest.approx(row[text[word]], abs=1e-5)


def test_top_answers_are_those_of_the_masked_model_on_each_gap_and_change_no_score(masked):
    lines = [line for line in LINES if line]
    without = scores(masked, LINES)

    for score, plain, line in zip(scores(masked, LINES, top_answers=True), without, lines, strict=True):
        assert score.log_probs.tolist() == plain.log_probs.tolist()
        text = np.array([1, *masked.encode(line).token_ids, 1])
        for word in range(len(score.words)):
            (row,) = masked.gap_model.log_probs([text], np.array([word + 1]))
            assert score.top_ids[word] == row.argmax()
            assert score.top_log_probs[word] == pytest.approx(row.max(), abs=1e-5)


def test_a_sentence_is_scored_alike_alone_and_among_others(masked, monkeypatch):
    lines = [line for line in LINES * 9 if line]
    alone = [scores(masked, [line], ranks=True)[0] for line in lines]

    for window, threads in ((1 << 11, 1), (1 << 11, 2), (1, 1), (30, 2)):
        monkeypatch.setattr(gap_scoring, "WINDOW_GAPS", window)
        together = scores(masked, lines, ranks=True, threads=threads)
        assert [score.log_probs.tolist() for score in together] == [score.log_probs.tolist() for score in alone]
        assert [score.ranks.tolist() for score in together] == [score.ranks.tolist() for score in alone]
        assert [score.line for score in together] == list(range(1, len(lines) + 1))


def test_gaps_are_scored_in_any_order(masked):
    sentences = [[2, 3, 4], [5, 6]]
    gaps = [Gap(1, 0), Gap(0, 2), Gap(1, 1), Gap(0, 0), Gap(0, 1)]

    found = score_gaps(masked.gap_model, sentences, gaps).log_probs

    for gap, log_prob in zip(gaps, found.tolist(), strict=True):
        assert score_gaps(masked.gap_model, sentences, [gap]).log_probs.tolist() == [log_prob]


def test_a_sample_is_spread_evenly_over_the_words():
    sentences = [[5, 6, 0], [], [7], [0, 8, 9, 5, 6, 7]]

    assert sampled_gaps(sentences, 100) == [
        Gap(sentence, word) for sentence, words in enumerate(sentences) for word in range(len(words))
    ]
    # Ten words in two halves: the middles are the words 2 and 7, counted from 0.
    assert sampled_gaps(sentences, 2) == [Gap(0, 2), Gap(3, 3)]
    # Eight words without the id 0.
    assert sampled_gaps(sentences, 2, left_out=0) == [Gap(2, 0), Gap(3, 4)]
    assert sampled_gaps([], 5) == sampled_gaps([[0]], 5, left_out=0) == []


def test_an_id_stream_has_the_words_of_its_sentences():
    assert sentences_of(np.array([5, 6, 1, 1, 7, 1])) == [[5, 6], [], [7]]


def test_bits_per_character_of_a_sample(neighbours, tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    text.write_text("the the cat\nzebra\n")
    monkeypatch.setattr("lmctl.query.text_bits.SAMPLED_WORDS", 2)

    bits = bits_of_gaps(neighbours, neighbours.gap_model, text)
    found = bits.per_character()

    # The words 1 and 3 of four.
    nats = -math.log(0.5 / 9 + 0.25) - math.log(0.5 / 9)
    spelling = neighbours.characters.spelling_bits("zebra")
    assert found == pytest.approx((nats / math.log(2) + spelling) / len("thezebra"))
    assert not bits.is_cut
