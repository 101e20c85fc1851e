"""model.json: the record of a bundle, with a range for every number and name.

The record decides which files are read and how much memory that takes, and it may come from another program.
Therefore counts must not be negative, and names must stay inside the bundle's folder.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from lmctl import families
from lmctl.corpus.counts import Count, Name, Sha256, SourceRecord, SplitCounts
from lmctl.corpus.recipe import TextRecipe
from lmctl.errors import DataError, FamilyError, FormatVersionError, InputMissingError
from lmctl.families.cached.parameters import CacheParameters
from lmctl.records import LONGEST_NAME, decode_record, is_inside, read_regular, shortened
from lmctl.store.layout import MODEL_FILE, member_name
from lmctl.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 7
# More members than any mixture needs; the memory for so many is still small.
MOST_MEMBERS = 64

SizesT = TypeVar("SizesT")


class CorpusSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts and sources of the corpus that the model was trained on."""

    train: SplitCounts
    valid: SplitCounts
    sources: list[SourceRecord]


class TrainingSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a network was trained. It holds no times, so that the same training gives the same record.

    Attributes:
        planned_steps: `training.steps`, or the steps planned for a time limit; None if epochs were planned.
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
    """Size and hash of a file of the bundle."""

    bytes: Count
    sha256: Sha256


class ModelRecord(msgspec.Struct, Generic[SizesT], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of model.json; versions and hashes are filled in when a bundle is written.

    Attributes:
        sizes: dimensions of the model, a struct of its family; the struct's tag is the name of the family.
        corpus: summary of the training corpus; None for a mixture of models of several corpora.
        training: summary of the training of a network; None for other families.
        members: number of members of a mixture, each a bundle under `members/`; 0 for other families.
        cache: parameters tuned for `--cache`; None if there was no text to tune them on.
        files: every file of the bundle apart from model.json, and the model.json of each member.
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
        """The name of the family."""
        kind: Any = type(self.sizes)
        return str(kind.__struct_config__.tag)

    @property
    def member_names(self) -> list[str]:
        """The folders of the members, relative to the bundle's folder."""
        return [member_name(number) for number in range(self.members)]


def read_record(folder: Path) -> ModelRecord[Any]:
    """Read and check the model.json of a bundle.

    Raises:
        InputMissingError: the folder is not a bundle.
        DataError: model.json is damaged, or its format or family is unknown to this lmctl.
    """
    path = folder / MODEL_FILE
    # Checked first, because a link may lead to a file without an end, such as a device.
    if path.is_symlink():
        raise DataError(f"{path}: expected a file of this bundle, got a link")
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
        raise DataError(f"{path}: damaged; expected no members for family {name}, got {record.members}")
    return record


def encode_record(record: ModelRecord[Any]) -> bytes:
    """Return the content of model.json, with its own hash filled in."""
    own_hash = _own_hash(msgspec.json.decode(msgspec.json.encode(record), type=dict[str, Any]))
    return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(record, sha256=own_hash))) + b"\n"


def has_record(folder: Path) -> bool:
    """Return whether a folder has a model.json of lmctl, of any version; other programs use this name too."""
    try:
        decode_record(read_regular(folder / MODEL_FILE), _Versioned, MODEL_FILE)
    except (DataError, FileNotFoundError, NotADirectoryError):
        return False
    return True


class _Versioned(msgspec.Struct):
    """Only the version, so that a newer format is reported as such, and not as unknown keys."""

    format_version: int


class _Tagged(msgspec.Struct):
    family: str


class _OfFamily(msgspec.Struct):
    """Only the family, which decides the type of the sizes."""

    sizes: _Tagged


def _own_hash(document: dict[str, Any]) -> str:
    """Return the SHA-256 of model.json without its own hash, computed from the document as it was read."""
    without = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(msgspec.json.encode(without)).hexdigest()
