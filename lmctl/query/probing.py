"""One distribution of a model of any kind, to check that the model answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.gap_model import GapModel

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.family import Runtime


def sample_log_probs(model: Runtime, token_ids: IntArray) -> Float32Array:
    """The natural log probability of every word, (V,): after the tokens, or in a gap after them.

    Args:
        model: the model.
        token_ids: the tokens, (N,); may be empty.
    """
    if isinstance(model, GapModel):
        text = np.concatenate([[SENTENCE_END_ID], token_ids, [SENTENCE_END_ID, SENTENCE_END_ID]])
        of_gap: Float32Array = model.log_probs([text], np.array([len(token_ids) + 1]))[0]
        return of_gap
    state = model.advance(model.initial_state(1), token_ids[:, None])
    log_probs: Float32Array = model.log_probs(state)[0]
    return log_probs
