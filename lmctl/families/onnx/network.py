"""The interface of a language model as ONNX operators: `OnnxNetwork`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.onnx.embedding import OnnxWordVectors
from lmctl.layers.onnx.softmax import OnnxSoftmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.layers.onnx.graph import Graph
    from lmctl.layers.word_layers import WordLayers

# The name of the dimension of the texts that are read side by side.
BATCH = "N"


@dataclass(frozen=True, slots=True)
class OnnxState:
    """A part of the state of a network. Before the first token, it is zeros.

    Attributes:
        name: its name as an input; as an output, it has `next_` before it.
        shape: its shape; `BATCH` stands for the number of texts. Another name is a size that is 0 before the first
            token.
        kind: the type of its elements.
    """

    name: str
    shape: tuple[int | str, ...]
    kind: type[np.generic] = np.float32


class OnnxNetwork(ABC):
    """A language model whose operators are added to a graph.

    Attributes:
        states: the parts of its state.
        properties: metadata that describe the network.
    """

    states: Sequence[OnnxState] = ()
    properties: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def run(self, token_ids: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """Read a segment.

        Args:
            token_ids: (T, N) int64.
            states: the values of `states` before the segment.

        Returns:
            Features after each token, (T, N, H), and the states after the segment.
        """

    @abstractmethod
    def log_probs(self, features: str) -> str:
        """Natural log probabilities of the next token, (M, V), of features (M, H)."""

    @abstractmethod
    def score(self, features: str, targets: str) -> str:
        """Natural log probability of each target, (M,), of features (M, H) and token ids (M,)."""


class OnnxSoftmaxNetwork(OnnxNetwork):
    """A network with an embedding and a softmax. A family implements `run`.

    Args:
        graph: the graph.
        layers: the sizes of embedding and softmax.
        weights: all weights by name, float32.

    Attributes:
        graph: the graph.
        embedding: the word vectors of the input.
    """

    def __init__(self, graph: Graph, layers: WordLayers, weights: Mapping[str, Float32Array]) -> None:
        self.graph = graph
        self.embedding = OnnxWordVectors(graph, "embedding", layers.input_clusters, weights)
        self._softmax = OnnxSoftmax(graph, layers, self.embedding, weights)

    def log_probs(self, features: str) -> str:
        """See `OnnxNetwork.log_probs`."""
        return self._softmax.log_probs(features)

    def score(self, features: str, targets: str) -> str:
        """See `OnnxNetwork.score`."""
        return self._softmax.score(features, targets)
