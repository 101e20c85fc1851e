"""A bundle: everything that answers queries, in one folder, and nothing that can run code.

model.json            format version, family and sizes, text recipe, corpus and training summary, SHA-256 of
                      every other file and of itself
vocabulary.tsv        word TAB count; line n is id n
characters.tsv        character counts, for the spelling of out-of-vocabulary words
weights.safetensors   of a network
ngrams.*.npy          of an n-gram model; see ngram_tables.py
members/0 1 ...       of a mixture: whole bundles
config.yaml           the resolved configuration
metrics.json          the figures of the validation text
history.jsonl         of a network: one line an epoch
user_dictionary.txt, stop_words.txt   where the text recipe has them
valid.txt             the validation text, or a megabyte of it: what the next model is compared on
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl import files
from lmctl.config import config_from_yaml
from lmctl.corpus.characters import LARGEST_CHARACTERS_BYTES, CharacterUnigram
from lmctl.corpus.recipe import LARGEST_DICTIONARY_BYTES, STOP_WORDS_FILE, USER_DICTIONARY_FILE
from lmctl.corpus.vocabulary import LONGEST_LINE_BYTES, Vocabulary
from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.mixture.sizes import MixtureSizes
from lmctl.families.ngram.sizes import NgramSizes
from lmctl.records import LARGEST_RECORD_BYTES, decode_record, open_regular, read_regular, shortened
from lmctl.store.figures import HistoryLine, Metrics
from lmctl.store.model_record import (
    FORMAT_VERSION,
    MODEL_FILE,
    CorpusSummary,
    FileRecord,
    ModelRecord,
    Sizes,
    TrainingSummary,
)
from lmctl.version import __version__

__all__ = [
    "FORMAT_VERSION",
    "MODEL_FILE",
    "Bundle",
    "CacheParameters",
    "CorpusSummary",
    "FileRecord",
    "ModelRecord",
    "Sizes",
    "TrainingSummary",
    "amend_bundle",
    "member_names",
    "open_bundle",
    "verify_bundle",
    "weights_file",
    "write_bundle",
]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

WEIGHTS_FILE = "weights.safetensors"
KEPT_TEXT = "valid.txt"
MEMBERS = "members"
FAMILIES = ("lstm", "ngram", "mixture")
# Larger files are hashed when they are published and by `lmctl verify`, not at every load.
HASHED_AT_LOAD_BYTES = 256 * 1000 * 1000

# What small files may have at most, beside those whose size follows from the model's.
LARGEST_HISTORY_BYTES = 64 << 20
# Names, shapes and places of the tensors, before the numbers.
LARGEST_SAFETENSORS_HEADER_BYTES = 1 << 20
# A longer line than this no vocabulary has.
CHECKED_AT_ONCE_BYTES = 8 << 20
# Mixtures of mixtures.
DEEPEST_NESTING = 8


class Bundle:
    """A bundle that has been opened: its record is checked, its other files are read when asked for.

    Args:
        folder: of the bundle.
        record: its model.json.
        depth: in how many mixtures it is.
    """

    def __init__(self, folder: Path, record: ModelRecord, depth: int = 0) -> None:
        self.folder = folder
        self.record = record
        self.weights_path = folder / WEIGHTS_FILE
        self._depth = depth

    @property
    def sizes(self) -> Sizes:
        """The dimensions of the model, a struct of its family."""
        return self.record.sizes

    @property
    def family(self) -> str:
        """The name of its family."""
        return self.record.family

    def vocabulary(self) -> Vocabulary:
        """Words and ids.

        Raises:
            DataError: damaged, or not as large as the model.
        """
        path, size = self.folder / "vocabulary.tsv", self.record.sizes.vocabulary_size
        self._check_lines(path.name)
        content = self.read(path.name, size * LONGEST_LINE_BYTES)
        vocabulary = Vocabulary.from_tsv_content(content, path)
        if len(vocabulary) != size:
            raise DataError(f"{path}: {len(vocabulary)} words, but the model has {size}")
        return vocabulary

    def characters(self) -> CharacterUnigram:
        """Character counts of the training text."""
        path = self.folder / "characters.tsv"
        return CharacterUnigram.from_tsv_content(self.read(path.name, LARGEST_CHARACTERS_BYTES), path)

    def weights(self, most_numbers: int | None = None) -> dict[str, NDArray[Any]]:
        """Every weight by name.

        Args:
            most_numbers: how many numbers the model has; a larger file is refused before it is read. None: those
                that the record states.

        Raises:
            DataError: the file is damaged, or holds what is not a number.
        """
        import safetensors
        import safetensors.numpy

        if most_numbers is None:
            most_numbers = self.parameters()
        content = self.read(WEIGHTS_FILE, 4 * most_numbers + LARGEST_SAFETENSORS_HEADER_BYTES)
        try:
            weights = safetensors.numpy.load(content)
        except (safetensors.SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{self.weights_path}: {shortened(str(error))}") from error
        for name, weight in sorted(weights.items()):
            if not _all_finite(weight):
                raise DataError(
                    f"{self.weights_path}: damaged; weight {shortened(name)} has values that are no finite numbers"
                )
        return weights

    def parameters(self) -> int:
        """How many numbers it answers from: weights, or probabilities and back-offs of n-grams."""
        if self.record.training is not None and not isinstance(self.record.sizes, MixtureSizes):
            return self.record.training.parameters
        if isinstance(self.record.sizes, NgramSizes):
            return sum(self.record.sizes.ngrams) + sum(self.record.sizes.ngrams[:-1])
        return sum(member.parameters() for member in self.members())

    def recipe_files(self) -> dict[str, bytes]:
        """The dictionaries of the text recipe: name -> content."""
        names = (USER_DICTIONARY_FILE, STOP_WORDS_FILE)
        return {name: self.read(name, LARGEST_DICTIONARY_BYTES) for name in names if name in self.record.files}

    def kept_text(self) -> Path | None:
        """The file of the validation text that was kept, found sound; None if there is none."""
        if KEPT_TEXT not in self.record.files:
            return None
        self.read(KEPT_TEXT)
        return self.folder / KEPT_TEXT

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json: what `Metrics` describes, each figure of its type and in its range.

        Raises:
            DataError: damaged, or a figure is not what it should be.
        """
        content, where = self.read("metrics.json"), str(self.folder / "metrics.json")
        decode_record(content, Metrics, where)
        return decode_record(content, dict[str, Any], where)

    def history(self) -> list[dict[str, Any]]:
        """The lines of history.jsonl, which a network has.

        Raises:
            DataError: damaged, or a line is not what `HistoryLine` describes.
        """
        if "history.jsonl" not in self.record.files:
            return []
        lines = self.read("history.jsonl", LARGEST_HISTORY_BYTES).splitlines()
        where = str(self.folder / "history.jsonl")
        for number, line in enumerate(lines, start=1):
            decode_record(line, HistoryLine, f"{where}: line {number}")
        return [decode_record(line, dict[str, Any], where) for line in lines]

    def members(self) -> list[Bundle]:
        """The bundles that a mixture is made of, in the order of their weights.

        Raises:
            DataError: one is missing or damaged, or has another vocabulary than the mixture.
        """
        opened = []
        names = member_names(self.record.sizes)
        if names and self._depth == DEEPEST_NESTING:
            raise DataError(f"{self.folder}: mixtures are nested more than {DEEPEST_NESTING} deep")
        for name in names:
            self.read(f"{name}/{MODEL_FILE}")
            member = open_bundle(self.folder / name, self._depth + 1)
            # As a file of this one: missing, it is refused here.
            own, others = self._named("vocabulary.tsv")[1], member.record.files.get("vocabulary.tsv")
            if others != own and member.vocabulary().words != self.vocabulary().words:
                raise DataError(f"{member.folder}: has another vocabulary than the mixture that it is in")
            opened.append(member)
        return opened

    def read(self, name: str, most_bytes: int = LARGEST_RECORD_BYTES) -> bytes:
        """The content of one file, checked against its size and, unless it is large, its hash.

        Args:
            name: of the file.
            most_bytes: a larger one is refused before it is read.

        Raises:
            DataError: missing, damaged, larger than it may be, or a symbolic link.
        """
        path, expected = self._named(name)
        with open_regular(path) as file:
            size = path.stat().st_size
            if size != expected.bytes:
                raise DataError(f"{path}: damaged; {size} bytes, expected {expected.bytes}")
            if size > most_bytes:
                raise DataError(f"{path}: {size:,} bytes, but the sizes in {MODEL_FILE} allow {most_bytes:,}")
            content = file.read()
        if len(content) != expected.bytes:
            raise DataError(f"{path}: damaged; {len(content)} bytes, expected {expected.bytes}")
        check = len(content) <= HASHED_AT_LOAD_BYTES
        if check and hashlib.sha256(content).hexdigest() != expected.sha256:
            raise _damaged(path)
        return content

    def check(self, name: str, *, always_hash: bool = False) -> Path:
        """The path of a file that has been found sound, as `read` finds it, but without its content in memory.

        Raises:
            DataError: missing, damaged, or a symbolic link.
        """
        path, expected = self._named(name)
        size = path.stat().st_size
        if size != expected.bytes:
            raise DataError(f"{path}: damaged; {size} bytes, expected {expected.bytes}")
        if (always_hash or size <= HASHED_AT_LOAD_BYTES) and files.sha256_of(path) != expected.sha256:
            raise _damaged(path)
        return path

    def _check_lines(self, name: str) -> None:
        """See that a large file has lines at all, before all of it is read: it may be one hole."""
        path, expected = self._named(name)
        if expected.bytes <= CHECKED_AT_ONCE_BYTES:
            return
        with open_regular(path) as file:
            while piece := file.read(CHECKED_AT_ONCE_BYTES):
                if b"\n" not in piece:
                    raise DataError(f"{path}: damaged; it has a line of more than {len(piece):,} bytes")

    def _named(self, name: str) -> tuple[Path, FileRecord]:
        """Where a file of this bundle is, and what it was when it was written."""
        path = self.folder / name
        if name not in self.record.files:
            raise DataError(f"{self.folder / MODEL_FILE}: names no {name}")
        within = [path, *list(path.parents)[: name.count("/")]]
        if any(part.is_symlink() for part in within) or not path.is_file():
            raise DataError(f"{path}: expected a file of this bundle; it is missing or a link")
        return path, self.record.files[name]


def write_bundle(
    folder: Path, record: ModelRecord, contents: Mapping[str, bytes], there: Sequence[str] = ()
) -> None:
    """Write a bundle into `folder`, which has nothing in it but what is named.

    Args:
        folder: where no reader looks yet; publishing renames it to its place.
        record: model.json; the hashes of the files and its own are filled in here.
        contents: every other file: name -> content.
        there: names of files that have been written already, being too large to be held in memory; and of the
            model.json of each member of a mixture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        files.write_bytes(folder / name, content)
    written = {
        name: FileRecord(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
    written |= {
        name: FileRecord(bytes=(folder / name).stat().st_size, sha256=files.sha256_of(folder / name))
        for name in there
    }
    _write_record(folder, msgspec.structs.replace(record, files=dict(sorted(written.items()))))


def amend_bundle(bundle: Bundle, contents: Mapping[str, bytes] | None = None, **changes: Any) -> Bundle:
    """Write some files of a bundle that no reader looks at yet again, and model.json.

    Args:
        bundle: which.
        contents: other content of some of its files.
        changes: other values of fields of its record.
    """
    record = bundle.record
    for name, content in (contents or {}).items():
        files.write_bytes(bundle.folder / name, content)
        written = FileRecord(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        record = msgspec.structs.replace(record, files=record.files | {name: written})
    _write_record(bundle.folder, msgspec.structs.replace(record, **changes))
    return open_bundle(bundle.folder)


def _write_record(folder: Path, record: ModelRecord) -> None:
    own_hash = _own_hash(msgspec.json.decode(msgspec.json.encode(record), type=dict[str, Any]))
    record = msgspec.structs.replace(record, sha256=own_hash)
    content = msgspec.json.format(msgspec.json.encode(record)) + b"\n"
    if len(content) > LARGEST_RECORD_BYTES:
        inputs = len(record.corpus.sources) if record.corpus else 0
        raise DataError(
            f"{inputs:,} inputs are too many to be named in {MODEL_FILE} ({len(content):,} bytes; "
            f"{LARGEST_RECORD_BYTES:,} at most); join the texts into fewer files"
        )
    files.write_bytes(folder / MODEL_FILE, content)


def member_names(sizes: Sizes) -> list[str]:
    """The folders of a mixture's members, within its own; none for other families."""
    members = len(sizes.weights) if isinstance(sizes, MixtureSizes) else 0
    return [f"{MEMBERS}/{number}" for number in range(members)]


def open_bundle(folder: Path, depth: int = 0) -> Bundle:
    """Open a bundle folder; model.json is checked here, every other file when it is read.

    Args:
        folder: of the bundle.
        depth: in how many mixtures it is.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: model.json is damaged, or of a format that this lmctl does not read.
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
        raise DataError(
            f"{path}: bundle format {version}, but this lmctl {__version__} reads format {FORMAT_VERSION}; "
            f"{'upgrade lmctl' if version > FORMAT_VERSION else 'train the model again'}"
        )
    family = decode_record(content, _OfFamily, str(path)).sizes.get("family")
    if isinstance(family, str) and family not in FAMILIES:
        raise DataError(
            f"{path}: family {shortened(family, 40)!r} is not one that this lmctl knows: {', '.join(FAMILIES)}"
        )
    record = decode_record(content, ModelRecord, str(path))
    if record.sha256 != _own_hash(decode_record(content, dict[str, Any], str(path))):
        raise DataError(f"{path}: damaged; its content does not have the hash it states")
    return Bundle(folder, record, depth)


def has_record(folder: Path) -> bool:
    """Whether a folder has a model.json that lmctl wrote, of whatever version; other programs write others."""
    try:
        decode_record(read_regular(folder / MODEL_FILE), _Versioned, MODEL_FILE)
    except (DataError, FileNotFoundError, NotADirectoryError):
        return False
    return True


def check_bundle(folder: Path) -> Bundle:
    """Open a bundle and check every file that it names as loading does: sizes always, hashes unless one is large.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: what does not fit, by name.
    """
    bundle = open_bundle(folder)
    _check_files(bundle)
    return bundle


def _check_files(bundle: Bundle) -> None:
    for name in bundle.record.files:
        bundle.check(name)
    for member in bundle.members():
        _check_files(member)


def verify_bundle(folder: Path) -> Bundle:
    """Open a bundle and check every file in it, whatever its size; files it does not name are refused.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: what does not fit, by name.
    """
    bundle = open_bundle(folder)
    known = {MODEL_FILE, *bundle.record.files}
    members = member_names(bundle.record.sizes)
    there = {path.name for path in folder.iterdir()} - ({MEMBERS} if members else set())
    if members and (folder / MEMBERS).is_dir():
        there |= {f"{MEMBERS}/{path.name}" for path in (folder / MEMBERS).iterdir()} - set(members)
    if strangers := there - known:
        raise DataError(f"{folder / min(strangers)}: not a file of this bundle")
    for name in bundle.record.files:
        bundle.check(name, always_hash=True)
    for member in bundle.members():
        verify_bundle(member.folder)
    bundle.vocabulary()
    bundle.characters()
    bundle.metrics()
    bundle.history()
    try:
        config_from_yaml(bundle.read("config.yaml").decode(), str(folder / "config.yaml"))
    except (UsageError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / 'config.yaml'}: {error}") from error
    return bundle


def strangers_in(folder: Path) -> list[str]:
    """The files in a bundle's folder that are not of it, by their paths within it.

    All of them if it is no bundle; none if its record is damaged, and cannot say.
    """
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    if not has_record(folder):
        return sorted(there)
    try:
        bundle = open_bundle(folder)
        for path, each in [("", bundle), *zip(member_names(bundle.record.sizes), bundle.members(), strict=True)]:
            there -= {str(Path(path, name)) for name in (MODEL_FILE, *each.record.files)}
    except DataError:
        return []
    return sorted(there)


def weights_file(weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    """The content of weights.safetensors."""
    import safetensors.numpy

    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in weights.items()})


class _OfFamily(msgspec.Struct):
    """Only the family, so that one that is not known is named as such."""

    sizes: dict[str, Any]


class _Versioned(msgspec.Struct):
    """Only the version, so that a newer format is named as such before its other keys are refused."""

    format_version: int


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: damaged; its content does not have the hash in {MODEL_FILE}")


def _own_hash(document: dict[str, Any]) -> str:
    """SHA-256 of model.json without the hash it states: of what stands there, not of what is made of it."""
    without = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(msgspec.json.encode(without)).hexdigest()


def _all_finite(values: NDArray[Any]) -> bool:
    """Whether no value is NaN or infinite."""
    # One pass and no second array, for every query waits: what is not finite stays so in a sum. A sum of finite
    # values may overflow, too, and is looked at more closely then.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
