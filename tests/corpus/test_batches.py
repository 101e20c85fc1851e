import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import END, batch_sizes, columns_read, sentence_lengths, step_counts, stream_of

from lmctl.corpus.batches import (
    TrainingBatches,
    carried_segments,
    column_starts,
    sentence_segments,
    spread_order,
    unknown_rates,
)


def as_bytes(segments):
    return [
        b"".join(array.tobytes() for array in (part.inputs, part.targets, part.lengths, part.restart))
        for part in segments
    ]


probabilities = st.sampled_from([0.0, 0.3, 1.0])


@given(sentence_lengths, batch_sizes, step_counts, probabilities, st.integers(0, 3))
def test_every_token_is_a_target_exactly_once_an_epoch(lengths, batch_size, num_steps, reset_probability, epoch):
    stream = stream_of(lengths)
    training = TrainingBatches(
        stream, batch_size=batch_size, num_steps=num_steps, reset_probability=reset_probability
    )
    segments = list(training.segments(epoch))
    starts = [*column_starts(stream, batch_size, num_steps), len(stream)]

    assert sum(segment.tokens for segment in segments) == len(stream)
    for column in range(training.batch_size):
        read = [token for part in segments for token in part.targets[: part.lengths[column], column].tolist()]
        assert read == stream[starts[column] : starts[column + 1]].tolist()


@given(sentence_lengths, batch_sizes, step_counts, probabilities)
def test_inputs_are_the_tokens_before_the_targets(lengths, batch_size, num_steps, reset_probability):
    stream = stream_of(lengths)
    before = dict(zip(stream.tolist(), [END, *stream.tolist()], strict=False))
    segments = TrainingBatches(
        stream, batch_size=batch_size, num_steps=num_steps, reset_probability=reset_probability
    ).segments(0)

    for inputs, targets in columns_read(segments):
        assert inputs[1:] == targets[:-1]
        # All words are different, so the token before a word is known. Any token may precede `</s>`.
        assert inputs[0] in stream if targets[0] == END else inputs[0] == before[targets[0]]


@given(st.lists(st.integers(0, 12), min_size=30, max_size=40), step_counts, st.integers(0, 5))
def test_restarts_are_at_starts_of_sentences(lengths, num_steps, seed):
    stream = stream_of(lengths)
    segments = list(
        TrainingBatches(stream, batch_size=2, num_steps=num_steps, reset_probability=0.5, seed=seed).segments(0)
    )

    assert segments[0].restart.all()
    for part in segments:
        assert (part.inputs[0, part.restart] == END).all()


def test_columns_that_are_not_read_are_padding_and_keep_their_lengths():
    stream = stream_of([3, 1, 4, 1, 5, 9, 2, 6])
    settings = {"batch_size": 4, "num_steps": 5, "reset_probability": 0.5}
    part = TrainingBatches(stream, **settings)
    part.read_only(range(1, 3))

    for whole, read in zip(TrainingBatches(stream, **settings).segments(0), part.segments(0), strict=True):
        np.testing.assert_array_equal(read.lengths, whole.lengths)
        np.testing.assert_array_equal(read.restart, whole.restart)
        np.testing.assert_array_equal(read.inputs[:, 1:3], whole.inputs[:, 1:3])
        np.testing.assert_array_equal(read.targets[:, 1:3], whole.targets[:, 1:3])
        for columns in ([0], [3]):
            assert (read.inputs[:, columns] == END).all()
            assert (read.targets[:, columns] == END).all()


def test_without_resets_only_the_first_segment_starts_afresh():
    segments = list(carried_segments(stream_of([3] * 20), batch_size=4, num_steps=5))

    assert [part.restart.tolist() for part in segments] == [[True] * 4] + [[False] * 4] * 3
    assert [part.lengths.tolist() for part in segments] == [[5] * 4] * 4


def test_a_reset_stops_a_segment_at_its_last_sentence_end():
    # 2 3 </s> 4 5 </s> 6 7 </s>, four tokens a step, a restart after each.
    batches_of_one = TrainingBatches(stream_of([2, 2, 2]), batch_size=1, num_steps=4, reset_probability=1.0)
    segments = list(batches_of_one.segments(0))

    assert [part.targets[:, 0].tolist() for part in segments] == [
        [2, 3, END, END],
        [4, 5, END, END],
        [6, 7, END, END],
    ]
    assert [part.inputs[:, 0].tolist() for part in segments] == [
        [END, 2, 3, END],
        [END, 4, 5, END],
        [END, 6, 7, END],
    ]
    assert [part.lengths.tolist() for part in segments] == [[3], [3], [3]]
    assert [part.restart.tolist() for part in segments] == [[True], [True], [True]]


def test_a_reset_waits_for_a_segment_in_which_a_sentence_ends(monkeypatch):
    # 2 3 4 5 6 </s> 7 </s>, two tokens a step: the first two steps have no sentence end.
    monkeypatch.setattr(TrainingBatches, "_draw", lambda _self, _epoch, step: np.array([step == 0]))
    segments = list(TrainingBatches(stream_of([5, 1]), batch_size=1, num_steps=2).segments(0))

    assert [part.targets[: part.lengths[0], 0].tolist() for part in segments] == [
        [2, 3],
        [4, 5],
        [6, END],
        [7, END],
    ]
    assert [bool(part.restart[0]) for part in segments] == [True, False, False, True]


def test_a_reset_is_as_frequent_as_asked_for():
    # One-word sentences, so that every segment of 10 tokens ends with `</s>` and any draw takes effect.
    segments = TrainingBatches(
        stream_of([1] * 20_000), batch_size=20, num_steps=10, reset_probability=0.1
    ).segments(0)
    restarts = np.concatenate([part.restart for part in itertools.islice(segments, 1, None)])

    # 3,980 draws: the standard deviation of their mean is 0.0048.
    assert len(restarts) == 3_980
    assert restarts.mean() == pytest.approx(0.1, abs=0.02)


@given(sentence_lengths, batch_sizes, step_counts, probabilities, st.integers(0, 60))
def test_seeking_gives_the_same_segments_as_walking(lengths, batch_size, num_steps, probability, first_step):
    training = TrainingBatches(
        stream_of(lengths), batch_size=batch_size, num_steps=num_steps, reset_probability=probability
    )

    assert as_bytes(training.segments(2, first_step)) == as_bytes(training.segments(2))[first_step:]


def test_the_same_seed_gives_the_same_segments_and_another_others():
    def segments(seed, epoch):
        training = TrainingBatches(
            stream_of([3, 5, 2] * 50), batch_size=4, num_steps=7, reset_probability=0.3, seed=seed
        )
        return as_bytes(training.segments(epoch))

    assert segments(1, 0) == segments(1, 0)
    assert segments(1, 0) != segments(2, 0)
    assert segments(1, 0) != segments(1, 1)


def test_the_rarer_a_word_the_more_often_it_is_read_as_unknown():
    # Of <unk>, </s> and words that occur once, 3 times and 99 times: a / (a + c).
    assert unknown_rates([7, 20, 1, 3, 99], 1.0).tolist() == [0, 0, 0.5, 0.25, 0.01]
    assert unknown_rates([7, 20, 1, 3, 99], 0.25).tolist() == [0, 0, 0.2, 0.25 / 3.25, 0.25 / 99.25]
    assert unknown_rates([7, 20, 1, 3, 99], 0.0) is None


def test_a_word_is_unknown_in_an_epoch_at_all_places_or_at_none():
    stream = np.concatenate([stream_of([4, 9, 1, 30]), stream_of([4, 9, 1, 30])])
    words = int(stream.max()) + 1
    rates = np.full(words, 0.5)
    rates[[0, END, 2]] = [0, 0, 1]

    def pairs(epoch, first_step=0, unknown_rates=rates):
        training = TrainingBatches(stream, batch_size=2, num_steps=7, seed=3, unknown_rates=unknown_rates)
        parts = list(training.segments(epoch, first_step))
        return [np.stack([part.inputs, part.targets]) for part in parts], parts

    unknown = []
    for epoch in range(40):
        read, parts = pairs(epoch)
        true, _ = pairs(epoch, unknown_rates=None)
        read_as = {word: set() for word in range(words)}
        for word, of_word in zip(np.concatenate(true).flat, np.concatenate(read).flat, strict=True):
            read_as[word].add(int(of_word))
        assert all(len(ids) == 1 and ids <= {0, word} for word, ids in read_as.items() if word)
        assert (read_as[END], read_as[2]) == ({END}, {0})
        unknown.append([read_as[word] == {0} for word in range(3, words)])
        assert as_bytes(parts)[2:] == as_bytes(pairs(epoch, first_step=2)[1])
    # 40 epochs of 41 words; the standard deviation of the share is 0.012.
    assert np.mean(unknown) == pytest.approx(0.5, abs=0.04)
    assert np.std(np.mean(unknown, axis=1)) > 0


def test_segments_have_one_shape_and_are_contiguous():
    training = TrainingBatches(stream_of([4, 9, 1] * 9), batch_size=3, num_steps=5, reset_probability=0.5)
    for part in training.segments(0):
        assert part.inputs.shape == part.targets.shape == (5, 3)
        assert part.lengths.shape == part.restart.shape == (3,)
        assert part.inputs.dtype == part.targets.dtype == part.lengths.dtype == np.int32
        assert part.inputs.flags.c_contiguous
        assert part.targets.flags.c_contiguous


def test_columns_that_would_be_empty_are_left_out():
    training = TrainingBatches(stream_of([0, 0, 0]), batch_size=10, num_steps=35)

    assert training.batch_size == 3
    assert [part.targets.tolist() for part in training.segments(0)] == [[[END, END, END]]]


def test_num_steps_is_no_longer_than_the_longest_column():
    training = TrainingBatches(stream_of([3, 3]), batch_size=1, num_steps=35)

    assert training.num_steps == 8
    assert [part.lengths.tolist() for part in training.segments(0)] == [[8]]


def test_an_empty_stream_has_no_segments():
    empty = np.array([], dtype=np.uint16)

    assert list(carried_segments(empty, batch_size=4, num_steps=5)) == []
    assert list(sentence_segments(empty, batch_size=4, num_steps=5)) == []


@given(sentence_lengths, batch_sizes, step_counts)
def test_every_sentence_is_read_once_from_its_start(lengths, batch_size, num_steps):
    stream = stream_of(lengths)
    runs = columns_read(sentence_segments(stream, batch_size=batch_size, num_steps=num_steps))

    sentences = [part.tolist() for part in np.split(stream, np.flatnonzero(stream == END)[:-1] + 1)]
    assert sorted(targets for _, targets in runs) == sorted(sentences)
    assert all(inputs == [END, *targets[:-1]] for inputs, targets in runs)


def test_sentences_of_like_length_stand_side_by_side():
    segments = list(sentence_segments(stream_of([1, 7, 1, 6]), batch_size=2, num_steps=35))

    assert [part.lengths.tolist() for part in segments] == [[2, 2], [7, 8]]


def test_a_sentence_longer_than_a_step_carries_its_state():
    segments = list(sentence_segments(stream_of([4, 1]), batch_size=2, num_steps=2))

    assert [part.targets.T.tolist() for part in segments] == [
        [[6, END], [2, 3]],
        [[END, END], [4, 5]],
        [[END, END], [END, END]],
    ]
    assert [part.lengths.tolist() for part in segments] == [[2, 2], [0, 2], [0, 1]]
    assert [part.restart.tolist() for part in segments] == [[True, True], [False, False], [False, False]]


def test_an_order_whose_beginning_is_spread_over_all_numbers():
    # The digits of 0 to 5 from the last to the first are 000, 100, 010, 110, 001, 101.
    assert spread_order(6) == [0, 4, 2, 1, 5, 3]
    assert [spread_order(count) for count in range(3)] == [[], [0], [0, 1]]


def test_the_first_batches_of_a_spread_text_have_sentences_of_all_lengths():
    stream = stream_of(range(2, 34))

    spread = list(sentence_segments(stream, batch_size=1, num_steps=40, spread=True))

    assert [segment.tokens for segment in spread[:4]] == [3, 19, 11, 27]
    assert sorted(segment.tokens for segment in spread) == list(range(3, 35))
