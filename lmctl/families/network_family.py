"""The common part of the families whose network has an embedding and a softmax."""

from __future__ import annotations

from abc import abstractmethod
from typing import IO, TYPE_CHECKING, Any, Protocol

from lmctl.errors import DataError
from lmctl.families.family import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportFigures, ExportOptions
    from lmctl.families.family import Runtime
    from lmctl.families.onnx.network import OnnxNetwork
    from lmctl.layers.clusters import Cluster
    from lmctl.layers.onnx.graph import Graph
    from lmctl.layers.word_layers import WordLayers


class HasWordLayers(Protocol):
    """The dimensions of a network that has an embedding and a softmax."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    @property
    def word_layers(self) -> WordLayers:
        """The embedding and the softmax."""
        ...


class NetworkFamily(Family):
    """A family whose network has an embedding and a softmax (`layers.word_layers`).

    It loads a bundle's weights, counts them, draws them at random, and carries them over to another vocabulary. A
    family says what its weights are (`weight_shapes`), and makes the runtime from them (`runtime`).
    """

    trains_network = True

    @abstractmethod
    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights, float32 each."""

    @abstractmethod
    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> Runtime:
        """The runtime with weights of these names and shapes.

        Raises:
            ValueError: the weights have values that no model of the family has.
        """

    def check_config(self, config: Any) -> None:
        """See `Family.check_config`."""
        if (cutoffs := getattr(config, "cutoffs", None)) is not None:
            from lmctl.layers.word_layers import check_cutoffs

            check_cutoffs(config.softmax, cutoffs)

    def load(
        self,
        bundle: BundleFiles,
        members: Sequence[LanguageModel[Any]],  # noqa: ARG002
    ) -> Runtime:
        """See `Family.load`."""
        from lmctl.families.weights import checked_weights

        sizes = bundle.sizes
        if not isinstance(sizes, self.sizes_type):
            raise DataError(f"{bundle.folder}: family {bundle.family}; expected {self.name}")
        weights = checked_weights(bundle, self.weight_shapes(sizes))
        try:
            return self.runtime(sizes, weights)
        except ValueError as error:
            raise DataError(f"{bundle.weights_path}: {error}") from error

    def onnx_network(self, graph: Graph, sizes: Any, weights: Mapping[str, Float32Array]) -> OnnxNetwork:
        """The network as ONNX operators. Called only if `export_formats` has a form of ONNX.

        Args:
            graph: the graph that gets weights and operators.
            sizes: of the model.
            weights: by the names of `weight_shapes(sizes)`.
        """
        raise NotImplementedError(self.name)

    def export(
        self, bundle: BundleFiles, format: str, file: IO[bytes], options: ExportOptions
    ) -> ExportFigures | None:
        """See `Family.export`."""
        from lmctl.families.onnx.export import export_onnx, require_onnx
        from lmctl.families.weights import checked_weights

        require_onnx()
        weights = checked_weights(bundle, self.weight_shapes(bundle.sizes))
        return export_onnx(
            bundle,
            format,
            file,
            options,
            lambda graph: self.onnx_network(graph, bundle.sizes, weights),
            lambda: self.runtime(bundle.sizes, weights),  # type: ignore[arg-type, return-value]
        )

    def count_parameters(self, sizes: Any) -> int:
        """See `Family.count_parameters`."""
        from lmctl.layers.word_layers import count_numbers

        return count_numbers(self.weight_shapes(sizes))

    def random_model(self, sizes: Any) -> Runtime:
        """See `Family.random_model`."""
        import numpy as np

        generator = np.random.default_rng(0)
        weights = {
            name: generator.standard_normal(shape, dtype=np.float32) * np.float32(0.1)
            for name, shape in self.weight_shapes(sizes).items()
        }
        return self.runtime(sizes, weights)

    def carry_over(
        self, weights: Mapping[str, Float32Array], old: HasWordLayers, new: HasWordLayers, old_ids: IntArray
    ) -> tuple[dict[str, Float32Array], Any]:
        """See `Family.carry_over`."""
        from lmctl.layers.warm_start import carry_over

        return carry_over(weights, old.word_layers, new.word_layers, self.weight_shapes(new), old_ids)

    def carried_rows(self, old: HasWordLayers, new: HasWordLayers, old_ids: IntArray) -> dict[str, IntArray]:
        """See `Family.carried_rows`."""
        from lmctl.layers.warm_start import carried_rows

        return carried_rows(old.word_layers, new.word_layers, old_ids)


def describe_softmax(clusters: Sequence[Cluster]) -> str:
    """The kind of a softmax, for `lmctl info`."""
    if len(clusters) == 1:
        return "full"
    return "adaptive, " + " + ".join(f"{cluster.words:,} words x {cluster.width}" for cluster in clusters)
