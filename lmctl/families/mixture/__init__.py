"""Mixtures: linear interpolation of several models over one vocabulary."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, ClassVar

from lmctl.errors import DataError
from lmctl.families.exporting import ARPA, ExportFormat
from lmctl.families.family import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportOptions


class Mixture(Family):
    """The family of mixtures (Jelinek & Mercer 1980)."""

    name = "mixture"
    title = "several models whose probabilities are weighted"
    combines = True
    export_formats: ClassVar[Mapping[str, ExportFormat]] = {"arpa": ARPA}

    @property
    def sizes_type(self) -> type[Any]:
        """See `Family.sizes_type`."""
        from lmctl.families.mixture.sizes import MixtureSizes

        return MixtureSizes

    def load(self, bundle: BundleFiles, members: Sequence[LanguageModel[Any]]) -> LanguageModel[Any]:
        """See `Family.load`."""
        from lmctl.families.mixture.runtime import MixtureLanguageModel

        if len(members) != len(bundle.sizes.weights):
            raise DataError(f"{bundle.folder}: {len(bundle.sizes.weights)} weights for {len(members)} members")
        joined = members
        if any(each.vocabulary_sha256 != bundle.vocabulary_sha256 for each in bundle.members()):
            from lmctl.families.joined import join_vocabulary

            joined = [
                join_vocabulary(member, each.vocabulary(), bundle.vocabulary())
                for member, each in zip(members, bundle.members(), strict=True)
            ]
        return MixtureLanguageModel(joined, bundle.sizes.weights)

    def export(
        self,
        bundle: BundleFiles,
        format: str,  # noqa: ARG002
        file: IO[bytes],
        options: ExportOptions,
    ) -> None:
        """See `Family.export`. A mixture of n-gram models becomes one n-gram model."""
        from lmctl.families.arpa.export import export_arpa

        export_arpa(bundle, file, options)

    def describe(self, sizes: Any) -> dict[str, str]:
        """See `Family.describe`."""
        weights = ", ".join(map("{:.4f}".format, sizes.weights))
        return {"family": f"{self.name} of {len(sizes.weights)}, weights {weights}"}

    def combine(self, vocabulary_size: int, weights: Sequence[float]) -> Any:
        """See `Family.combine`."""
        from lmctl.families.mixture.sizes import MixtureSizes

        return MixtureSizes(vocabulary_size=vocabulary_size, weights=list(weights))

    def count_parameters(self, sizes: Any) -> None:  # noqa: ARG002
        """None: the numbers belong to the members."""
        return


FAMILY = Mixture()
