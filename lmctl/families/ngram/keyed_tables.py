"""Writing n-grams in memory as the tables of a model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.ngram.packing import write_continuations
from lmctl.families.ngram.sizes import NgramSizes
from lmctl.families.ngram.table_files import written_table

if TYPE_CHECKING:
    from lmctl.families.ngram.keys import KeyedNgrams


def write_keyed(ngrams: KeyedNgrams, folder: Path) -> NgramSizes:
    """Write log probabilities and back-off weights as float32, and return the sizes of the tables.

    Args:
        ngrams: the n-grams of a model.
        folder: the folder for the tables.
    """
    for kind, by_order in (("log_probs", ngrams.log_probs), ("backoffs", ngrams.backoffs)):
        for order, values in by_order.items():
            with written_table(folder, order, kind) as table:
                table.append(np.asarray(values, dtype=np.float32))
    sizes = [len(log_probs) for log_probs in ngrams.log_probs.values()]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for order, keys in ngrams.keys.items():
            write_continuations(folder, order, [keys], sizes[order - 2], ngrams.vocabulary_size, Path(scratch))
    return NgramSizes(vocabulary_size=ngrams.vocabulary_size, smoothing="arpa", quantize=32, ngrams=sizes)
