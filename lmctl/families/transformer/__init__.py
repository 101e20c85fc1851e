"""The Transformer: layers of causal attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lmctl.errors import UsageError
from lmctl.families.exporting import ONNX, ONNX_STEP, ExportFormat
from lmctl.families.network_family import NetworkFamily, describe_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.base import LanguageModel
    from lmctl.families.network import Network, NetworkOptions
    from lmctl.families.onnx.network import OnnxNetwork
    from lmctl.layers.onnx.graph import Graph


class Transformer(NetworkFamily):
    """Embedding, layers of attention and feed-forward parts, softmax."""

    name = "transformer"
    title = "a network of attention layers that is trained"
    presets = ("transformer-tiny", "transformer-small", "transformer-medium")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "transformer-tiny": 20_000,
        "transformer-small": 1_000_000,
        "transformer-medium": None,
    }
    inherited_sizes = ("hidden_units", "layers", "heads", "feedforward_units", "context", "positions", "tied")
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {"onnx": ONNX, "onnx-step": ONNX_STEP}

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.transformer.config import TransformerConfig

        return TransformerConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.transformer.sizes import TransformerSizes

        return TransformerSizes

    def check_config(self, config: Any) -> None:
        """See `Family.check_config`."""
        from lmctl.families.attention_sizes import heads_problem

        super().check_config(config)
        if problem := heads_problem(config.hidden_units, config.heads, config.positions == "rotary"):
            raise UsageError(f"model.{problem}")

    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """See `NetworkFamily.weight_shapes`."""
        from lmctl.families.transformer.weights import weight_shapes

        return weight_shapes(sizes)

    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> LanguageModel[Any]:
        """See `NetworkFamily.runtime`."""
        from lmctl.families.transformer.runtime import TransformerLanguageModel

        return TransformerLanguageModel(sizes, weights)

    def onnx_network(self, graph: Graph, sizes: Any, weights: Mapping[str, Float32Array]) -> OnnxNetwork:
        """See `NetworkFamily.onnx_network`."""
        from lmctl.families.transformer.onnx import OnnxTransformer

        return OnnxTransformer(graph, sizes, weights)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        family = f"{self.name}, {sizes.layers} x {sizes.hidden_units} units, {sizes.heads} heads"
        return {
            "family": family + (", tied" if sizes.tied else ""),
            "attention": f"{sizes.context} positions a layer, {sizes.positions}",
            "softmax": describe_softmax(sizes.clusters),
        }

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """See `Family.sizes_of`."""
        from lmctl.families.transformer.sizes import TransformerSizes

        return TransformerSizes.of(word_counts, config)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """See `Family.network`."""
        from lmctl.families.transformer.keras.network import Dropout, TransformerNetwork

        return TransformerNetwork(
            sizes,
            dropout=Dropout.of(config),
            init_scale=options.init_scale,
            seed=options.seed,
            precision=options.precision,
            scatters=not options.is_gpu,
        )

    def state_numbers(self, sizes: Any) -> int:
        """Keys and values of every layer, and the number of positions that have been read."""
        return 2 * int(sizes.layers) * (int(sizes.context) - 1) * int(sizes.hidden_units) + 1


FAMILY = Transformer()
