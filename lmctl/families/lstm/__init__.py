"""The LSTM language model: trained in Keras, queried in NumPy."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, ClassVar

from lmctl.families.exporting import ONNX, ONNX_STEP, ExportFormat
from lmctl.families.network_family import NetworkFamily, describe_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmctl.arrays import Float32Array
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportFigures, ExportOptions
    from lmctl.families.network import Network, NetworkOptions
    from lmctl.families.onnx.network import OnnxNetwork
    from lmctl.families.results import ForeignModel
    from lmctl.layers.onnx.graph import Graph


class LSTM(NetworkFamily):
    """The family of LSTM language models: embedding, LSTM layers, softmax."""

    name = "lstm"
    title = "a recurrent network that is trained"
    presets = ("tiny", "small", "medium", "brief", "large", "zh", "gpu")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "tiny": 20_000,
        "small": 1_000_000,
        "medium": 19_999_999,
        "large": None,
    }
    brief_presets: ClassVar[Mapping[str, str]] = {"medium": "brief", "large": "brief"}
    inherited_sizes = ("embedding_dim", "hidden_units", "layers", "tied")
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {
        "onnx": ONNX,
        "onnx-step": ONNX_STEP,
        "keras": ExportFormat("keras", is_checked=True, needs_tensorflow=True),
        "litert": ExportFormat("tflite", is_checked=True, needs_tensorflow=True),
    }
    import_formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "keras": (".keras", ".h5", ".hdf5"),
        "pytorch": (".safetensors",),
    }

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.lstm.config import LSTMConfig

        return LSTMConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.lstm.sizes import LSTMSizes

        return LSTMSizes

    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """See `NetworkFamily.weight_shapes`."""
        from lmctl.families.lstm.weights import weight_shapes

        return weight_shapes(sizes)

    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> LanguageModel[Any]:
        """See `NetworkFamily.runtime`."""
        from lmctl.families.lstm.runtime import LSTMLanguageModel

        return LSTMLanguageModel(sizes, weights)

    def onnx_network(self, graph: Graph, sizes: Any, weights: Mapping[str, Float32Array]) -> OnnxNetwork:
        """See `NetworkFamily.onnx_network`."""
        from lmctl.families.lstm.onnx import OnnxLSTM

        return OnnxLSTM(graph, sizes, weights)

    def export(
        self, bundle: BundleFiles, format: str, file: IO[bytes], options: ExportOptions
    ) -> ExportFigures | None:
        """See `Family.export`."""
        if format not in ("keras", "litert"):
            return super().export(bundle, format, file, options)
        from lmctl.families.lstm.keras.export import export_keras, export_litert
        from lmctl.families.weights import checked_weights

        weights = checked_weights(bundle, self.weight_shapes(bundle.sizes))
        write = export_keras if format == "keras" else export_litert
        return write(bundle, weights, self.runtime(bundle.sizes, weights), file, options)

    def read_foreign(self, path: Path, format: str) -> ForeignModel:
        """See `Family.read_foreign`."""
        if format == "pytorch":
            from lmctl.families.lstm.foreign.pytorch_files import read_pytorch

            return read_pytorch(path)
        from lmctl.families.lstm.foreign.keras_files import read_keras

        return read_keras(path)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        family = f"{self.name}, {sizes.layers} x {sizes.hidden_units} units, embedding {sizes.embedding_dim}"
        return {
            "family": family + (", tied" if sizes.tied else ""),
            "softmax": describe_softmax(sizes.clusters),
        }

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """See `Family.sizes_of`."""
        from lmctl.families.lstm.sizes import LSTMSizes

        return LSTMSizes.of(word_counts, config)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """See `Family.network`."""
        from lmctl.families.lstm.keras.network import Dropout, LSTMNetwork

        return LSTMNetwork(
            sizes,
            dropout=Dropout.of(config),
            init_scale=options.init_scale,
            seed=options.seed,
            precision=options.precision,
            recurrence="keras" if options.is_gpu else "scan",
        )

    def state_numbers(self, sizes: Any) -> int:
        """See `Family.state_numbers`: the output and the cell of every layer."""
        return 2 * int(sizes.layers) * int(sizes.hidden_units)


FAMILY = LSTM()
