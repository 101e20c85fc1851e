"""The masked language model: a bidirectional Transformer that is trained to fill gaps, and answers in NumPy.

The words that it predicts are hidden from it (Devlin et al. 2019, "BERT", arXiv:1810.04805).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lmctl.errors import UsageError
from lmctl.families.network_family import NetworkFamily, describe_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.gap_model import GapModel
    from lmctl.families.network import Network, NetworkOptions


class Masked(NetworkFamily):
    """Embedding, layers of attention to both sides, softmax."""

    name = "masked"
    title = "a network of attention layers that is trained to fill gaps"
    presets = ("masked-tiny", "masked-small", "masked-medium")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "masked-tiny": 20_000,
        "masked-small": 1_000_000,
        "masked-medium": None,
    }
    predicts_next_word = False
    inherited_sizes = ("hidden_units", "layers", "heads", "feedforward_units", "context", "tied")

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.masked.config import MaskedConfig

        return MaskedConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.masked.sizes import MaskedSizes

        return MaskedSizes

    def check_config(self, config: Any) -> None:
        """See `Family.check_config`."""
        from lmctl.families.attention_sizes import heads_problem

        super().check_config(config)
        if problem := heads_problem(config.hidden_units, config.heads, is_rotary=True):
            raise UsageError(f"model.{problem}")

    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """See `NetworkFamily.weight_shapes`."""
        from lmctl.families.masked.weights import weight_shapes

        return weight_shapes(sizes)

    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> GapModel:
        """See `NetworkFamily.runtime`."""
        from lmctl.families.masked.runtime import MaskedModel

        return MaskedModel(sizes, weights)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        family = f"{self.name}, {sizes.layers} x {sizes.hidden_units} units, {sizes.heads} heads"
        return {
            "family": family + (", tied" if sizes.tied else ""),
            "attention": f"both sides, {sizes.context} positions at once, rotary",
            "softmax": describe_softmax(sizes.clusters),
        }

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """See `Family.sizes_of`."""
        from lmctl.families.masked.sizes import MaskedSizes

        return MaskedSizes.of(word_counts, config)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """See `Family.network`."""
        from lmctl.corpus.vocabulary import UNKNOWN_ID
        from lmctl.families.masked.keras.network import Dropout, MaskedNetwork

        return MaskedNetwork(
            sizes,
            mask_rate=config.mask_rate,
            dropout=Dropout.of(config),
            # If training never sees <unk>, validation does not score it.
            scores_unknown=bool((options.token_ids == UNKNOWN_ID).any()),
            init_scale=options.init_scale,
            seed=options.seed,
            precision=options.precision,
            scatters=not options.is_gpu,
        )

    def state_numbers(self, sizes: Any) -> int:  # noqa: ARG002
        """One number stands for the state: nothing is carried from segment to segment."""
        return 1


FAMILY = Masked()
