from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.corpus import rehearsal
from lmctl.corpus.batches import TrainingBatches
from lmctl.corpus.rehearsal import Spliced, plan_reading

END = 1
OLD, NEW = 10, 11


def text(*parts):
    """Sentences of three words and an end: `parts` are pairs of a number of sentences and their word."""
    return np.concatenate([np.tile([word, word, word, END], sentences) for sentences, word in parts])


def read(reading):
    return reading.stream[0 : len(reading.stream)]


def test_new_text_is_read_as_often_as_without_an_old_model_and_old_text_a_part_of_that():
    stream = text((9500, OLD), (500, NEW))

    reading = plan_reading(stream, [(10_000, 9500)], epochs=4, rehearsal=0.05, seed=(1, 2))

    # By hand: (0.05 new + 0.05 x 0.95 old) x 4 epochs are 0.39 epochs, so there is one.
    assert reading.share == pytest.approx(0.0975)
    assert reading.epochs == 1
    assert reading.new_text == 0.05
    counts = Counter(read(reading).tolist())
    assert counts[NEW] == 4 * 3 * 500
    # 4 x 5 % of 9,500 sentences, in whole spans of about 100 sentences.
    assert counts[OLD] / 3 == pytest.approx(4 * 0.05 * 9500, rel=0.06)
    assert reading.rehearsed_text == counts[OLD] / 3 / 9500


def test_many_epochs_of_a_small_text_become_a_few():
    reading = plan_reading(text((180, OLD), (20, NEW)), [(200, 180)], epochs=60, rehearsal=0.05, seed=(1,))

    # (0.1 + 0.05 x 0.9) x 60 = 8.7
    assert reading.epochs == 9
    counts = Counter(read(reading).tolist())
    assert counts[NEW] / 3 / 20 == pytest.approx(60 / 9, abs=0.05)
    assert counts[OLD] / 3 / 180 == pytest.approx(0.05 * 60 / 9, abs=0.01)


def test_each_source_has_old_text_at_its_start():
    stream = text((2, OLD), (1, NEW), (3, OLD), (1, NEW))

    reading = plan_reading(stream, [(3, 2), (3, 3), (1, 0)], epochs=2, rehearsal=0, seed=(1,))

    assert reading.new_text == pytest.approx(2 / 7)
    assert read(reading).tolist() == [NEW, NEW, NEW, END] * 4
    assert reading.rehearsed_text == 0


@pytest.mark.parametrize(
    ("sources", "share", "new_text"),
    [([(10, 0)], 0.05, 1), ([(10, 10)], 0.05, 0), ([(10, 5)], 1, 0.5)],
    ids=["all is new", "nothing is new", "all is rehearsed"],
)
def test_all_text_is_read_alike(sources, share, new_text):
    stream = text((10, OLD))

    reading = plan_reading(stream, sources, epochs=4, rehearsal=share, seed=(1,))

    assert reading.stream is stream
    assert (reading.epochs, reading.new_text, reading.rehearsed_text) == (4, new_text, 1)
    assert reading.share == 1


def test_text_of_other_nights_is_read_in_another_order():
    stream = np.arange(40_000) % 40 + END
    plans = [plan_reading(stream, [(1000, 900)], epochs=1, rehearsal=0.1, seed=(1, night)) for night in (1, 1, 2)]

    first, again, next_night = map(read, plans)
    assert first.tolist() == again.tolist()
    assert first.tolist() != next_night.tolist()


def test_spans_begin_after_the_end_of_a_sentence(monkeypatch):
    lengths = np.random.default_rng(0).integers(1, 60, 2000)
    stream = np.concatenate([np.append(np.arange(2, length + 1), END) for length in lengths])
    plans = []
    for scanned in (1 << 20, 700):
        monkeypatch.setattr(rehearsal, "SCAN_TOKENS", scanned)
        plans.append(plan_reading(stream, [(2000, 1500)], epochs=1, rehearsal=0.5, seed=(1,)))

    content = read(plans[0])
    assert content.tolist() == read(plans[1]).tolist()
    # Word n of every sentence is n + 1.
    after = np.append(END, content[:-1])
    assert (content == np.where((content == END) | (after == END), content, after + 1)).all()
    assert set(content[after == END]) <= {2, END}


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=1, max_size=8),
    st.integers(-3, 60),
    st.integers(-3, 60),
)
def test_spliced_spans_are_read_like_one_array(spans, start, stop):
    stream = np.arange(60)
    bounds = np.array([(first, first + length) for first, length in spans])
    expected = np.concatenate([stream[first:last] for first, last in bounds])

    spliced = Spliced(stream, bounds)

    assert len(spliced) == len(expected)
    assert spliced[start:stop].tolist() == expected[start:stop].tolist()


def test_spliced_text_is_trained_on_like_any_text():
    reading = plan_reading(text((95, OLD), (5, NEW)), [(100, 95)], epochs=2, rehearsal=0.2, seed=(1,))

    batches = TrainingBatches(reading.stream, batch_size=3, num_steps=7)

    assert batches.tokens == len(reading.stream)
    seen = Counter(
        token
        for segment in batches.segments(0)
        for column, length in enumerate(segment.lengths)
        for token in segment.targets[:length, column].tolist()
    )
    assert seen == Counter(read(reading).tolist())
