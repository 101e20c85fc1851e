"""The two forms of a language model in ONNX: one that scores whole sentences, one that reads on step by step.

| form | inputs | outputs |
|---|---|---|
| `onnx` | x (N, L), x_lens (N,) | nll (N,) |
| `onnx-step` | x (N, L), a state | log_probs (N, V), the next state; with `top`: top_log_probs, top_ids (N, K) |

Token ids and lengths are int64; log probabilities are natural logs. The first form and the names of its metadata
are those of icefall's rnn_lm/export-onnx.py, which sherpa-onnx's csrc/offline-rnn-lm.cc reads: x has no `</s>`,
and nll is that of the sentence with its end. The second form is what sherpa-onnx's csrc/online-rnn-lm.cc reads if
the network is an LSTM: x, h0, c0 in, log_probs and both states out, in this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.families.onnx.network import BATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.families.onnx.network import OnnxNetwork, OnnxState
    from lmctl.layers.onnx.graph import Graph

SEQUENCE, STEP = "onnx", "onnx-step"
LENGTH = "L"


def add_sequence_form(graph: Graph, network: OnnxNetwork) -> None:
    """Add inputs, operators and outputs of the form that scores whole sentences.

    What stands in x after the end of a sentence has no effect. Every sentence starts from the state after `</s>`.
    """
    x = graph.input("x", np.int64, (BATCH, LENGTH))
    lengths = graph.add("Unsqueeze", graph.input("x_lens", np.int64, (BATCH,)), graph.constant([1]))
    batch = graph.add("Shape", x, start=0, end=1)
    ends = graph.add("Expand", graph.constant([[SENTENCE_END_ID]]), _joined(graph, batch, 1))
    # Targets (N, T), T = L + 1: the words, then `</s>`. Inputs: `</s>`, then the words.
    targets = graph.add("Concat", x, ends, axis=1)
    steps = graph.add("Shape", targets, start=1, end=2)
    positions = graph.add(
        "Range", graph.constant(0), graph.add("Squeeze", steps, graph.constant([0])), graph.constant(1)
    )
    end = graph.constant(SENTENCE_END_ID)
    targets = graph.add("Where", graph.add("Less", positions, lengths), targets, end)
    is_scored = graph.add("LessOrEqual", positions, lengths)
    inputs = graph.add("Concat", ends, graph.add("Slice", targets, *map(graph.constant, ([0], [-1], [1]))), axis=1)
    states = [_zeros(graph, state, batch) for state in network.states]
    features, _ = network.run(graph.add("Transpose", inputs, perm=[1, 0]), states)
    rows = graph.add("Flatten", features, axis=2)
    scores = network.score(rows, graph.add("Reshape", _transposed(graph, targets), graph.constant([-1])))
    scores = graph.add("Reshape", scores, graph.add("Concat", steps, batch, axis=0))
    none = graph.constant(np.array(0.0, dtype=np.float32))
    scores = graph.add("Where", _transposed(graph, is_scored), scores, none)
    total = graph.add("ReduceSum", scores, graph.constant([0]), keepdims=0)
    graph.output("nll", graph.add("Neg", total), np.float32, (BATCH,))


def add_step_form(graph: Graph, network: OnnxNetwork, vocabulary_size: int, top: int = 0) -> None:
    """Add inputs, operators and outputs of the form that reads on step by step.

    Args:
        graph: the graph.
        network: the language model.
        vocabulary_size: V.
        top: K, the number of most probable tokens that are outputs, too; 0: none are.
    """
    x = graph.input("x", np.int64, (BATCH, LENGTH))
    states = [graph.input(state.name, state.kind, state.shape) for state in network.states]
    features, after = network.run(_transposed(graph, x), states)
    log_probs = network.log_probs(graph.add("Gather", features, graph.constant(-1), axis=0))
    graph.output("log_probs", log_probs, np.float32, (BATCH, vocabulary_size))
    for state, value in zip(network.states, after, strict=True):
        graph.output(f"next_{state.name}", value, state.kind, state.shape)
    if top:
        best, ids = graph.add_several("TopK", log_probs, graph.constant([top]), outputs=2, axis=1)
        graph.output("top_log_probs", best, np.float32, (BATCH, top))
        graph.output("top_ids", ids, np.int64, (BATCH, top))


def properties(form: str, network: OnnxNetwork, vocabulary_size: int) -> Mapping[str, str]:
    """The metadata of a model."""
    shared = {
        "model_type": "rnnlm",
        "version": "1",
        "model_author": "lmctl",
        "comment": "sentences without state" if form == SEQUENCE else "step by step; states begin as zeros",
        "sos_id": str(SENTENCE_END_ID),
        "eos_id": str(SENTENCE_END_ID),
        "unk_id": str(UNKNOWN_ID),
        "vocab_size": str(vocabulary_size),
    }
    return shared | dict(network.properties)


def _transposed(graph: Graph, values: str) -> str:
    return graph.add("Transpose", values, perm=[1, 0])


def _zeros(graph: Graph, state: OnnxState, batch: str) -> str:
    """The state before the first token."""
    sizes = (batch if size == BATCH else 0 if isinstance(size, str) else size for size in state.shape)
    return graph.zeros(_joined(graph, *sizes), state.kind)


def _joined(graph: Graph, *sizes: str | int) -> str:
    """A shape of known sizes and of sizes that are values, (1,) each."""
    parts = [size if isinstance(size, str) else graph.constant([size]) for size in sizes]
    return graph.add("Concat", *parts, axis=0)
