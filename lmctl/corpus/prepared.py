"""A prepared corpus on disk: id streams, vocabulary, and what they were made from.

    corpus.json                      format version, text recipe, counts per split, sources, names of the files
    vocabulary.<hash>.tsv            word TAB count; line n is id n
    characters.<hash>.tsv            character counts, for the spelling of out-of-vocabulary words
    train.<hash>.npy valid.<hash>.npy   id streams, uint16 or uint32; a sentence ends with </s>
    valid.<hash>.txt                 the lines that validate, as they came

Data files carry their content's hash in their names, so replacing corpus.json is the one moment of change:
before it the old corpus is whole, after it the new one is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from lmctl import files
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.id_stream import HASH_DIGITS, check_ids, open_id_stream
from lmctl.corpus.recipe import LARGEST_DICTIONARY_BYTES, STOP_WORDS_FILE, USER_DICTIONARY_FILE, TextRecipe
from lmctl.corpus.vocabulary import Vocabulary
from lmctl.errors import DataError, InputMissingError
from lmctl.records import decode_record, is_inside, read_regular, shortened

if TYPE_CHECKING:
    from pathlib import Path

CORPUS_FILE = "corpus.json"
# The key of the text of the validation lines among a corpus's files.
VALID_TEXT = "valid_text"
FORMAT_VERSION = 3


# What a record may say, by any program that wrote it: a count of anything, a name or a few words, a hash.
Count = Annotated[int, Meta(ge=0, le=1 << 60)]
Name = Annotated[str, Meta(max_length=20_000)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input as it was read: its size and hash are of the decompressed bytes."""

    name: Name
    split: Name
    bytes: Count
    sha256: Name


class SplitCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a split holds: W words (O of them out of vocabulary), S sentences; W + S tokens in the stream."""

    sentences: Count = 0
    words: Count = 0
    oov: Count = 0
    characters: Count = 0

    def __post_init__(self) -> None:
        """Refuse more out-of-vocabulary words than there are words."""
        if self.oov > self.words:
            raise ValueError(f"{self.oov} of {self.words} words are out of the vocabulary")

    def __add__(self, other: SplitCounts) -> SplitCounts:
        return SplitCounts(
            sentences=self.sentences + other.sentences,
            words=self.words + other.words,
            oov=self.oov + other.oov,
            characters=self.characters + other.characters,
        )

    @property
    def tokens(self) -> int:
        """Length of the id stream: every word, and `</s>` after every sentence."""
        return self.words + self.sentences

    @property
    def oov_rate(self) -> float:
        """Out-of-vocabulary words over all words; 0 if there are none."""
        return self.oov / self.words if self.words else 0.0


class NewWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the training text has that a model of another day does not know.

    Attributes:
        oov: how many of the training words are out of that model's vocabulary.
        most_frequent: the most frequent of those, each with its count.
    """

    oov: Count
    most_frequent: list[tuple[str, Count]]


class SharedLines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the validation text shares with the training text.

    Attributes:
        lines: how many of its lines with words stand in the training text, too.
        words: how many words those have.
    """

    lines: int
    words: int


class CorpusRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of corpus.json.

    Attributes:
        settings: the configuration's sections that preparation followed.
        shared: of a validation text of its own; None where lines of the training text validate, or none do.
        new_words: beside the vocabulary of the model that training starts from; None if there is none.
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
    """A prepared corpus, opened: its streams are memory-mapped, so opening costs no memory."""

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
        """Open a folder that `lmctl prepare` wrote, checking every file against the hash in its name.

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
                # Another corpus may have taken this one's place, and its files be gone, between two looks.
                if read_record(folder) == record:
                    raise

    @property
    def valid_text(self) -> Path:
        """The lines that validate, as they came: UTF-8, one a line."""
        return self._path(VALID_TEXT)

    def recipe_files(self) -> dict[str, bytes]:
        """The dictionaries of the text recipe: name -> content."""
        names = (USER_DICTIONARY_FILE, STOP_WORDS_FILE)
        return {
            name: read_regular(self._path(name), LARGEST_DICTIONARY_BYTES)
            for name in names
            if name in self.record.files
        }

    def _path(self, name: str) -> Path:
        try:
            return self.folder / self.record.files[name]
        except KeyError:
            raise DataError(f"{self.folder / CORPUS_FILE}: names no {name} file") from None


def read_record(folder: Path) -> CorpusRecord:
    """Read corpus.json alone.

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
    """Only the version, so that a newer format is named as such before its other keys are refused."""

    format_version: int


def is_prepared(folder: Path) -> bool:
    """Does `folder` hold a prepared corpus?"""
    return (folder / CORPUS_FILE).is_file()
