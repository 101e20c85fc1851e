"""Validation lines that are also in the training text: they make the figures better than they are on new text."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.prepared import SharedLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.corpus.chunks import EncodedChunk
    from lmctl.corpus.counts import SplitCounts

# Share of the validation words in lines that are also in the training text, from which on there is a warning. A
# small share is usual: headings and short lines are in every text.
MOST_SHARED = 0.1

logger = logging.getLogger(__name__)


def find_shared_lines(chunks: Sequence[EncodedChunk]) -> SharedLines:
    """Count the validation lines that are also in the training text, in memory for the validation text alone."""
    held_out = [chunk.line_keys() for chunk in chunks if chunk.valid.sentences]
    keys, lines_of_key = np.unique(np.concatenate([keys for keys, _ in held_out]), return_inverse=True)
    words = np.concatenate([words for _, words in held_out])
    is_shared = np.zeros(len(keys), dtype=bool)
    for chunk in chunks:
        if not chunk.valid.sentences:
            there = chunk.line_keys()[0]
            places = np.minimum(np.searchsorted(keys, there), len(keys) - 1)
            is_shared[places[keys[places] == there]] = True
    shared = is_shared[lines_of_key]
    return SharedLines(lines=int(shared.sum()), words=int(words[shared].sum()))


def warn_of_shared_lines(shared: SharedLines, valid: SplitCounts) -> None:
    """Log the number of shared lines; a warning if they have a large share of the validation words."""
    if shared.lines:
        logger.log(
            logging.WARNING if shared.words >= MOST_SHARED * valid.words else logging.INFO,
            "%d of the %d validation lines (%.1f %% of the words) stand in the training text, too: figures are "
            "better than they would be on new text",
            shared.lines,
            valid.sentences,
            100 * shared.words / valid.words,
        )
