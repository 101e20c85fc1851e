"""The LSTM: a recurrent network that is trained by gradient, and answers in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lmctl.families.family import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.family import Network, NetworkOptions


class LSTM(Family):
    """Embedding, LSTM layers, softmax."""

    name = "lstm"
    title = "a recurrent network that is trained"
    presets = ("tiny", "small", "medium", "large", "zh", "gpu")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "tiny": 20_000,
        "small": 1_000_000,
        "medium": 19_999_999,
        "large": None,
    }
    trains_network = True
    inherited_sizes = ("embedding_dim", "hidden_units", "layers", "tied")

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

    def load(
        self,
        bundle: BundleFiles,
        members: Sequence[LanguageModel[Any]],  # noqa: ARG002
    ) -> LanguageModel[Any]:
        """See `Family.load`."""
        from lmctl.families.lstm.runtime import LSTMLanguageModel

        return LSTMLanguageModel.from_bundle(bundle)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        family = f"{self.name}, {sizes.layers} x {sizes.hidden_units} units, embedding {sizes.embedding_dim}"
        return {
            "family": family + (", tied" if sizes.tied else ""),
            "softmax": _describe_softmax(sizes.clusters),
        }

    def count_parameters(self, sizes: Any) -> int:
        """See `Family.count_parameters`."""
        from lmctl.families.lstm.weights import count_parameters

        return count_parameters(sizes)

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

    def random_model(self, sizes: Any) -> LanguageModel[Any]:
        """See `Family.random_model`."""
        import numpy as np

        from lmctl.families.lstm.runtime import LSTMLanguageModel
        from lmctl.families.lstm.weights import weight_shapes

        generator = np.random.default_rng(0)
        weights = {
            name: generator.standard_normal(shape, dtype=np.float32) * np.float32(0.1)
            for name, shape in weight_shapes(sizes).items()
        }
        return LSTMLanguageModel(sizes, weights)

    def state_numbers(self, sizes: Any) -> int:
        """Output and cell of every layer."""
        return 2 * int(sizes.layers) * int(sizes.hidden_units)

    def carry_over(
        self, weights: Mapping[str, Float32Array], old: Any, new: Any, old_ids: IntArray
    ) -> tuple[dict[str, Float32Array], Any]:
        """See `Family.carry_over`."""
        from lmctl.families.lstm.warm_start import carry_over

        return carry_over(weights, old, new, old_ids)


def _describe_softmax(clusters: Sequence[Any]) -> str:
    if len(clusters) == 1:
        return "full"
    return "adaptive, " + " + ".join(f"{cluster.words:,} words x {cluster.width}" for cluster in clusters)


FAMILY = LSTM()
