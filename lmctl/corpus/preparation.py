"""Preparing a corpus: count words, choose the vocabulary, encode the text.

Each chunk of text is read once. A worker cuts it into tokens, and writes the distinct words of the chunk and its
tokens as chunk-local ids to disk. Then the counts are summed, the vocabulary is chosen, and the local ids are
translated into the id streams. Memory holds a few chunks at a time and a bounded table of counts, however long the
text is. The result depends neither on the number of workers nor on the size of the chunks.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from lmctl import files, progress
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.choosing import VocabularyRules, find_new_words, make_vocabulary
from lmctl.corpus.chunks import SPLITS, ChunkEncoder, EncodedChunk, Split, SplitRules
from lmctl.corpus.counts import SourceRecord, SplitCounts
from lmctl.corpus.holding_out import LONG_LINE_CHARACTERS, PART_CHARACTERS
from lmctl.corpus.id_stream import HASH_DIGITS, IdStreamWriter
from lmctl.corpus.prepared import CORPUS_FILE, FORMAT_VERSION, VALID_TEXT, CorpusRecord, PreparedCorpus
from lmctl.corpus.recipe import TextRecipe, recipe_files
from lmctl.corpus.shared_lines import find_shared_lines, warn_of_shared_lines
from lmctl.corpus.vocabulary import NEVER_WORDS
from lmctl.corpus.word_counts import WordCounts
from lmctl.errors import DataError, UsageError
from lmctl.scratch import Scratch, scratch_folder
from lmctl.scratch import sweep as sweep_unfinished
from lmctl.text.tokenization import tags_matter
from lmctl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lmctl.text.source_chunks import SourceChunk

T = TypeVar("T")
R = TypeVar("R")

# Fewest validation words. A perplexity on fewer words means little, so all lines train instead.
FEWEST_VALID_WORDS = 100
# Fewest expected distinct validation lines. With fewer, chance decides whether there is any.
FEWEST_VALID_LINES = 3
# Names of data files. A file of another name is never removed, even if a damaged record names it.
DATA_FILE = re.compile(
    r"(train|valid|vocabulary|characters|user_dictionary|stop_words|subwords)\.[0-9a-f]{16}\.(npy|tsv|txt|model)"
)
# The start of every corpus.json.
RECORD_START = b'{\n  "format_version": '

logger = logging.getLogger(__name__)


class OrderedMap(Protocol):
    """A function that applies a function to items, and yields the results in order, like the built-in `map`."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Yield the results."""


def prepare_corpus(
    chunks: Iterable[tuple[SourceChunk, Split]],
    folder: Path,
    split_rules: SplitRules,
    vocabulary_rules: VocabularyRules,
    *,
    workers: Callable[[Path], AbstractContextManager[OrderedMap]],
    sources: Callable[[Sequence[int]], Sequence[SourceRecord]],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    training_text: str = "the text",
    validation_text: str = "the validation text",
) -> PreparedCorpus:
    """Make a prepared corpus from chunks of text.

    Args:
        chunks: the text in order, each chunk with its split ("hash": the hash of each line decides).
        folder: the folder of the corpus, made if missing. A previous corpus in it stays complete until the new one
            replaces it.
        split_rules: the rules for tokens and splits.
        vocabulary_rules: the rules for choosing the vocabulary.
        workers: a function that returns a context, which provides the map over chunks, given the scratch folder;
            `contextlib.nullcontext(map)` works in this process. When its block ends, all work must have ended,
            because the scratch folder is removed.
        sources: a function that returns the records of the inputs, given the number of sentences of every chunk
            in its split; called when all chunks have been read.
        settings: the sections of the configuration for corpus.json.
        training_text: name of the training text for messages, such as the paths that the user typed.
        validation_text: name of the validation text for messages.

    Raises:
        DataError: the training text or the validation text has no words, or no word fulfils `vocabulary_rules`.
    """
    files.make_folder(folder)
    replaced = _files_of(folder)
    with files.named_in_errors(folder), scratch_folder(folder) as unfinished:
        # Workers on other hosts have other current folders.
        scratch = unfinished.path.absolute()
        encode = ChunkEncoder(split_rules, scratch)
        with workers(scratch) as ordered_map:
            encoded = list(_in_order(ordered_map(encode, enumerate(chunks))))
        train = sum((chunk.train for chunk in encoded), SplitCounts())
        valid = sum((chunk.valid for chunk in encoded), SplitCounts())
        no_words = "the text has no words"
        if split_rules.tokenizer.stop_words:
            no_words += " beside the stop words"
        if not train.words and not (split_rules.valid_fraction and valid.words):
            raise DataError(f"{training_text}: nothing to train on; {no_words}")
        # If there are too few validation words, the validation lines train, too.
        held_out = _is_worth_holding_out(train, valid, split_rules.valid_fraction, encoded)
        if not held_out:
            train, valid = train + valid, SplitCounts()
        # The lines that are held out of a text are not sentences of its split; those of a validation text are.
        is_cut = held_out and split_rules.valid_fraction
        records = sources([chunk.train.sentences + (0 if is_cut else chunk.valid.sentences) for chunk in encoded])
        if not valid.words and any(record.split == "valid" for record in records):
            raise DataError(f"{validation_text}: nothing to validate on; {no_words}")
        shared = find_shared_lines(encoded) if split_rules.compare_lines else None

        counts = WordCounts(scratch)
        for number, chunk in enumerate(encoded):
            progress.tell("counting words", number, len(encoded))
            counts.add(*chunk.word_counts(["train"] if held_out else SPLITS))
        vocabulary = make_vocabulary(counts, vocabulary_rules, train.sentences)
        known = vocabulary_rules.known
        new_words = None if known is None else find_new_words(counts, known)
        characters = CharacterUnigram.of_words(
            (word, count) for word, count in counts.items() if word not in NEVER_WORDS
        )
        with (
            IdStreamWriter(scratch / "train.npy", len(vocabulary)) as train_ids,
            IdStreamWriter(scratch / "valid.npy", len(vocabulary)) as valid_ids,
        ):
            for number, chunk in enumerate(encoded):
                progress.tell("writing token ids", number, len(encoded))
                token_ids, is_valid = chunk.translate(vocabulary)
                if held_out and is_valid.any():
                    train_ids.append(token_ids[~is_valid])
                    valid_ids.append(token_ids[is_valid])
                else:
                    train_ids.append(token_ids)
            names = {"train": train_ids.commit("train"), "valid": valid_ids.commit("valid")}
        names[VALID_TEXT] = _write_valid_text(encoded if held_out else [], scratch)

        texts = {"vocabulary.tsv": vocabulary.to_tsv().encode(), "characters.tsv": characters.to_tsv().encode()}
        for name, content in (texts | recipe_files(split_rules.tokenizer)).items():
            stem, suffix = name.split(".")
            digest = hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
            key = stem if name in texts else name
            names[key] = f"{stem}.{digest}.{suffix}"
            files.write_bytes(scratch / names[key], content)

        record = CorpusRecord(
            format_version=FORMAT_VERSION,
            lmctl_version=__version__,
            recipe=TextRecipe.of(split_rules.tokenizer, split_rules.blank_lines),
            vocabulary_size=len(vocabulary),
            train=msgspec.structs.replace(train, oov=train_ids.unknown),
            valid=msgspec.structs.replace(valid, oov=valid_ids.unknown),
            sources=list(records),
            files=names,
            settings={section: dict(values) for section, values in (settings or {}).items()},
            shared=shared,
            new_words=new_words,
        )
        content = msgspec.json.format(msgspec.json.encode(record)) + b"\n"
        _put_in_place(unfinished, folder, set(names.values()), replaced, content)
    warn_of_tags(sum(chunk.tagged_lines for chunk in encoded), train.sentences + valid.sentences)
    if shared is not None:
        warn_of_shared_lines(shared, valid)
    # By default, this holds for every text with few distinct words. It is no warning, since cron would mail it.
    if not record.train.oov:
        logger.info(
            "every training word is in the vocabulary, so <unk> was never seen in training and its "
            "probability means little; a smaller vocabulary.size or a vocabulary.min_count of 2 would train it"
        )
    return PreparedCorpus(folder, record)


def warn_of_tags(tagged_lines: int, lines: int) -> None:
    """Log a warning if `<s>` and `</s>` around lines are read as words.

    Args:
        tagged_lines: number of lines with such a tag.
        lines: number of all lines.
    """
    if tags_matter(tagged_lines, lines):
        logger.warning(
            "%d of %d lines stand between <s> and </s>, which are read as unknown words; "
            "--sentence-tags strip (text.sentence_tags) leaves them out",
            tagged_lines,
            lines,
        )


def sweep(folder: Path) -> None:
    """Remove the files that a killed or failed preparation left in a folder.

    The caller holds the lock of the folder.

    Raises:
        UsageError: a file that lmctl did not write has the name of one of its files.
    """
    sweep_unfinished(folder, kept=_files_of(folder))


def _files_of(folder: Path) -> set[str]:
    """The names of the data files that the corpus.json of a folder names; none if it is damaged.

    Raises:
        UsageError: the file corpus.json is not a record of lmctl.
    """
    path = folder / CORPUS_FILE
    if not os.path.lexists(path):
        return set()
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    try:
        names = msgspec.json.decode(content, type=_Named).files.values()
    except (msgspec.DecodeError, UnicodeDecodeError):
        if content.startswith(RECORD_START):
            return set()
        raise UsageError(
            f"{path}: expected the record of a prepared corpus, got another file, which would be replaced; "
            "move it away, or name another folder with -o"
        ) from None
    return {name for name in names if DATA_FILE.fullmatch(name)}


def _put_in_place(unfinished: Scratch, folder: Path, new: set[str], replaced: set[str], record: bytes) -> None:
    """Publish a finished corpus by one rename, and remove the files of the previous one.

    A reader that has the previous files open keeps them. After a kill or an error, the journal names the files
    that no record names.

    Args:
        unfinished: the scratch folder with the new files.
        folder: the folder of the corpus.
        new: names of the data files of the new corpus.
        replaced: names of the data files of the previous corpus.
        record: the content of the new corpus.json.
    """
    unfinished.announce(new | replaced)
    for name in sorted(new):
        (unfinished.path / name).replace(folder / name)
    files.sync_folder(folder)
    files.write_bytes(folder / CORPUS_FILE, record, beside=unfinished.path)
    for name in sorted(replaced - new):
        (folder / name).unlink(missing_ok=True)


def _in_order(chunks: Iterable[EncodedChunk]) -> Iterator[EncodedChunk]:
    """Put the blank lines at the start of each chunk into the split of the last line before them."""
    is_valid = False
    for number, chunk in enumerate(chunks, start=1):
        # The progress counts chunks whose words are cut, since reading is ahead of them.
        progress.tell(f"cutting words, {number:,} {'piece' if number == 1 else 'pieces'} of text done")
        yield chunk.after(is_valid)
        if chunk.ends_valid is not None:
            is_valid = chunk.ends_valid


def _is_worth_holding_out(
    train: SplitCounts, valid: SplitCounts, fraction: float, chunks: Sequence[EncodedChunk]
) -> bool:
    """Whether the validation lines are held out: always lines of a separate text, else if they suffice."""
    if not fraction:
        return bool(valid.words)
    if valid.words >= FEWEST_VALID_WORDS and train.words >= valid.words:
        if cut := sum(chunk.long_lines for chunk in chunks):
            logger.info(
                "%d %s longer than %d characters: parts of about %d characters are held out for validation",
                cut,
                "line is" if cut == 1 else "lines are",
                LONG_LINE_CHARACTERS,
                PART_CHARACTERS,
            )
        return True
    logger.warning(
        "%s: training on all of it, with no early stopping. Name validation text with --valid FILE.",
        _why_not_held_out(train.words + valid.words, valid.words, fraction, chunks),
    )
    return False


def _why_not_held_out(words: int, valid_words: int, fraction: float, chunks: Sequence[EncodedChunk]) -> str:
    """The reason, for a warning, for not holding out lines: too few words would validate, or too many."""
    share = f"hold out {100 * fraction:g} % for validation"
    if fraction > 0.5:
        return f"cannot {share}: more would validate than train"
    distinct = len(frozenset().union(*(chunk.different_lines for chunk in chunks)))
    if words * fraction >= FEWEST_VALID_WORDS and distinct * fraction < FEWEST_VALID_LINES:
        what = "line" if distinct == 1 else "lines"
        if any(chunk.long_lines for chunk in chunks):
            what += " or parts of lines"
        return (
            f"too few lines to {share} ({words:,} words in {distinct} distinct {what}, and copies stay together)"
        )
    if words * fraction < 2 * FEWEST_VALID_WORDS:
        return f"too little text to {share} ({words:,} words)"
    return (
        f"cannot {share}: copies of a line stay together, so {valid_words:,} of {words:,} words would validate, "
        "and the others train"
    )


def _write_valid_text(chunks: Iterable[EncodedChunk], scratch: Path) -> str:
    """Write the validation lines, not normalized. The name of the file, which is returned, contains its hash."""
    path = scratch / VALID_TEXT
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk.valid_text())
        file.flush()
        os.fsync(file.fileno())
    named = f"valid.{files.sha256_of(path)[:HASH_DIGITS]}.txt"
    path.replace(scratch / named)
    return named


class _Named(msgspec.Struct):
    """The fields of a record that every format version has."""

    format_version: int
    lmctl_version: str
    files: dict[str, str]
