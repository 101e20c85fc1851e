"""The feed-forward network: it predicts a word from the last few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lmctl.families.exporting import ONNX, ONNX_STEP, ExportFormat
from lmctl.families.network_family import NetworkFamily, describe_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.base import LanguageModel
    from lmctl.families.network import Network, NetworkOptions
    from lmctl.families.onnx.network import OnnxNetwork
    from lmctl.layers.onnx.graph import Graph


class FeedForward(NetworkFamily):
    """Embedding of the last n - 1 words, a hidden layer, softmax (Bengio et al. 2003)."""

    name = "feedforward"
    title = "a network that reads the last few words"
    presets = ("feedforward-tiny", "feedforward-small", "feedforward-medium")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "feedforward-tiny": 20_000,
        "feedforward-small": 1_000_000,
        "feedforward-medium": None,
    }
    inherited_sizes = ("order", "embedding_dim", "hidden_units", "direct_connections", "tied")
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {"onnx": ONNX, "onnx-step": ONNX_STEP}

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.feedforward.config import FeedForwardConfig

        return FeedForwardConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.feedforward.sizes import FeedForwardSizes

        return FeedForwardSizes

    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """See `NetworkFamily.weight_shapes`."""
        from lmctl.families.feedforward.weights import weight_shapes

        return weight_shapes(sizes)

    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> LanguageModel[Any]:
        """See `NetworkFamily.runtime`."""
        from lmctl.families.feedforward.runtime import FeedForwardLanguageModel

        return FeedForwardLanguageModel(sizes, weights)

    def onnx_network(self, graph: Graph, sizes: Any, weights: Mapping[str, Float32Array]) -> OnnxNetwork:
        """See `NetworkFamily.onnx_network`."""
        from lmctl.families.feedforward.onnx import OnnxFeedForward

        return OnnxFeedForward(graph, sizes, weights)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        family = f"{self.name}, order {sizes.order}, {sizes.hidden_units} units, embedding {sizes.embedding_dim}"
        return {
            "family": family
            + (", direct connections" if sizes.direct_connections else "")
            + (", tied" if sizes.tied else ""),
            "softmax": describe_softmax(sizes.clusters),
        }

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """See `Family.sizes_of`."""
        from lmctl.families.feedforward.sizes import FeedForwardSizes

        return FeedForwardSizes.of(word_counts, config)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """See `Family.network`."""
        from lmctl.families.feedforward.keras.network import Dropout, FeedForwardNetwork
        from lmctl.layers.keras.initial_weights import InitialWeights

        return FeedForwardNetwork(
            sizes,
            dropout=Dropout.of(config),
            initial=InitialWeights(options.seed, options.init_scale),
            precision=options.precision,
            scatters=not options.is_gpu,
        )

    def state_numbers(self, sizes: Any) -> int:
        """The ids of the last words."""
        return int(sizes.context_words)


FAMILY = FeedForward()
