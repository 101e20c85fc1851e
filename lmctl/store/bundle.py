"""A bundle: the files of one generation, in one folder. They hold data alone, no code that loading would run.

model.json            format version, family and sizes, text recipe, corpus and training summary, SHA-256 of
                      every other file and of itself
vocabulary.tsv        word TAB count; line n is id n
characters.tsv        character counts, for the spelling of out-of-vocabulary words
weights.safetensors   of a network
moments.safetensors   of a network: what a warm start needs of the optimizer; no query reads it
ngrams.*.npy          of an n-gram model; see families/ngram/tables.py
members/0 1 ...       of a mixture: whole bundles
config.yaml           the resolved configuration
metrics.json          the figures of the validation text
history.jsonl         of a network: one line an epoch
user_dictionary.txt, stop_words.txt, subwords.model   if the text recipe has them
valid.txt             the validation text, or a megabyte of it, on which the next model is compared
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import families, files
from lmctl.corpus.characters import LARGEST_CHARACTERS_BYTES, CharacterUnigram
from lmctl.corpus.recipe import LARGEST_DICTIONARY_BYTES, RECIPE_FILES
from lmctl.corpus.stored_vocabulary import open_vocabulary
from lmctl.corpus.vocabulary import LONGEST_LINE_BYTES
from lmctl.errors import DataError
from lmctl.records import LARGEST_RECORD_BYTES, decode_record, open_regular, shortened
from lmctl.store.layout import (
    CHARACTERS,
    CONFIG,
    HISTORY,
    KEPT_TEXT,
    METRICS,
    MODEL_FILE,
    MOMENTS,
    VOCABULARY,
    WEIGHTS,
)
from lmctl.store.model_record import read_record
from lmctl.store.moments import check_moments
from lmctl.store.tensors import tensors_in

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.config import Config
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.store.model_record import FileRecord, ModelRecord

# Larger files are hashed when they are published and by `lmctl verify`, not at every load.
HASHED_AT_LOAD_BYTES = 256 * 1000 * 1000

# The largest size of files whose size does not follow from the sizes of the model.
LARGEST_HISTORY_BYTES = 64 << 20
# The header holds the names, shapes and offsets of the tensors.
LARGEST_SAFETENSORS_HEADER_BYTES = 1 << 20
# No line of a vocabulary is longer.
CHECKED_AT_ONCE_BYTES = 8 << 20
# Mixtures may contain mixtures, up to this depth.
DEEPEST_NESTING = 8


class Bundle:
    """An opened bundle. Its record has been checked; its other files are read and checked on demand.

    Args:
        folder: of the bundle.
        record: its model.json.
        depth: number of mixtures around it, 0 for a bundle of its own.
    """

    def __init__(self, folder: Path, record: ModelRecord[Any], depth: int = 0) -> None:
        self.folder = folder
        self.record = record
        self.weights_path = folder / WEIGHTS
        self._depth = depth

    @property
    def sizes(self) -> Any:
        """The dimensions of the model, a struct of its family."""
        return self.record.sizes

    @property
    def family(self) -> str:
        """The name of its family."""
        return self.record.family

    @property
    def vocabulary_sha256(self) -> str:
        """The SHA-256 of the file of the vocabulary."""
        return self.record.files[VOCABULARY].sha256

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary: words and ids.

        Raises:
            DataError: the file is damaged, or its size is not the vocabulary size of the model.
        """
        path, size = self.folder / VOCABULARY, self.record.sizes.vocabulary_size
        self._check_lines(path.name)
        content = self.read(path.name, size * LONGEST_LINE_BYTES)
        vocabulary = open_vocabulary(content, path)
        if len(vocabulary) != size:
            raise DataError(f"{path}: {len(vocabulary)} words, but the model has {size}")
        return vocabulary

    def characters(self) -> CharacterUnigram:
        """Return the character counts of the training text."""
        path = self.folder / CHARACTERS
        return CharacterUnigram.from_tsv_content(self.read(path.name, LARGEST_CHARACTERS_BYTES), path)

    def weights(self, most_numbers: int | None = None) -> dict[str, NDArray[Any]]:
        """Return every weight by name; the arrays cannot be written to.

        Args:
            most_numbers: number of weights of the model. A larger file is refused before it is read. None: the
                number that follows from the record.

        Raises:
            DataError: the file is damaged, or a weight is NaN or infinite.
        """
        if most_numbers is None:
            most_numbers = self.parameters()
        content = self.read(WEIGHTS, 4 * most_numbers + LARGEST_SAFETENSORS_HEADER_BYTES)
        weights = tensors_in(content, str(self.weights_path))
        for name, weight in sorted(weights.items()):
            if not _all_finite(weight):
                raise DataError(
                    f"{self.weights_path}: damaged; weight {shortened(name)} has values that are NaN or infinite"
                )
        return weights

    def moments(self) -> dict[str, NDArray[Any]] | None:
        """Return the second moments of the optimizer (`training.moments`); None: the bundle has none.

        Raises:
            DataError: the file is damaged, or does not fit the weights (`store.moments`).
        """
        if MOMENTS not in self.record.files:
            return None
        path = self.folder / MOMENTS
        # A matrix has a number for each row and each column, so at most two for each weight.
        content = self.read(MOMENTS, 8 * self.parameters() + LARGEST_SAFETENSORS_HEADER_BYTES)
        moments = tensors_in(content, str(path))
        shapes = {name: weight.shape for name, weight in self.weights().items()}
        check_moments(moments, shapes, families.find(self.family).fixed_weights, str(path))
        return moments

    def parameters(self) -> int:
        """Return the number of parameters, as its family counts them; for a mixture, the sum over its members."""
        own = families.find(self.family).count_parameters(self.sizes)
        return sum(member.parameters() for member in self.members()) if own is None else own

    def size_bytes(self) -> int:
        """Return the bytes of all files that model.json lists, and of those of the members."""
        own = sum(file.bytes for file in self.record.files.values())
        return own + sum(member.size_bytes() for member in self.members())

    def config(self) -> Config:
        """Return the resolved configuration that the model was trained with.

        Raises:
            UsageError: another version of lmctl wrote it, with other keys.
            DataError: the file is damaged.
        """
        # Imported here, as in `metrics` and `history`: a query needs neither.
        from lmctl.config import config_from_yaml

        path = self.folder / CONFIG
        try:
            content = self.read(CONFIG).decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: {error}") from error
        return config_from_yaml(content, str(path))

    def recipe_files(self) -> dict[str, bytes]:
        """Return the files of the text recipe: name -> content."""
        return {
            name: self.read(name, LARGEST_DICTIONARY_BYTES) for name in RECIPE_FILES if name in self.record.files
        }

    def kept_text(self) -> Path | None:
        """Return the path of the kept validation text, after checking it; None if there is none."""
        if KEPT_TEXT not in self.record.files:
            return None
        self.read(KEPT_TEXT)
        return self.folder / KEPT_TEXT

    def metrics(self) -> dict[str, Any]:
        """Return the content of metrics.json, checked against `Metrics`.

        Raises:
            DataError: the file is damaged, or a figure has the wrong type or is out of range.
        """
        from lmctl.store.figures import Metrics

        content, where = self.read(METRICS), str(self.folder / METRICS)
        decode_record(content, Metrics, where)
        return decode_record(content, dict[str, Any], where)

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of history.jsonl; an empty list if the model has none.

        Raises:
            DataError: the file is damaged, or a line does not match `HistoryLine`.
        """
        from lmctl.store.figures import HistoryLine

        if HISTORY not in self.record.files:
            return []
        lines = self.read(HISTORY, LARGEST_HISTORY_BYTES).splitlines()
        where = str(self.folder / HISTORY)
        for number, line in enumerate(lines, start=1):
            decode_record(line, HistoryLine, f"{where}: line {number}")
        return [decode_record(line, dict[str, Any], where) for line in lines]

    def members(self) -> list[Bundle]:
        """Open the members of a mixture, in the order of their numbers; an empty list for other families.

        Raises:
            DataError: a member is missing or damaged, or has words that the mixture does not have.
        """
        opened = []
        names = self.record.member_names
        if names and self._depth == DEEPEST_NESTING:
            raise DataError(f"{self.folder}: mixtures are nested more than {DEEPEST_NESTING} deep")
        for name in names:
            self.read(f"{name}/{MODEL_FILE}")
            member = open_bundle(self.folder / name, self._depth + 1)
            # _named refuses a vocabulary that is missing.
            own, others = self._named(VOCABULARY)[1], member.record.files.get(VOCABULARY)
            if others != own and not set(member.vocabulary().words) <= set(self.vocabulary().words):
                raise DataError(f"{member.folder}: has words that the mixture that it is in does not have")
            opened.append(member)
        return opened

    def read(self, name: str, most_bytes: int = LARGEST_RECORD_BYTES) -> bytes:
        """Return the content of one file, after checking its size and, unless it is large, its hash.

        Args:
            name: of the file.
            most_bytes: largest size; a larger file is refused before it is read.

        Raises:
            DataError: the file is missing, damaged, too large, or a symbolic link.
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
        """Check one file as `read` does, without holding its content in memory, and return its path.

        Args:
            name: of the file.
            always_hash: whether to compare the hash of a large file too.

        Raises:
            DataError: the file is missing, damaged, or a symbolic link.
        """
        path, expected = self._named(name)
        size = path.stat().st_size
        if size != expected.bytes:
            raise DataError(f"{path}: damaged; {size} bytes, expected {expected.bytes}")
        if (always_hash or size <= HASHED_AT_LOAD_BYTES) and files.sha256_of(path) != expected.sha256:
            raise _damaged(path)
        return path

    def _check_lines(self, name: str) -> None:
        """Refuse a large file with a very long line before all of it is read: a sparse file has no line end."""
        path, expected = self._named(name)
        if expected.bytes <= CHECKED_AT_ONCE_BYTES:
            return
        with open_regular(path) as file:
            while piece := file.read(CHECKED_AT_ONCE_BYTES):
                if b"\n" not in piece:
                    raise DataError(f"{path}: damaged; it has a line of more than {len(piece):,} bytes")

    def _named(self, name: str) -> tuple[Path, FileRecord]:
        """Return the path of a file of this bundle, and its record."""
        path = self.folder / name
        if name not in self.record.files:
            raise DataError(f"{self.folder / MODEL_FILE}: damaged; it does not list {name}")
        within = [path, *list(path.parents)[: name.count("/")]]
        if any(part.is_symlink() for part in within) or not path.is_file():
            raise DataError(f"{path}: expected a file of this bundle; it is missing or a link")
        return path, self.record.files[name]


def open_bundle(folder: Path, depth: int = 0) -> Bundle:
    """Open a bundle folder; model.json is checked here, every other file when it is read.

    Args:
        folder: of the bundle.
        depth: number of mixtures around it.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: model.json is damaged, or of a format that this lmctl does not read.
    """
    return Bundle(folder, read_record(folder), depth)


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: damaged; its content does not have the hash in {MODEL_FILE}")


def _all_finite(values: NDArray[Any]) -> bool:
    """Whether no value is NaN or infinite."""
    # Every query waits for this check. The sum takes one pass and no second array, and is not finite if a value is
    # not finite. A sum of finite values may also overflow, so the values are then checked one by one.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
