"""model.json: what a bundle says of itself, every number and name of it within bounds.

What stands here decides what is read and how much memory that takes, and may be somebody else's: counts are not
negative, names stay inside the bundle's folder.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from lmctl import families
from lmctl.corpus.prepared import Count, Name, Sha256, SourceRecord, SplitCounts
from lmctl.corpus.recipe import TextRecipe
from lmctl.errors import DataError, FamilyError, FormatVersionError, InputMissingError
from lmctl.families.cached.parameters import CacheParameters
from lmctl.records import LONGEST_NAME, decode_record, is_inside, read_regular, shortened
from lmctl.store.layout import MODEL_FILE, member_name
from lmctl.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 5
# Far more than any model is made of, and still small enough that memory does not count.
MOST_MEMBERS = 64

SizesT = TypeVar("SizesT")


class CorpusSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model was trained on."""

    train: SplitCounts
    valid: SplitCounts
    sources: list[SourceRecord]


class TrainingSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model was trained; no times, so that the same training gives the same record.

    Attributes:
        planned_steps: `training.steps`, or what a time limit was turned into; None if epochs were the plan.
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


class ModelRecord(msgspec.Struct, Generic[SizesT], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of model.json; versions and hashes are filled in when a bundle is written.

    Attributes:
        sizes: of the model, a struct of its family, whose name is the struct's tag.
        corpus: what it was estimated from; None for a mixture of models of several corpora.
        training: of a network; None for other families.
        members: how many models it is made of, each a bundle under `members/`; 0 for most families.
        cache: what was tuned for `--cache`; None if there was no text to tune it on.
        files: all that the bundle has beside model.json, the model.json of each member included.
    """

    format_version: int = FORMAT_VERSION
    lmctl_version: Name = __version__
    sizes: SizesT
    recipe: TextRecipe
    corpus: CorpusSummary | None
    training: TrainingSummary | None
    members: Annotated[int, Meta(ge=0, le=MOST_MEMBERS)] = 0
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
        """The name of its family."""
        kind: Any = type(self.sizes)
        return str(kind.__struct_config__.tag)

    @property
    def member_names(self) -> list[str]:
        """The folders of its members, within its own."""
        return [member_name(number) for number in range(self.members)]


def read_record(folder: Path) -> ModelRecord[Any]:
    """Read and check the model.json of a bundle.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: it is damaged, or of a format or a family that this lmctl does not read.
    """
    path = folder / MODEL_FILE
    # Looked at first: what a link leads to may have no end.
    if path.is_symlink():
        raise DataError(f"{path}: expected a file of this bundle; it is a link")
    try:
        content = read_regular(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputMissingError(f"{folder}: not a model; it has no {MODEL_FILE} and no generations") from error
    version = decode_record(content, _Versioned, str(path)).format_version
    if version != FORMAT_VERSION:
        is_older = version < FORMAT_VERSION
        raise FormatVersionError(
            f"{path}: bundle format {version} is {'older' if is_older else 'newer'} than format {FORMAT_VERSION}, "
            f"which lmctl {__version__} reads; "
            f"{'make the model again with lmctl train, import or mix' if is_older else 'upgrade lmctl'}",
            is_older=is_older,
        )
    name = decode_record(content, _OfFamily, str(path)).sizes.family
    try:
        family = families.find(name)
    except FamilyError as error:
        raise FamilyError(f"{path}: {error}") from error
    generic: Any = ModelRecord
    record: ModelRecord[Any] = decode_record(content, generic[family.sizes_type], str(path))
    if record.sha256 != _own_hash(decode_record(content, dict[str, Any], str(path))):
        raise DataError(f"{path}: damaged; its content does not have the hash it states")
    if record.members and not family.combines:
        raise DataError(f"{path}: damaged; family {name} is made of no members, got {record.members}")
    return record


def encode_record(record: ModelRecord[Any]) -> bytes:
    """The content of model.json, with its own hash filled in."""
    own_hash = _own_hash(msgspec.json.decode(msgspec.json.encode(record), type=dict[str, Any]))
    return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(record, sha256=own_hash))) + b"\n"


def has_record(folder: Path) -> bool:
    """Whether a folder has a model.json that lmctl wrote, of any version; other programs write others."""
    try:
        decode_record(read_regular(folder / MODEL_FILE), _Versioned, MODEL_FILE)
    except (DataError, FileNotFoundError, NotADirectoryError):
        return False
    return True


class _Versioned(msgspec.Struct):
    """Only the version, so that a newer format is named as such before its other keys are refused."""

    format_version: int


class _Tagged(msgspec.Struct):
    family: str


class _OfFamily(msgspec.Struct):
    """Only the family, which decides what the sizes are."""

    sizes: _Tagged


def _own_hash(document: dict[str, Any]) -> str:
    """SHA-256 of model.json without the hash it states: of what stands there, not of what is made of it."""
    without = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(msgspec.json.encode(without)).hexdigest()
