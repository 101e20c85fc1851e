"""Id streams of sentences with given lengths, and what segments of them read."""

import itertools

import numpy as np
from hypothesis import strategies as st

END = 1

sentence_lengths = st.lists(st.integers(0, 12), min_size=1, max_size=40)
batch_sizes = st.integers(1, 9)
step_counts = st.integers(1, 8)


def stream_of(lengths):
    """Sentences of given lengths. Words are numbered from 2, and all words are different."""
    number = itertools.count(2)
    ids = [token for length in lengths for token in [*itertools.islice(number, length), END]]
    return np.array(ids, dtype=np.uint16)


def columns_read(segments):
    """The tokens that the columns read without a restart: inputs and targets of each part."""
    runs, open_runs = [], {}
    for segment in segments:
        for column, length in enumerate(segment.lengths):
            if segment.restart[column]:
                open_runs[column] = ([], [])
                runs.append(open_runs[column])
            inputs, targets = open_runs[column]
            inputs += segment.inputs[:length, column].tolist()
            targets += segment.targets[:length, column].tolist()
    return [run for run in runs if run[1]]
