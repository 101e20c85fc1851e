"""An older model's weights for a newer vocabulary: states stay as they are, and words keep their rows.

A new word enters the block with the fewest words. Its row starts as the mean of the rows of the known words in
that block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.warm_start import RowCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.hmm.sizes import HMMSizes


def carry_over(
    weights: Mapping[str, Float32Array], old: HMMSizes, new: HMMSizes, old_ids: IntArray
) -> tuple[dict[str, Float32Array], RowCounts]:
    """The weights that training starts from.

    Args:
        weights: of the old model, by the names of `weight_shapes(old)`.
        old: its sizes.
        new: sizes of the network to be trained; only the vocabulary may differ.
        old_ids: the id that each word of the new vocabulary had in the old one, (V,); -1 if it had none.

    Returns:
        Weights by the names of `weight_shapes(new)`, and the numbers of rows kept, moved, new and gone. A word
        that does not fit into its block any more counts as moved.
    """
    known = old_ids >= 0
    blocks = np.full(len(old_ids), -1)
    blocks[known] = weights["words.block"][old_ids[known]].astype(np.int64)
    moved = 0
    # A smaller vocabulary has a smaller limit for the words of a block.
    counts = np.zeros(new.blocks, dtype=np.int64)
    for word in np.argsort(~known, kind="stable").tolist():
        wanted = block = int(blocks[word])
        if block < 0 or counts[block] >= new.most_words_of_a_block:
            block = int(counts.argmin())
        moved += 0 <= wanted != block
        blocks[word] = block
        counts[block] += 1
    carried = {name: weight for name, weight in weights.items() if not name.startswith("words")}
    carried["words.block"] = blocks.astype(np.float32)
    for name in ("words", "words.bias"):
        rows = np.empty((len(old_ids), *weights[name].shape[1:]), dtype=np.float32)
        rows[known] = weights[name][old_ids[known]]
        for block in np.unique(blocks[~known]):
            alike = known & (blocks == block)
            rows[~known & (blocks == block)] = rows[alike if alike.any() else known].mean(axis=0)
        carried[name] = rows
    there = int(np.count_nonzero(known))
    return carried, RowCounts(
        kept=there - moved, moved=moved, new=len(old_ids) - there, gone=old.vocabulary_size - there
    )
