"""The hidden Markov model: a chain of hidden states, each of which emits words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lmctl.errors import UsageError
from lmctl.families.exporting import ONNX_STEP_TABLES, ONNX_TABLES, ExportFormat
from lmctl.families.network_family import NetworkFamily

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.families.network import Network, NetworkOptions
    from lmctl.families.onnx.network import OnnxNetwork
    from lmctl.layers.onnx.graph import Graph


class HMM(NetworkFamily):
    """Transitions between hidden states, and emissions of words, trained through the forward algorithm."""

    name = "hmm"
    title = "a hidden Markov model that is trained"
    presets = ("hmm", "hmm-small", "hmm-tiny")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "hmm-tiny": 20_000,
        "hmm-small": 500_000,
        "hmm": None,
    }
    without_effect = frozenset({"device.precision"})
    inherited_sizes = ("states", "blocks", "embedding_dim")
    fixed_weights = frozenset({"words.block"})
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {
        "onnx": ONNX_TABLES,
        "onnx-step": ONNX_STEP_TABLES,
    }

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.hmm.config import HMMConfig

        return HMMConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.hmm.sizes import HMMSizes

        return HMMSizes

    def check_config(self, config: Any) -> None:
        """See `Family.check_config`."""
        if config.states % config.blocks:
            raise UsageError(
                f"model.states: {config.states} is not a multiple of model.blocks, {config.blocks}; every block "
                "has the same number of states"
            )

    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """See `NetworkFamily.weight_shapes`."""
        from lmctl.families.hmm.sizes import weight_shapes

        return weight_shapes(sizes)

    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> LanguageModel[Any]:
        """See `NetworkFamily.runtime`."""
        from lmctl.families.hmm.runtime import HMMLanguageModel

        return HMMLanguageModel(sizes, weights)

    def random_model(self, sizes: Any) -> LanguageModel[Any]:
        """See `Family.random_model`."""
        import numpy as np

        generator = np.random.default_rng(0)
        weights = {
            name: generator.standard_normal(shape, dtype=np.float32) * np.float32(0.1)
            for name, shape in self.weight_shapes(sizes).items()
        }
        weights["words.block"] = (np.arange(sizes.vocabulary_size) % sizes.blocks).astype(np.float32)
        return self.runtime(sizes, weights)

    def onnx_network(self, graph: Graph, sizes: Any, weights: Mapping[str, Float32Array]) -> OnnxNetwork:
        """See `NetworkFamily.onnx_network`."""
        from lmctl.families.hmm.onnx import OnnxHMM

        return OnnxHMM(graph, sizes, weights)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        return {
            "family": f"{self.name}, {sizes.states:,} states, {sizes.blocks:,} blocks of words, embedding "
            f"{sizes.embedding_dim}"
        }

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """See `Family.sizes_of`."""
        from lmctl.families.hmm.sizes import HMMSizes

        return HMMSizes.of(len(word_counts), config)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """See `Family.network`."""
        from lmctl.corpus.id_stream import count_ids
        from lmctl.families.hmm.keras.network import HMMNetwork
        from lmctl.layers.word_classes import word_classes

        size = sizes.vocabulary_size
        blocks = word_classes(options.token_ids, size, sizes.blocks, sizes.most_words_of_a_block)
        return HMMNetwork(
            sizes,
            blocks,
            count_ids(options.token_ids, size),
            dropout=config.dropout,
            init_scale=options.init_scale,
            seed=options.seed,
        )

    def state_numbers(self, sizes: Any) -> int:
        """The block of the last word, and the probabilities of its states."""
        return 1 + int(sizes.states_per_block)

    def carry_over(
        self, weights: Mapping[str, Float32Array], old: Any, new: Any, old_ids: IntArray
    ) -> tuple[dict[str, Float32Array], Any]:
        """See `Family.carry_over`."""
        from lmctl.families.hmm.warm_start import carry_over

        return carry_over(weights, old, new, old_ids)

    def carried_rows(self, old: Any, new: Any, old_ids: IntArray) -> dict[str, IntArray]:  # noqa: ARG002
        """See `Family.carried_rows`."""
        return dict.fromkeys(("words", "words.bias"), old_ids)


FAMILY = HMM()
