"""A prepared corpus on disk: id streams, vocabulary, and a record of the sources and settings they were made from.

    corpus.json                      format version, text recipe, counts per split, sources, names of the files
    vocabulary.<hash>.tsv            word TAB count; line n is id n
    characters.<hash>.tsv            character counts, for the spelling of out-of-vocabulary words
    train.<hash>.npy valid.<hash>.npy   id streams, uint16 or uint32; a sentence ends with </s>
    valid.<hash>.txt                 the validation lines, not normalized

The names of data files contain the hash of their content. So a new corpus replaces the old one at a single moment,
the replacement of corpus.json: before it the old corpus is complete, after it the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import files
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.counts import Count, Name, SourceRecord, SplitCounts
from lmctl.corpus.id_stream import HASH_DIGITS, check_ids, open_id_stream
from lmctl.corpus.recipe import LARGEST_DICTIONARY_BYTES, RECIPE_FILES, TextRecipe
from lmctl.corpus.vocabulary import Vocabulary
from lmctl.errors import DataError, InputMissingError
from lmctl.records import decode_record, is_inside, read_regular, shortened

if TYPE_CHECKING:
    from pathlib import Path

CORPUS_FILE = "corpus.json"
# The key of the file of validation lines in `CorpusRecord.files`.
VALID_TEXT = "valid_text"
FORMAT_VERSION = 4


class NewWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words of the training text that are not in the vocabulary of the old model of a warm start.

    Attributes:
        oov: number of occurrences of such words.
        most_frequent: the most frequent of them, each with its count.
    """

    oov: Count
    most_frequent: list[tuple[str, Count]]


class SharedLines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines of the validation text that are also in the training text.

    Attributes:
        lines: number of these lines, without blank lines.
        words: number of words in them.
    """

    lines: int
    words: int


class CorpusRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of corpus.json.

    Attributes:
        settings: the sections of the configuration that preparation depends on.
        shared: lines that are in both texts; None: there is no separate validation text.
        new_words: words that the old model of a warm start does not have; None: no warm start.
    """

    format_version: int
    lmctl_version: Name
    recipe: TextRecipe
    vocabulary_size: Count
    train: SplitCounts
    valid: SplitCounts
    sources: list[SourceRecord]
    files: dict[str, str]
    settings: dict[str, dict[str, Any]] = {}
    shared: SharedLines | None = None
    new_words: NewWords | None = None


class PreparedCorpus:
    """An open prepared corpus. Its id streams are memory-mapped, so that opening takes little memory.

    Attributes:
        folder: its folder.
        record: the content of corpus.json.
        vocabulary: words and ids.
        characters: the character model for the spelling of out-of-vocabulary words.
        train: token ids of the training text, (tokens,).
        valid: token ids of the validation text, (tokens,); may be empty.
    """

    def __init__(self, folder: Path, record: CorpusRecord) -> None:
        self.folder = folder
        self.record = record
        self.vocabulary = Vocabulary.from_tsv(self._path("vocabulary"))
        self.characters = CharacterUnigram.from_tsv(self._path("characters"))
        self.train = open_id_stream(self._path("train"), record.train.tokens)
        self.valid = open_id_stream(self._path("valid"), record.valid.tokens)
        if len(self.vocabulary) != record.vocabulary_size:
            raise DataError(
                f"{self._path('vocabulary')}: {len(self.vocabulary)} words, "
                f"but {CORPUS_FILE} says {record.vocabulary_size}"
            )

    @classmethod
    def open(cls, folder: Path) -> PreparedCorpus:
        """Open a folder that `lmctl prepare` wrote, and check every file against the hash in its name.

        Raises:
            InputMissingError: there is no prepared corpus there.
            DataError: a file is missing or damaged, or of another format version.
        """
        while True:
            record = read_record(folder)
            try:
                _check_files(folder, record)
                corpus = cls(folder, record)
                for split, stream in (("train", corpus.train), ("valid", corpus.valid)):
                    check_ids(stream, record.vocabulary_size, corpus._path(split))
                return corpus
            except (DataError, OSError):
                # Another corpus may have replaced this one meanwhile, and removed its files.
                if read_record(folder) == record:
                    raise

    def linked(self, folder: Path) -> PreparedCorpus:
        """Return the same corpus by hard links in another folder, which no later preparation removes.

        If links to its files cannot be made, as between two file systems, this corpus is returned.

        Args:
            folder: the other folder; it must not exist yet.
        """
        folder.mkdir()
        try:
            for name in self.record.files.values():
                (folder / name).hardlink_to(self.folder / name)
        except OSError:
            return self
        return PreparedCorpus(folder, self.record)

    @property
    def valid_text(self) -> Path:
        """The file of validation lines, not normalized, in UTF-8."""
        return self._path(VALID_TEXT)

    def recipe_files(self) -> dict[str, bytes]:
        """The files of the text recipe: contents by name."""
        return {
            name: read_regular(self._path(name), LARGEST_DICTIONARY_BYTES)
            for name in RECIPE_FILES
            if name in self.record.files
        }

    def _path(self, name: str) -> Path:
        try:
            return self.folder / self.record.files[name]
        except KeyError:
            raise DataError(f"{self.folder / CORPUS_FILE}: names no {name} file") from None


def read_record(folder: Path) -> CorpusRecord:
    """Read only corpus.json.

    Raises:
        InputMissingError: there is no prepared corpus there.
        DataError: it is damaged, or of another format version.
    """
    path = folder / CORPUS_FILE
    try:
        content = read_regular(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputMissingError(f"{folder}: not a prepared corpus; it has no {CORPUS_FILE}") from error
    version = decode_record(content, _Versioned, str(path)).format_version
    if version != FORMAT_VERSION:
        raise DataError(f"{path}: format version {version}; this lmctl reads {FORMAT_VERSION}: prepare it again")
    return decode_record(content, CorpusRecord, str(path))


def _check_files(folder: Path, record: CorpusRecord) -> None:
    for name in record.files.values():
        data_file = folder / name
        if "/" in name or not is_inside(name) or data_file.is_symlink():
            raise DataError(f"{folder / CORPUS_FILE}: names {shortened(name)!r}; expected a file of its folder")
        if not data_file.is_file():
            raise DataError(f"{data_file}: missing; prepare the corpus again")
        if files.sha256_of(data_file)[:HASH_DIGITS] not in name.split("."):
            raise DataError(f"{data_file}: damaged; its content does not have the hash in its name")


class _Versioned(msgspec.Struct):
    """The format version alone, read first: a newer format gets its own message, not one about unknown keys."""

    format_version: int


def is_prepared(folder: Path) -> bool:
    """Whether `folder` holds a prepared corpus."""
    return (folder / CORPUS_FILE).is_file()
