"""Where the columns of a training text start."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import END, batch_sizes, columns_read, sentence_lengths, stream_of

from lmctl.corpus import batches
from lmctl.corpus.batches import carried_segments, column_starts


@pytest.mark.parametrize("scan_tokens", [1, 3, 1 << 16])
def test_columns_start_at_the_sentence_after_their_share(monkeypatch, scan_tokens):
    monkeypatch.setattr(batches, "SCAN_TOKENS", scan_tokens)
    # Sentences of 4, 3, 5, 3, 1 and 8 tokens start at 0, 4, 7, 12, 15 and 16; shares of 8 at 0, 8 and 16.
    assert column_starts(stream_of([3, 2, 4, 2, 0, 7]), 3, num_steps=2).tolist() == [0, 12, 16]


@given(st.lists(st.integers(0, 12), min_size=100, max_size=150), st.integers(1, 5))
def test_columns_start_at_starts_of_sentences(lengths, batch_size):
    stream = stream_of(lengths)
    starts = column_starts(stream, batch_size, num_steps=1)

    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    if len(stream) / batch_size / 2 > 12:
        assert len(starts) == batch_size
        assert (stream[starts[1:] - 1] == END).all()


@given(sentence_lengths, batch_sizes)
def test_a_column_starts_inside_a_sentence_only_if_half_a_share_has_no_sentence_end(lengths, batch_size):
    stream = stream_of(lengths)
    share = len(stream) / batch_size

    for start in column_starts(stream, batch_size, num_steps=1)[1:].tolist():
        if stream[start - 1] != END:
            assert END not in stream[start : start - 1 + int(share / 2)]


def test_one_long_sentence_is_cut_into_equal_columns():
    stream = stream_of([999])

    assert column_starts(stream, 4, num_steps=5).tolist() == [0, 250, 500, 750]
    segments = list(carried_segments(stream, batch_size=4, num_steps=250))
    assert segments[0].inputs[0].tolist() == [END, *stream[[249, 499, 749]].tolist()]
    assert np.concatenate(segments[0].targets.T).tolist() == stream.tolist()


def test_a_long_sentence_among_short_ones_takes_no_column_of_its_own_start():
    # Shares of 10: the column at 10 finds no sentence end up to 15, so it starts inside the long sentence.
    stream = stream_of([4, 29, 4])

    assert column_starts(stream, 4, num_steps=5).tolist() == [0, 10, 20, 35]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_one_sentence_is_read_once_however_many_columns_are_wanted(batch_size):
    stream = stream_of([4])
    segments = list(carried_segments(stream, batch_size=batch_size, num_steps=35))

    assert sorted(token for _, targets in columns_read(segments) for token in targets) == [1, 2, 3, 4, 5]
    assert all(part.targets.shape[1] <= 5 for part in segments)


def test_shares_shorter_than_a_segment_are_not_cut_out_of_a_sentence():
    one_sentence = stream_of([5])

    assert column_starts(one_sentence, 20, num_steps=35).tolist() == [0]


def test_shares_shorter_than_a_segment_start_at_the_next_sentence_however_far():
    stream = stream_of([11, 2, 2])

    assert column_starts(stream, 6, num_steps=35).tolist() == [0, 12, 15]
