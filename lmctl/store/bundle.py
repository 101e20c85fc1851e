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
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl import files
from lmctl.config import config_from_yaml
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.prepared import SourceRecord, SplitCounts
from lmctl.corpus.recipe import STOP_WORDS_FILE, USER_DICTIONARY_FILE, TextRecipe
from lmctl.corpus.vocabulary import Vocabulary
from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.store.ngram_tables import NgramSizes
from lmctl.store.sizes import LSTMSizes, MixtureSizes
from lmctl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
MEMBERS = "members"
FAMILIES = ("lstm", "ngram", "mixture")
FORMAT_VERSION = 3

# Larger files are hashed when they are published and by `lmctl verify`, not at every load.
HASHED_AT_LOAD_BYTES = 256 * 1000 * 1000


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

    preset: str
    seed: int
    epochs: int
    best_epoch: int
    steps: int
    planned_steps: int | None
    tokens: int
    parameters: int
    device: str


class CacheParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a cache is mixed into a model; see runtime/cache.py.

    Attributes:
        weight: the share of the cache's probabilities, from 0 to less than 1.
        theta: how much more an apt memory counts than another; above 0.
    """

    weight: float
    theta: float

    def __post_init__(self) -> None:
        """Refuse a share that leaves the model none, and a theta that is not a number above 0."""
        if not 0.0 <= self.weight < 1.0 or not 0.0 < self.theta < math.inf:
            raise ValueError(f"cache weight {self.weight} or theta {self.theta} is out of range")


class FileRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the bundle as it was written."""

    bytes: int
    sha256: str


Sizes = LSTMSizes | NgramSizes | MixtureSizes


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of model.json; versions and hashes are filled in when a bundle is written.

    Attributes:
        sizes: of the model's family, which they name.
        corpus: what it was estimated from; None for a mixture of models of several corpora.
        training: of a network; None for other families.
        cache: what was tuned for `--cache`; None where there was no text to tune it on.
        files: all that the bundle has beside model.json, the files of a mixture's members included.
    """

    format_version: int = FORMAT_VERSION
    lmctl_version: str = __version__
    sizes: Sizes
    recipe: TextRecipe
    corpus: CorpusSummary | None
    training: TrainingSummary | None
    cache: CacheParameters | None = None
    files: dict[str, FileRecord] = {}
    sha256: str = ""

    @property
    def family(self) -> str:
        """Its family: lstm, ngram or mixture."""
        return str(type(self.sizes).__struct_config__.tag)


class Bundle:
    """A bundle that has been opened: its record is checked, its other files are read when asked for."""

    def __init__(self, folder: Path, record: ModelRecord) -> None:
        self.folder = folder
        self.record = record
        self.weights_path = folder / WEIGHTS_FILE

    def vocabulary(self) -> Vocabulary:
        """Words and ids.

        Raises:
            DataError: damaged, or not as large as the model.
        """
        self.read("vocabulary.tsv")
        vocabulary = Vocabulary.from_tsv(self.folder / "vocabulary.tsv")
        if len(vocabulary) != self.record.sizes.vocabulary_size:
            raise DataError(
                f"{self.folder / 'vocabulary.tsv'}: {len(vocabulary)} words, "
                f"but the model has {self.record.sizes.vocabulary_size}"
            )
        return vocabulary

    def characters(self) -> CharacterUnigram:
        """Character counts of the training text."""
        self.read("characters.tsv")
        return CharacterUnigram.from_tsv(self.folder / "characters.tsv")

    def weights(self) -> dict[str, NDArray[Any]]:
        """Every weight by name.

        Raises:
            DataError: the file is damaged.
        """
        import safetensors
        import safetensors.numpy

        content = self.read(WEIGHTS_FILE)
        try:
            return safetensors.numpy.load(content)
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise DataError(f"{self.weights_path}: {error}") from error

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
        return {name: self.read(name) for name in names if name in self.record.files}

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return self._json("metrics.json", self.read("metrics.json"))

    def history(self) -> list[dict[str, Any]]:
        """The lines of history.jsonl, which a network has."""
        if "history.jsonl" not in self.record.files:
            return []
        return [self._json("history.jsonl", line) for line in self.read("history.jsonl").splitlines()]

    def members(self) -> list[Bundle]:
        """The bundles that a mixture is made of, in the order of their weights.

        Raises:
            DataError: one is missing or damaged, or has another vocabulary than the mixture.
        """
        opened = []
        for name in member_names(self.record.sizes):
            self.read(f"{name}/{MODEL_FILE}")
            member = open_bundle(self.folder / name)
            same_file = member.record.files.get("vocabulary.tsv") == self.record.files["vocabulary.tsv"]
            if not same_file and member.vocabulary().words != self.vocabulary().words:
                raise DataError(f"{member.folder}: has another vocabulary than the mixture that it is in")
            opened.append(member)
        return opened

    def read(self, name: str) -> bytes:
        """The content of one file, checked against its size and, unless it is large, its hash.

        Raises:
            DataError: missing, damaged, or a symbolic link.
        """
        path, expected = self._named(name)
        content = path.read_bytes()
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

    def _named(self, name: str) -> tuple[Path, FileRecord]:
        """Where a file of this bundle is, and what it was when it was written."""
        path = self.folder / name
        if name not in self.record.files:
            raise DataError(f"{self.folder / MODEL_FILE}: names no {name}")
        within = [path, *list(path.parents)[: name.count("/")]]
        if any(part.is_symlink() for part in within) or not path.is_file():
            raise DataError(f"{path}: expected a file of this bundle; it is missing or a link")
        return path, self.record.files[name]

    def _json(self, name: str, content: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{self.folder / name}: {error}") from error


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
    record = msgspec.structs.replace(record, sha256=_own_hash(msgspec.json.encode(record)))
    files.write_bytes(folder / MODEL_FILE, msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def member_names(sizes: Sizes) -> list[str]:
    """The folders of a mixture's members, within its own; none for other families."""
    members = len(sizes.weights) if isinstance(sizes, MixtureSizes) else 0
    return [f"{MEMBERS}/{number}" for number in range(members)]


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle folder; model.json is checked here, every other file when it is read.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: model.json is damaged, or of a format that this lmctl does not read.
    """
    path = folder / MODEL_FILE
    # Looked at first: what a link leads to may have no end.
    if path.is_symlink():
        raise DataError(f"{path}: expected a file of this bundle; it is a link")
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputMissingError(f"{folder}: not a model; it has no {MODEL_FILE} and no generations") from error
    try:
        version = msgspec.json.decode(content, type=_Versioned).format_version
        if version != FORMAT_VERSION:
            raise DataError(
                f"{path}: bundle format {version}, but this lmctl {__version__} reads format {FORMAT_VERSION}; "
                f"{'upgrade lmctl' if version > FORMAT_VERSION else 'train the model again'}"
            )
        family = msgspec.json.decode(content, type=_OfFamily).sizes.get("family")
        if isinstance(family, str) and family not in FAMILIES:
            raise DataError(f"{path}: family {family!r} is not one that this lmctl knows: {', '.join(FAMILIES)}")
        record = msgspec.json.decode(content, type=ModelRecord)
        own_hash = _own_hash(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: damaged; {error}") from error
    if record.sha256 != own_hash:
        raise DataError(f"{path}: damaged; its content does not have the hash it states")
    return Bundle(folder, record)


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


def _own_hash(content: bytes) -> str:
    """SHA-256 of model.json without the hash it states: of what stands there, not of what is made of it."""
    document = msgspec.json.decode(content, type=dict[str, Any])
    document.pop("sha256", None)
    return hashlib.sha256(msgspec.json.encode(document)).hexdigest()
