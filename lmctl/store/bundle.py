"""A bundle: everything that answers queries, in one folder, and nothing that can run code.

model.json            format version, family and sizes, text recipe, corpus and training summary, SHA-256 of
                      every other file and of itself
vocabulary.tsv        word TAB count; line n is id n
characters.tsv        character counts, for the spelling of out-of-vocabulary words
weights.safetensors
config.yaml           the resolved configuration
metrics.json          the figures of the validation text
history.jsonl         one line an epoch
user_dictionary.txt, stop_words.txt   where the text recipe has them
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl import files
from lmctl.config import config_from_yaml
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.clusters import Cluster, choose_clusters, one_cluster
from lmctl.corpus.prepared import SourceRecord, SplitCounts
from lmctl.corpus.recipe import STOP_WORDS_FILE, USER_DICTIONARY_FILE, TextRecipe
from lmctl.corpus.vocabulary import Vocabulary
from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.config import ModelConfig

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
FORMAT_VERSION = 2

# Larger files are hashed when they are published and by `lmctl verify`, not at every load.
HASHED_AT_LOAD_BYTES = 256 * 1000 * 1000

# `model.softmax: auto` is adaptive for vocabularies of this many words and more: below, a full softmax takes fewer
# multiplications than the recurrence of the preset medium.
ADAPTIVE_FROM = 5000


class LSTMSizes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dimensions of an LSTM language model.

    Attributes:
        clusters: those of the output's word vectors, and of the input's where the two are tied; one is a full
            softmax, more are an adaptive one.
    """

    vocabulary_size: int
    embedding_dim: int
    hidden_units: int
    layers: int
    tied: bool
    clusters: list[Cluster]

    def __post_init__(self) -> None:
        """Refuse clusters that are not those of this vocabulary and these dimensions."""
        words = [cluster.words for cluster in self.clusters]
        width = self.embedding_dim if self.tied else self.hidden_units
        fits = sum(words) == self.vocabulary_size and min(words, default=0) > 0
        if not fits or self.clusters[0].width != width or min(cluster.width for cluster in self.clusters) < 1:
            raise ValueError(f"clusters do not fit a vocabulary of {self.vocabulary_size} and vectors of {width}")

    @property
    def input_clusters(self) -> list[Cluster]:
        """The clusters of the input's word vectors."""
        return self.clusters if self.tied else one_cluster(self.vocabulary_size, self.embedding_dim)

    @classmethod
    def of(cls, vocabulary: Vocabulary, model: ModelConfig) -> LSTMSizes:
        """The sizes that a configuration asks for, with this vocabulary."""
        size, dim = len(vocabulary), model.embedding_dim if model.tied else model.hidden_units
        adaptive = model.softmax == "adaptive" or (model.softmax == "auto" and size >= ADAPTIVE_FROM)
        return cls(
            vocabulary_size=size,
            embedding_dim=model.embedding_dim,
            hidden_units=model.hidden_units,
            layers=model.layers,
            tied=model.tied,
            clusters=choose_clusters(vocabulary.counts, dim) if adaptive else one_cluster(size, dim),
        )


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


class FileRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the bundle as it was written."""

    bytes: int
    sha256: str


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of model.json; versions and hashes are filled in when a bundle is written."""

    format_version: int = FORMAT_VERSION
    lmctl_version: str = __version__
    family: str
    sizes: LSTMSizes
    recipe: TextRecipe
    corpus: CorpusSummary
    training: TrainingSummary
    files: dict[str, FileRecord] = {}
    sha256: str = ""


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

    def recipe_files(self) -> dict[str, bytes]:
        """The dictionaries of the text recipe: name -> content."""
        names = (USER_DICTIONARY_FILE, STOP_WORDS_FILE)
        return {name: self.read(name) for name in names if name in self.record.files}

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return self._json("metrics.json", self.read("metrics.json"))

    def history(self) -> list[dict[str, Any]]:
        """The lines of history.jsonl."""
        return [self._json("history.jsonl", line) for line in self.read("history.jsonl").splitlines()]

    def read(self, name: str, *, always_hash: bool = False) -> bytes:
        """The content of one file, checked against its size and, unless it is large, its hash.

        Raises:
            DataError: missing, damaged, or a symbolic link.
        """
        path = self.folder / name
        if name not in self.record.files:
            raise DataError(f"{self.folder / MODEL_FILE}: names no {name}")
        if path.is_symlink() or not path.is_file():
            raise DataError(f"{path}: expected a file of this bundle; it is missing or a link")
        expected = self.record.files[name]
        content = path.read_bytes()
        if len(content) != expected.bytes:
            raise DataError(f"{path}: damaged; {len(content)} bytes, expected {expected.bytes}")
        check = always_hash or len(content) <= HASHED_AT_LOAD_BYTES
        if check and hashlib.sha256(content).hexdigest() != expected.sha256:
            raise DataError(f"{path}: damaged; its content does not have the hash in {MODEL_FILE}")
        return content

    def _json(self, name: str, content: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{self.folder / name}: {error}") from error


def write_bundle(folder: Path, record: ModelRecord, contents: Mapping[str, bytes]) -> None:
    """Write a bundle into `folder`, which must be empty or not there.

    Args:
        folder: where no reader looks yet; publishing renames it to its place.
        record: model.json; the hashes of the files and its own are filled in here.
        contents: every other file: name -> content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        files.write_bytes(folder / name, content)
    record = msgspec.structs.replace(
        record,
        files={
            name: FileRecord(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in sorted(contents.items())
        },
    )
    record = msgspec.structs.replace(record, sha256=_own_hash(msgspec.json.encode(record)))
    files.write_bytes(folder / MODEL_FILE, msgspec.json.format(msgspec.json.encode(record)) + b"\n")


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
    strangers = {path.name for path in folder.iterdir()} - bundle.record.files.keys() - {MODEL_FILE}
    if strangers:
        raise DataError(f"{folder / min(strangers)}: not a file of this bundle")
    for name in bundle.record.files:
        bundle.read(name, always_hash=True)
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


class _Versioned(msgspec.Struct):
    """Only the version, so that a newer format is named as such before its other keys are refused."""

    format_version: int


def _own_hash(content: bytes) -> str:
    """SHA-256 of model.json without the hash it states: of what stands there, not of what is made of it."""
    document = msgspec.json.decode(content, type=dict[str, Any])
    document.pop("sha256", None)
    return hashlib.sha256(msgspec.json.encode(document)).hexdigest()
