"""N-gram models: counted, smoothed and stored in sorted tables."""

from __future__ import annotations

import logging
from typing import IO, TYPE_CHECKING, Any, ClassVar

from lmctl.errors import UsageError
from lmctl.families.exporting import ARPA, ExportFormat
from lmctl.families.family import Family
from lmctl.families.results import Estimated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lmctl.arrays import IntArray
    from lmctl.corpus.preparation import OrderedMap
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportOptions

logger = logging.getLogger(__name__)

# In a large text, an order of 5 costs much more time and memory than 3, and improves the model little.
FULL_ORDER, FULL_ORDER_TOKENS, SMALLER_ORDER = 5, 100_000_000, 3
# Scratch files, for each token of the text. Order 5 took about 50 bytes with a text of 200 million tokens.
# An order takes 4 bytes for its places, and more for its counts, so no text needs less than this.
SCRATCH_BYTES_PER_TOKEN = 16


class Ngram(Family):
    """The family of n-gram models, with interpolated modified Kneser-Ney smoothing or without smoothing."""

    name = "ngram"
    title = "n-grams that are counted"
    presets = ("ngram",)
    automatic_presets: ClassVar[Mapping[str, int | None]] = {"ngram": None}
    estimates = True
    is_baseline = True
    # A seed has no effect here, but is accepted. Threads are processes that count.
    also_uses = frozenset({"training.seed", "device.threads"})
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {"arpa": ARPA}

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.ngram.config import NgramConfig

        return NgramConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.ngram.sizes import NgramSizes

        return NgramSizes

    def check_config(self, config: Any) -> None:
        """See `Family.check_config`."""
        counts = [int(count) for count in config.pruning.split()]
        if counts != sorted(counts):
            raise UsageError(f"model.pruning: expected counts that do not fall, got {config.pruning}")
        if config.order is not None and len(counts) > config.order:
            raise UsageError(f"model.pruning: {len(counts)} counts for n-grams of order {config.order}")
        if config.quantize == 8 and config.smoothing != "kneser-ney":
            raise UsageError(
                f"model.quantize: 8 needs model.smoothing kneser-ney, got {config.smoothing}; use 32 or null"
            )

    def load(
        self,
        bundle: BundleFiles,
        members: Sequence[LanguageModel[Any]],  # noqa: ARG002
    ) -> LanguageModel[Any]:
        """See `Family.load`."""
        from lmctl.families.ngram.runtime import NgramLanguageModel

        return NgramLanguageModel.from_bundle(bundle)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        return {
            "family": f"{self.name}, order {sizes.order}, {sizes.smoothing}",
            "n-grams": " + ".join(map("{:,}".format, sizes.ngrams)),
        }

    def short_name(self, sizes: Any) -> str:
        """See `Family.short_name`."""
        return f"{sizes.order}-grams"

    def estimation_bytes(self, training_tokens: int) -> int:
        """See `Family.estimation_bytes`."""
        return SCRATCH_BYTES_PER_TOKEN * training_tokens

    def count_parameters(self, sizes: Any) -> int:
        """The number of probabilities and back-off weights."""
        return int(sum(sizes.ngrams) + sum(sizes.ngrams[:-1]))

    def settle_config(self, config: Any, training_tokens: int) -> Any:
        """Fill in the order and the bits if they are not set, and cut `pruning` to this number of orders."""
        import msgspec

        if config.quantize is None:
            config = msgspec.structs.replace(config, quantize=8 if config.smoothing == "kneser-ney" else 32)
        if config.order is not None:
            return config
        order = FULL_ORDER if training_tokens <= FULL_ORDER_TOKENS else SMALLER_ORDER
        # There may be more thresholds than orders.
        pruning = " ".join(config.pruning.split()[:order])
        return msgspec.structs.replace(config, order=order, pruning=pruning)

    def estimate(
        self,
        token_ids: IntArray,
        vocabulary_size: int,
        folder: Path,
        config: Any,
        scratch: Path,
        workers: AbstractContextManager[OrderedMap],
    ) -> Estimated:
        """See `Family.estimate`."""
        from lmctl.families.ngram.estimation import estimate

        settled = self.settle_config(config, len(token_ids))
        sizes = estimate(
            token_ids,
            vocabulary_size,
            folder,
            order=settled.order,
            smoothing=settled.smoothing,
            pruning=[int(count) for count in settled.pruning.split()],
            quantize=settled.quantize,
            scratch=scratch,
            workers=workers,
        )
        logger.info("n-grams of order 1 to %d: %s", sizes.order, " + ".join(map("{:,}".format, sizes.ngrams)))
        return Estimated(sizes, settled, sizes.table_names())

    def estimate_part(self, token_ids: IntArray, vocabulary_size: int, config: Any, scratch: Path) -> None:
        """See `Family.estimate_part`. It uses maximum likelihood, which is defined for any counts."""
        from lmctl.families.ngram.estimation import estimate

        order = self.settle_config(config, len(token_ids)).order
        estimate(token_ids, vocabulary_size, scratch, order=order, smoothing="mle", scratch=scratch)

    def export(
        self,
        bundle: BundleFiles,
        format: str,  # noqa: ARG002
        file: IO[bytes],
        options: ExportOptions,
    ) -> None:
        """See `Family.export`. ARPA is the only format."""
        from lmctl.families.arpa.export import export_arpa

        export_arpa(bundle, file, options)


FAMILY = Ngram()
