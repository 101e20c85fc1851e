import math

import numpy as np
import pytest

from lmctl.query.examples import WORDS_PER_SIDE, Context, ExampleFinder
from lmctl.query.gap_scoring import GapScore, score_lines
from lmctl.query.inspection import SAMPLE_TOKENS, Inspector
from lmctl.query.scoring import score_sentences
from lmctl.query.sentence_scores import SentenceScore

LINES = ["the cat sat", "on the zebra"]


def inspected(model, lines=LINES, **settings):
    inspector = Inspector(model)
    for score in score_sentences(model, lines, **settings):
        inspector.add(score)
    return inspector.result()


def score_of(model, text, probs, tops=None):
    words = text.split()
    return SentenceScore(
        words,
        [*model.vocabulary.encode(words), 1],
        np.log(probs),
        None,
        len(text) + 1,
        top_ids=None if tops is None else np.array([model.vocabulary.encode([word])[0] for word in tops]),
        top_log_probs=None if tops is None else np.log(np.full(len(tops), 0.5)),
    )


def test_the_top_answer_is_the_most_probable_token(model):
    (score,) = score_sentences(model, ["the cat"], top_answers=True)

    for place, context in enumerate(["", "the", "the cat"]):
        log_probs = model.log_probs(context)
        assert score.top_ids[place] == log_probs.argmax()
        assert score.top_log_probs[place] == pytest.approx(log_probs.max(), rel=1e-5)


def test_top_answers_change_no_score(model):
    (with_answers,) = score_sentences(model, ["the cat sat"], top_answers=True)
    (without,) = score_sentences(model, ["the cat sat"])

    assert (with_answers.log_probs == without.log_probs).all()
    assert without.top_ids is None


def test_all_parts_are_of_the_same_tokens(model):
    found = inspected(model, top_answers=True)

    assert found.tokens == found.calibration.answers == sum(band.tokens for band in found.bands) == 8
    assert found.calibration.error <= 1


def test_the_sample_shows_the_surprisal_of_each_token(uniform):
    found = inspected(uniform)

    assert [(word.text, word.oov) for word in found.sample] == [
        ("the", False),
        (" cat", False),
        (" sat", False),
        ("</s>", False),
        ("on", False),
        (" the", False),
        (" zebra", True),
        ("</s>", False),
    ]
    assert [word.bits for word in found.sample] == pytest.approx([math.log2(9)] * 8)
    assert [word.ends_line for word in found.sample] == [False, False, False, True] * 2


def test_a_sample_ends_inside_a_long_line(uniform):
    found = inspected(uniform, ["the cat " * SAMPLE_TOKENS, "the"])

    assert len(found.sample) == SAMPLE_TOKENS
    assert not found.sample[-1].ends_line


def test_without_top_answers_there_is_no_calibration(model):
    assert inspected(model).calibration is None


def test_the_best_words_gain_most_over_their_frequency(model):
    counts = dict(zip(model.vocabulary.words, model.vocabulary.counts, strict=True))
    total = sum(counts.values())
    finder = ExampleFinder(model)
    finder.add(
        score_of(model, "the cat the mat", [0.5, 0.25, 0.125, 0.5, 1.0], ["the", "cat", "dog", "mat", "cat"])
    )

    best = {example.word: example for example in finder.best(9)}
    assert set(best) == {"the", "cat", "mat"}
    # The better one of the two predictions of `the`: 1 bit, where its frequency alone costs -log2 of its share.
    assert best["the"].gain == pytest.approx(-1 - math.log2(counts["the"] / total))
    assert best["the"].context == Context((), has_more_before=False)
    assert [example.word for example in finder.worst(2)] == ["the", "cat"]
    worst = finder.worst(1)[0]
    assert (worst.bits, worst.context.before, worst.answer) == (pytest.approx(3), ("the", "cat"), "dog")
    assert worst.context.after == ()
    assert worst.confidence == pytest.approx(0.5)


def test_of_equal_examples_the_one_that_stands_first_in_the_text_comes_first(model, monkeypatch):
    # Then the gain of a word is its log probability.
    monkeypatch.setattr(type(model.vocabulary), "counts", (0,) * len(model.vocabulary))
    finder = ExampleFinder(model)
    # The best example of `the`, and the worst one of `mat`, stand behind the only one of the other word.
    finder.add(score_of(model, "the cat the", [0.25, 0.5, 0.5, 1.0]))
    finder.add(score_of(model, "mat sat mat", [0.25, 0.125, 0.125, 1.0]))

    assert [example.word for example in finder.best(2)] == ["cat", "the"]
    assert [example.word for example in finder.worst(2)] == ["sat", "mat"]


def test_unknown_words_and_ends_of_sentences_are_no_examples(model):
    finder = ExampleFinder(model)
    finder.add(score_of(model, "zebra", [0.001, 0.0001]))

    assert finder.best(5) == finder.worst(5) == []


def test_an_example_shows_the_end_of_a_long_context(model):
    finder = ExampleFinder(model)
    finder.add(score_of(model, "the " * 20 + "dog", [0.5] * 22))

    (found,) = (example for example in finder.worst(9) if example.word == "dog")
    assert (len(found.context.before), found.context.has_more_before) == (12, True)


@pytest.fixture
def masked(make_model):
    """Random weights; fills gaps."""
    return make_model(family="masked")


def test_all_parts_are_of_the_same_words_of_gaps(masked):
    inspector = Inspector(masked)
    for scores in score_lines(masked, masked.gap_model, [LINES], top_answers=True):
        for score in scores:
            inspector.add(score)
    found = inspector.result()

    assert found.tokens == found.calibration.answers == sum(band.tokens for band in found.bands) == 6
    assert found.of_gaps
    # No line ends with a `</s>` that was scored.
    assert [(word.text, word.line, word.oov, word.ends_line) for word in found.sample] == [
        ("the", 1, False, False),
        (" cat", 1, False, False),
        (" sat", 1, False, False),
        ("on", 2, False, False),
        (" the", 2, False, False),
        (" zebra", 2, True, False),
    ]


def test_the_calibration_of_gaps_by_hand(masked):
    the, cat = masked.vocabulary.encode(["the", "cat"])
    inspector = Inspector(masked)
    tops = np.log([0.75, 0.75, 0.25])
    inspector.add(
        GapScore(
            ["the", "cat", "zebra"],
            [the, cat, 0],
            np.log([0.75, 0.125, 0.25]),
            None,
            top_ids=np.array([the, the, 0]),
            top_log_probs=tops,
        )
    )
    found = inspector.result()

    # One of two answers at 0.75 is right, and the `<unk>` at 0.25: (|1 - 1.5| + |1 - 0.25|) / 3.
    assert found.calibration.error == pytest.approx(1.25 / 3)
    assert found.calibration.accuracy == pytest.approx(2 / 3)
    assert [word.bits for word in found.sample] == pytest.approx([-math.log2(0.75), 3, 2])


def test_the_example_of_a_gap_shows_both_sides(masked):
    words = ["mat"] * 20 + ["dog"] + ["sat"] * 5
    finder = ExampleFinder(masked)
    finder.add(GapScore(words, masked.vocabulary.encode(words), np.log(np.full(26, 0.5)), None))

    (found,) = (example for example in finder.worst(9) if example.word == "dog")
    assert found.context == Context(("mat",) * WORDS_PER_SIDE, True, ("sat",) * 5, False)
    (first,) = (example for example in finder.worst(9) if example.word == "mat")
    assert first.context == Context((), False, ("mat",) * WORDS_PER_SIDE, True)


def test_a_word_without_a_count_leaves_the_bands_of_the_others(make_model, monkeypatch):
    model = make_model()
    counts = (0, *model.vocabulary.counts[1:])
    monkeypatch.setattr(type(model.vocabulary), "counts", counts)

    assert sum(band.tokens for band in inspected(model).bands) == 8


def test_a_model_without_counts_has_no_bands(make_model, monkeypatch):
    model = make_model()
    monkeypatch.setattr(type(model.vocabulary), "counts", (0,) * len(model.vocabulary))
    found = inspected(model)

    assert found.bands is None
    assert found.best[0].gain is None
    assert found.best[0].bits <= found.worst[0].bits
