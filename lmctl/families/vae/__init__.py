"""The variational autoencoder: a code for each sentence, and a recurrent decoder that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from lmctl.families.network_family import NetworkFamily, describe_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.network import Network, NetworkOptions
    from lmctl.families.vae.runtime import VAELanguageModel


class VAE(NetworkFamily):
    """The family of variational autoencoders: embedding, encoder, codes, decoder layers, softmax."""

    name = "vae"
    title = "a variational autoencoder of sentences that is trained"
    presets = ("vae", "vae-small", "vae-tiny")
    automatic_presets: ClassVar[Mapping[str, int | None]] = {
        "vae-tiny": 20_000,
        "vae-small": 1_000_000,
        "vae": None,
    }
    inherited_sizes = ("embedding_dim", "hidden_units", "layers", "encoder_units", "code_dim", "codes", "tied")

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.vae.config import VAEConfig

        return VAEConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.vae.sizes import VAESizes

        return VAESizes

    def weight_shapes(self, sizes: Any) -> dict[str, tuple[int, ...]]:
        """See `NetworkFamily.weight_shapes`."""
        from lmctl.families.vae.weights import weight_shapes

        return weight_shapes(sizes)

    def runtime(self, sizes: Any, weights: Mapping[str, Float32Array]) -> LanguageModel[Any]:
        """See `NetworkFamily.runtime`."""
        from lmctl.families.vae.runtime import VAELanguageModel

        return VAELanguageModel(sizes, weights)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        family = f"{self.name}, {sizes.layers} x {sizes.hidden_units} units, embedding {sizes.embedding_dim}"
        return {
            "family": family + (", tied" if sizes.tied else ""),
            "codes": f"{sizes.codes:,} of length {sizes.code_dim}, encoder of {sizes.encoder_units} units",
            "softmax": describe_softmax(sizes.clusters),
        }

    def own_figures(self, bundle: BundleFiles, token_ids: IntArray) -> dict[str, float]:
        """See `Family.own_figures`: bounds of the continuous model, and how much the code is used."""
        from lmctl.families.vae.bounds import figures_of

        return figures_of(cast("VAELanguageModel", self.load(bundle, ())), token_ids)

    def own_figures_tokens(self, sizes: Any, tokens: int) -> int:
        """See `Family.own_figures_tokens`: a word costs as much under a sampled code as under a fixed one."""
        from lmctl.families.vae.bounds import MOST_DECODED_TOKENS, SAMPLES

        return min(tokens, MOST_DECODED_TOKENS) * (SAMPLES + int(sizes.codes)) // int(sizes.codes)

    def sizes_of(self, word_counts: Sequence[int], config: Any) -> Any:
        """See `Family.sizes_of`."""
        from lmctl.families.vae.sizes import VAESizes

        return VAESizes.of(word_counts, config)

    def network(self, sizes: Any, config: Any, options: NetworkOptions) -> Network:
        """See `Family.network`."""
        from lmctl.families.vae.keras.network import Regularization, VAENetwork

        return VAENetwork(
            sizes,
            regularization=Regularization.of(config),
            init_scale=options.init_scale,
            seed=options.seed,
            precision=options.precision,
            recurrence="keras" if options.is_gpu else "scan",
        )

    def state_numbers(self, sizes: Any) -> int:
        """See `Family.state_numbers`: output and cell of every layer, and a weight, under each code."""
        return int(sizes.codes) * (2 * int(sizes.layers) * int(sizes.hidden_units) + 1)


FAMILY = VAE()
