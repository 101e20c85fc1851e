"""The hidden Markov model as ONNX operators; `families/hmm/runtime.py` is the same in NumPy.

Axes: N batch, M blocks, K states of a block, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.hmm.runtime import HMMLanguageModel
from lmctl.families.onnx.network import BATCH, OnnxNetwork, OnnxState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.hmm.sizes import HMMSizes
    from lmctl.layers.onnx.graph import Graph


class OnnxHMM(OnnxNetwork):
    """Transitions between states, and emissions of words by the states of their block, as tables.

    The state is the block of the last word plus 1, (N,) int64, or 0 before any word, and the natural logs of the
    probabilities of the block's states, (N, K), up to a constant. The features are both, side by side.

    Args:
        graph: the graph.
        sizes: the dimensions.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, graph: Graph, sizes: HMMSizes, weights: Mapping[str, Float32Array]) -> None:
        self._graph = graph
        model = HMMLanguageModel(sizes, weights)
        blocks, per_block = sizes.blocks, sizes.states_per_block
        transitions = model.log_transitions().reshape(blocks + 1, per_block, blocks, per_block)
        # The row of the start comes first, and a pair of blocks has its K x K numbers side by side.
        transitions = np.roll(transitions, 1, axis=0).transpose(0, 2, 1, 3)
        self._transitions = graph.vector("log_transitions", transitions)
        self._emissions = graph.vector("log_emissions", model.log_emissions())
        self._block_of = graph.constant(model.block_of)
        self.states = (OnnxState("block", (BATCH,), np.int64), OnnxState("states", (BATCH, per_block)))
        self.properties = {"states": str(sizes.states), "blocks": str(blocks)}

    def run(self, token_ids: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """See `OnnxNetwork.run`."""

        def step(graph: Graph, before: list[str], elements: list[str]) -> tuple[list[str], list[str]]:
            blocks = graph.add("Gather", self._block_of, elements[0])
            log_probs = self._read(graph, before[0], before[1], blocks, elements[0])
            after = [graph.add("Add", blocks, graph.constant(1)), graph.add("LogSoftmax", log_probs, axis=-1)]
            return after, after

        kinds = [each.kind for each in self.states]
        block, of_states, *along = self._graph.scan(
            step, list(zip(states, kinds, strict=True)), [(token_ids, np.int64)]
        )
        return self._joined(*along), [block, of_states]

    def log_probs(self, features: str) -> str:
        """See `OnnxNetwork.log_probs`."""
        graph = self._graph
        block, of_states = self._parts(features)
        rows = graph.add("Gather", self._transitions, block, axis=0)
        reached = graph.add("Add", rows, graph.add("Unsqueeze", of_states, graph.constant([1, 3])))
        reached = graph.add("ReduceLogSumExp", reached, axes=[2], keepdims=0)
        of_words = graph.add("Add", graph.add("Gather", reached, self._block_of, axis=1), self._emissions)
        return graph.add("ReduceLogSumExp", of_words, axes=[2], keepdims=0)

    def score(self, features: str, targets: str) -> str:
        """See `OnnxNetwork.score`."""
        graph = self._graph
        block, of_states = self._parts(features)
        blocks = graph.add("Gather", self._block_of, targets)
        found = self._read(graph, block, of_states, blocks, targets, is_normalized=True)
        return graph.add("ReduceLogSumExp", found, axes=[1], keepdims=0)

    def _read(
        self, graph: Graph, block: str, of_states: str, blocks: str, words: str, *, is_normalized: bool = False
    ) -> str:
        """Log probabilities of the next words together with each state of their blocks, (N, K).

        Args:
            graph: the graph, or that of a step.
            block: the blocks of the last words plus 1, (N,).
            of_states: log probabilities of their states, (N, K).
            blocks: the blocks of the next words, (N,).
            words: the next words, (N,).
            is_normalized: whether the probabilities of states sum to 1.
        """
        if not is_normalized:
            of_states = graph.add("LogSoftmax", of_states, axis=-1)
        last = graph.constant([1])
        pairs = graph.add("Concat", *(graph.add("Unsqueeze", each, last) for each in (block, blocks)), axis=1)
        moved = graph.add("GatherND", self._transitions, pairs)
        moved = graph.add("Add", moved, graph.add("Unsqueeze", of_states, graph.constant([2])))
        moved = graph.add("ReduceLogSumExp", moved, axes=[1], keepdims=0)
        return graph.add("Add", moved, graph.add("Gather", self._emissions, words, axis=0))

    def _joined(self, block: str, of_states: str) -> str:
        """Features (T, N, 1 + K). The number of a block is exact in float32."""
        graph = self._graph
        numbers = graph.add("Unsqueeze", graph.cast(block, np.float32), graph.constant([2]))
        return graph.add("Concat", numbers, of_states, axis=2)

    def _parts(self, features: str) -> tuple[str, str]:
        """The blocks, (N,), and the log probabilities of their states, (N, K), of features (N, 1 + K)."""
        graph = self._graph
        first = graph.add("Gather", features, graph.constant(0), axis=1)
        others = graph.add("Slice", features, *(graph.constant([each]) for each in (1, np.iinfo(np.int64).max, 1)))
        return graph.cast(first, np.int64), others
