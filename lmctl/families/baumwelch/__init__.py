"""The hidden Markov model of textbooks: a few states, each of which may emit every word, fitted by Baum-Welch."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, ClassVar

from lmctl.families.exporting import ONNX_STEP_TABLES, ONNX_TABLES, ExportFormat
from lmctl.families.family import Family
from lmctl.families.results import Estimated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.corpus.preparation import OrderedMap
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportFigures, ExportOptions
    from lmctl.families.hmm.sizes import HMMSizes


class BaumWelch(Family):
    """A hidden Markov model that is fitted by expected counts."""

    name = "baumwelch"
    title = "a hidden Markov model that is fitted by counting"
    presets = ("baumwelch",)
    automatic_presets: ClassVar[Mapping[str, int | None]] = {"baumwelch": None}
    estimates = True
    # Keys without effect that are accepted: the same text gives the same model for every seed.
    also_uses = frozenset({"training.seed", "device.threads"})
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {
        "onnx": ONNX_TABLES,
        "onnx-step": ONNX_STEP_TABLES,
    }

    @property
    def config_type(self) -> type[Any]:
        """See `Family.config_type`."""
        from lmctl.families.baumwelch.config import BaumWelchConfig

        return BaumWelchConfig

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.baumwelch.sizes import BaumWelchSizes

        return BaumWelchSizes

    def load(
        self,
        bundle: BundleFiles,
        members: Sequence[LanguageModel[Any]],  # noqa: ARG002
    ) -> LanguageModel[Any]:
        """See `Family.load`."""
        return _runtime(*_as_hmm(bundle))

    def export(
        self, bundle: BundleFiles, format: str, file: IO[bytes], options: ExportOptions
    ) -> ExportFigures | None:
        """See `Family.export`."""
        from lmctl.families.hmm.onnx import OnnxHMM
        from lmctl.families.onnx.export import export_onnx, require_onnx

        require_onnx()
        sizes, weights = _as_hmm(bundle)
        return export_onnx(
            bundle,
            format,
            file,
            options,
            lambda graph: OnnxHMM(graph, sizes, weights),
            lambda: _runtime(sizes, weights),
        )

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        return {"family": f"{self.name}, {sizes.states:,} states"}

    def count_parameters(self, sizes: Any) -> int:
        """See `Family.count_parameters`."""
        from lmctl.families.baumwelch.sizes import weight_shapes
        from lmctl.layers.word_layers import count_numbers

        return count_numbers(weight_shapes(sizes))

    def estimate(
        self,
        token_ids: IntArray,
        vocabulary_size: int,
        folder: Path,  # noqa: ARG002
        config: Any,
        scratch: Path,  # noqa: ARG002
        workers: AbstractContextManager[OrderedMap],  # noqa: ARG002
    ) -> Estimated:
        """See `Family.estimate`."""
        import numpy as np

        from lmctl.families.baumwelch.estimation import fit
        from lmctl.families.baumwelch.sizes import BaumWelchSizes

        chain = fit(
            token_ids,
            vocabulary_size,
            states=config.states,
            iterations=config.iterations,
            added=config.added,
        )
        weights = {
            "start": np.log(chain.start).astype(np.float32),
            "transitions": np.log(chain.transitions).astype(np.float32),
            "emissions": np.log(chain.emissions).astype(np.float32),
        }
        sizes = BaumWelchSizes(vocabulary_size=vocabulary_size, states=config.states)
        return Estimated(sizes, config, weights=weights)


def _as_hmm(bundle: BundleFiles) -> tuple[HMMSizes, dict[str, Float32Array]]:
    """Sizes and weights of family hmm, with all words in one block, that give the same probabilities."""
    import numpy as np

    from lmctl.families.baumwelch.sizes import weight_shapes
    from lmctl.families.hmm.sizes import HMMSizes
    from lmctl.families.weights import checked_weights

    logs = checked_weights(bundle, weight_shapes(bundle.sizes))
    states, words = bundle.sizes.states, bundle.sizes.vocabulary_size
    # The products of these vectors are the logs.
    nothing = np.zeros((states, states), dtype=np.float32)
    weights = {
        "source": np.concatenate([logs["transitions"], logs["start"][None]]),
        "source.kernel": nothing,
        "target": np.eye(states, dtype=np.float32),
        "target.bias": np.zeros(states, dtype=np.float32),
        "emission": np.eye(states, dtype=np.float32),
        "emission.kernel": nothing,
        "words": np.ascontiguousarray(logs["emissions"].T),
        "words.bias": np.zeros(words, dtype=np.float32),
        "words.block": np.zeros(words, dtype=np.float32),
    }
    return HMMSizes(vocabulary_size=words, blocks=1, states_per_block=states, embedding_dim=states), weights


def _runtime(sizes: HMMSizes, weights: Mapping[str, Float32Array]) -> LanguageModel[Any]:
    from lmctl.families.hmm.runtime import HMMLanguageModel

    model = HMMLanguageModel(sizes, weights)
    # The logs of a word's emissions may be infinite, and do not describe its meaning.
    model.has_word_vectors = False
    return model


FAMILY = BaumWelch()
