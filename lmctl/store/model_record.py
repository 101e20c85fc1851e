"""model.json: what a bundle says of itself, every number and name of it within bounds.

What stands here decides what is read and how much memory that takes, and may be somebody else's: counts are not
negative, names stay inside the bundle's folder.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lmctl.corpus.prepared import Count, Name, Sha256, SourceRecord, SplitCounts
from lmctl.corpus.recipe import TextRecipe
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.mixture.sizes import MixtureSizes
from lmctl.families.ngram.sizes import NgramSizes
from lmctl.records import LONGEST_NAME, is_inside, shortened
from lmctl.version import __version__

MODEL_FILE = "model.json"
FORMAT_VERSION = 4


class CorpusSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model was trained on."""

    train: SplitCounts
    valid: SplitCounts
    sources: list[SourceRecord]


class TrainingSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model was trained; no times, so that the same training gives the same record.

    Attributes:
        planned_steps: `training.steps`, or what a time limit was turned into; None where epochs were the plan.
    """

    preset: Name
    seed: int
    epochs: Count
    best_epoch: Count
    steps: Count
    planned_steps: Count | None
    tokens: Count
    parameters: Count
    device: Name


class FileRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the bundle as it was written."""

    bytes: Count
    sha256: Sha256


Sizes = LSTMSizes | NgramSizes | MixtureSizes


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of model.json; versions and hashes are filled in when a bundle is written.

    Attributes:
        sizes: of the model's family, which they name.
        corpus: what it was estimated from; None for a mixture of models of several corpora.
        training: of a network; None for other families.
        cache: what was tuned for `--cache`; None if there was no text to tune it on.
        files: all that the bundle has beside model.json, the files of a mixture's members included.
    """

    format_version: int = FORMAT_VERSION
    lmctl_version: Name = __version__
    sizes: Sizes
    recipe: TextRecipe
    corpus: CorpusSummary | None
    training: TrainingSummary | None
    cache: CacheParameters | None = None
    files: dict[str, FileRecord] = {}
    sha256: Annotated[str, Meta(max_length=64)] = ""

    def __post_init__(self) -> None:
        """Refuse names of files that lead out of the bundle's folder."""
        for name in self.files:
            if name == MODEL_FILE or not is_inside(name):
                raise ValueError(
                    f"it names the file {shortened(name, 80)!r}; expected names within the folder, of at most "
                    f"{LONGEST_NAME} bytes"
                )

    @property
    def family(self) -> str:
        """Its family: lstm, ngram or mixture."""
        return str(type(self.sizes).__struct_config__.tag)
