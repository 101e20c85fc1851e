"""The linear recurrent network: a recurrence without matrix products over time, which reads its weights once."""

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


class LinearRNN(NetworkFamily):
    """Embedding, recurrent layers whose gates depend on their inputs alone, softmax."""

    name = "linearrnn"
    title = "a recurrent network that is faster, without products over time"
    presets = ("linearrnn-tiny", "linearrnn-small", "fast")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "linearrnn-tiny": 20_000,
        "linearrnn-small": 1_000_000,
        "fast": None,
    }
    inherited_sizes = ("cell", "embedding_dim", "hidden_units", "layers", "tied")
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {"onnx": ONNX, "onnx-step": ONNX_STEP}

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.linearrnn.config import LinearRNNConfig

        return LinearRNNConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.linearrnn.sizes import LinearRNNSizes

        return LinearRNNSizes

    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """See `NetworkFamily.weight_shapes`."""
        from lmctl.families.linearrnn.weights import weight_shapes

        return weight_shapes(sizes)

    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> LanguageModel[Any]:
        """See `NetworkFamily.runtime`."""
        from lmctl.families.linearrnn.runtime import LinearRNNLanguageModel

        return LinearRNNLanguageModel(sizes, weights)

    def onnx_network(self, graph: Graph, sizes: Any, weights: Mapping[str, Float32Array]) -> OnnxNetwork:
        """See `NetworkFamily.onnx_network`."""
        from lmctl.families.linearrnn.onnx import OnnxLinearRNN

        return OnnxLinearRNN(graph, sizes, weights)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        family = f"{self.name}, {sizes.layers} x {sizes.hidden_units} {sizes.cell} units"
        return {
            "family": f"{family}, embedding {sizes.embedding_dim}" + (", tied" if sizes.tied else ""),
            "softmax": describe_softmax(sizes.clusters),
        }

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """See `Family.sizes_of`."""
        from lmctl.families.linearrnn.sizes import LinearRNNSizes

        return LinearRNNSizes.of(word_counts, config)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """See `Family.network`."""
        from lmctl.families.linearrnn.keras.network import Dropout, LinearRNNNetwork
        from lmctl.layers.keras.initial_weights import InitialWeights

        return LinearRNNNetwork(
            sizes,
            dropout=Dropout.of(config),
            initial=InitialWeights(options.seed, options.init_scale),
            precision=options.precision,
            on_processor=not options.is_gpu,
        )

    def state_numbers(self, sizes: Any) -> int:
        """See `Family.state_numbers`: the state of every layer, and its last input if a step reads two."""
        inputs = sum(sizes.widths) if sizes.window == 2 else 0
        return int(sizes.layers) * int(sizes.hidden_units) + inputs


FAMILY = LinearRNN()
