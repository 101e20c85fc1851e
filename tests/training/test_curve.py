import itertools

import numpy as np
import pytest

from lmctl.training.curve import CURVE_TOKENS, Curve
from lmctl.training.events import CurvePoint, EpochDone
from lmctl.training.validation import Validation

LINES = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog", "on the mat sat a dog"]


def points_of(events):
    return [event for event in events if isinstance(event, CurvePoint)]


@pytest.mark.usefixtures("eagerly")
def test_points_divide_the_planned_training_and_change_nothing(train, make_corpus, make_config):
    corpus = make_corpus(LINES * 4, valid=LINES)
    config = make_config("training.steps=12", "training.epochs=9")
    events = []

    with_curve = train(corpus, config, on_event=events.append, curve_points=4)
    without = train(corpus, config)

    points = points_of(events)
    assert [(point.point, point.points, point.step) for point in points] == [(1, 4, 3), (2, 4, 6), (3, 4, 9)]
    assert all(a.tokens < b.tokens for a, b in itertools.pairwise(points))
    for name, weight in without.weights.items():
        assert weight.tobytes() == with_curve.weights[name].tobytes()


@pytest.mark.usefixtures("eagerly")
def test_a_point_at_the_end_of_an_epoch_has_the_perplexity_of_its_validation(train, make_corpus, make_config):
    # The text is shorter than the part that a point scores, so both score all of it.
    corpus = make_corpus(LINES, valid=LINES)
    assert len(corpus.valid) < CURVE_TOKENS
    events = []

    train(corpus, make_config("training.epochs=2"), on_event=events.append, curve_points=2)

    (point,) = points_of(events)
    first, _ = (event for event in events if isinstance(event, EpochDone))
    assert (point.step, point.valid_perplexity) == (first.step, first.valid_perplexity)


@pytest.mark.usefixtures("eagerly")
def test_without_validation_text_there_is_no_curve(train, make_corpus, make_config):
    events = []
    train(make_corpus(), make_config("training.epochs=2"), on_event=events.append, curve_points=2)
    assert points_of(events) == []


@pytest.mark.parametrize(("most", "scored"), [(1, 7), (7, 7), (8, 14), (1000, 27)])
def test_a_validation_of_a_part_has_whole_sentences(make_corpus, make_config, most, scored):
    # The sentences have 6, 6, 5 and 6 words, and an end each.
    corpus = make_corpus(valid=LINES)
    config = make_config("validation.state=reset")
    validation = Validation(corpus, config, steps=None, most_tokens=most)
    assert validation.tokens == scored
    assert validation._valid.dtype == corpus.valid.dtype
    assert np.array_equal(validation._valid, corpus.valid[:scored])


@pytest.mark.usefixtures("eagerly")
def test_points_are_timed_by_the_clock_of_the_training(make_corpus, make_config, make_setup):
    # Workers that plan by clocks of their own would plan different numbers of steps. This clock stands still.
    setup = make_setup(make_corpus(LINES, valid=LINES), make_config())

    assert Curve(setup, points=3).seconds() == 0.0
