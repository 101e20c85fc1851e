"""Text becomes a prepared corpus: count, choose the vocabulary, encode.

Each chunk of text is read once. A worker cuts it into tokens and leaves behind, on disk, the chunk's distinct
words and its tokens as chunk-local ids. Then the counts are added up, the vocabulary is chosen, and the local
ids are translated into the streams. Memory holds a few chunks at a time and a bounded table of counts, however
long the text; the result depends on neither the number of workers nor the size of the chunks.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
import numpy as np

from lmctl import files, progress
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.choosing import VocabularyRules, find_new_words, make_vocabulary
from lmctl.corpus.chunks import SPLITS, ChunkEncoder, EncodedChunk, Split, SplitRules
from lmctl.corpus.holding_out import LONG_LINE_CHARACTERS, PART_CHARACTERS
from lmctl.corpus.id_stream import HASH_DIGITS, IdStreamWriter
from lmctl.corpus.prepared import (
    CORPUS_FILE,
    FORMAT_VERSION,
    VALID_TEXT,
    CorpusRecord,
    PreparedCorpus,
    SharedLines,
    SourceRecord,
    SplitCounts,
)
from lmctl.corpus.recipe import TextRecipe, recipe_files
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

# A validation perplexity from fewer words than this says little: such a corpus is trained on whole.
FEWEST_VALID_WORDS = 100
# With fewer different lines than would give so many to validate on, chance decides whether there is one.
FEWEST_VALID_LINES = 3
# If lines with this share of the validation text's words stand in the training text, too, it is worth a warning.
# Headings and short lines are in every text.
MOST_SHARED = 0.1
# The names that a record may give to files of a corpus: no other file is removed because one names it.
DATA_FILE = re.compile(
    r"(train|valid|vocabulary|characters|user_dictionary|stop_words)\.[0-9a-f]{16}\.(npy|tsv|txt)"
)
# What every corpus.json starts with.
RECORD_START = b'{\n  "format_version": '

logger = logging.getLogger(__name__)


class OrderedMap(Protocol):
    """Applies a function to items and gives the results in their order, as the built-in `map` does."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """The results."""


def prepare_corpus(
    chunks: Iterable[tuple[SourceChunk, Split]],
    folder: Path,
    split_rules: SplitRules,
    vocabulary_rules: VocabularyRules,
    *,
    workers: AbstractContextManager[OrderedMap],
    sources: Callable[[], Sequence[SourceRecord]],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    training_text: str = "the text",
    validation_text: str = "the validation text",
) -> PreparedCorpus:
    """Make a prepared corpus in `folder` from chunks of text.

    Args:
        chunks: the text in order, each chunk with the split it belongs to (`hash`: line by line).
        folder: where it goes; made if it is not there. What it held before stays whole until the last moment.
        split_rules: how text becomes tokens, and which lines validate.
        vocabulary_rules: which words get an id.
        workers: what works on the chunks: `contextlib.nullcontext(map)` is this process. When its block ends,
            nothing works any more, for what it would write to is removed.
        sources: called when all chunks have been read; what corpus.json says of the inputs.
        settings: sections of the configuration that was followed, for corpus.json.
        training_text: the name of the text to train on in messages, such as the paths that the user typed.
        validation_text: the name of the validation text in messages.

    Raises:
        DataError: nothing to train on, or nothing in the text to validate on.
    """
    files.make_folder(folder)
    replaced = _files_of(folder)
    with files.named_in_errors(folder), scratch_folder(folder) as unfinished:
        scratch = unfinished.path
        encode = ChunkEncoder(split_rules, scratch)
        with workers as ordered_map:
            encoded = list(_in_order(ordered_map(encode, enumerate(chunks))))
        train = sum((chunk.train for chunk in encoded), SplitCounts())
        valid = sum((chunk.valid for chunk in encoded), SplitCounts())
        records = list(sources())
        no_words = "the text has no words"
        if split_rules.tokenizer.stop_words:
            no_words += " beside the stop words"
        if not valid.words and any(record.split == "valid" for record in records):
            raise DataError(f"{validation_text}: nothing to validate on; {no_words}")
        if not train.words and not (split_rules.valid_fraction and valid.words):
            raise DataError(f"{training_text}: nothing to train on; {no_words}")
        shared = _find_shared_lines(encoded) if split_rules.compare_lines else None
        # With too little to validate on, the lines that the hash chose train as well.
        held_out = _is_worth_holding_out(train, valid, split_rules.valid_fraction, encoded)
        if not held_out:
            train, valid = train + valid, SplitCounts()

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
        streams = {split: IdStreamWriter(scratch / f"{split}.npy", len(vocabulary)) for split in SPLITS}
        for number, chunk in enumerate(encoded):
            progress.tell("writing token ids", number, len(encoded))
            token_ids, is_valid = chunk.translate(vocabulary)
            if held_out and is_valid.any():
                streams["train"].append(token_ids[~is_valid])
                streams["valid"].append(token_ids[is_valid])
            else:
                streams["train"].append(token_ids)
        names = {split: stream.commit(split) for split, stream in streams.items()}
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
            train=msgspec.structs.replace(train, oov=streams["train"].unknown),
            valid=msgspec.structs.replace(valid, oov=streams["valid"].unknown),
            sources=records,
            files=names,
            settings={section: dict(values) for section, values in (settings or {}).items()},
            shared=shared,
            new_words=new_words,
        )
        content = msgspec.json.format(msgspec.json.encode(record)) + b"\n"
        _put_in_place(unfinished, folder, set(names.values()), replaced, content)
    warn_of_tags(sum(chunk.tagged_lines for chunk in encoded), train.sentences + valid.sentences)
    if shared is not None:
        _warn_of_shared_lines(shared, valid)
    # By default, this is so of every text with fewer distinct words than a vocabulary has: worth saying on
    # a terminal, and no reason for a mail from cron each night.
    if not record.train.oov:
        logger.info(
            "every training word is in the vocabulary, so <unk> was never seen in training and its "
            "probability means little; a smaller vocabulary.size or a vocabulary.min_count of 2 would train it"
        )
    return PreparedCorpus(folder, record)


def warn_of_tags(tagged_lines: int, lines: int) -> None:
    """Say that a text has `<s>` and `</s>` around its lines, if they are read as words."""
    if tags_matter(tagged_lines, lines):
        logger.warning(
            "%d of %d lines stand between <s> and </s>, which are read as unknown words; "
            "--sentence-tags strip (text.sentence_tags) leaves them out",
            tagged_lines,
            lines,
        )


def sweep(folder: Path) -> None:
    """Remove what a preparation that was killed left in a folder; the caller holds its lock.

    Raises:
        UsageError: a file that lmctl did not write has the name of one that it writes.
    """
    sweep_unfinished(folder, kept=_files_of(folder))


def _files_of(folder: Path) -> set[str]:
    """The names of the data files of the corpus in a folder, as its record has them; none if that is damaged.

    Raises:
        UsageError: its corpus.json is not one that lmctl wrote.
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
            f"{path}: is not the record of a prepared corpus, which would take its place; "
            "move it away, or name another folder with -o"
        ) from None
    return {name for name in names if DATA_FILE.fullmatch(name)}


def _put_in_place(unfinished: Scratch, folder: Path, new: set[str], replaced: set[str], record: bytes) -> None:
    """Make a finished corpus that of its folder, by one rename, and remove the files of the one before.

    A reader that has those open keeps them. A kill leaves files that the journal names and no record does.
    """
    unfinished.announce(new | replaced)
    for name in sorted(new):
        (unfinished.path / name).replace(folder / name)
    files.sync_folder(folder)
    files.write_bytes(folder / CORPUS_FILE, record, beside=unfinished.path)
    for name in sorted(replaced - new):
        (folder / name).unlink(missing_ok=True)


def _in_order(chunks: Iterable[EncodedChunk]) -> Iterator[EncodedChunk]:
    """Let the blank lines that a chunk starts with follow the last line of the chunks before."""
    is_valid = False
    for number, chunk in enumerate(chunks, start=1):
        # Reading runs ahead of this: a chunk comes back once its words are cut.
        progress.tell(f"cutting words, {number:,} {'piece' if number == 1 else 'pieces'} of text done")
        yield chunk.after(is_valid)
        if chunk.ends_valid is not None:
            is_valid = chunk.ends_valid


def _is_worth_holding_out(
    train: SplitCounts, valid: SplitCounts, fraction: float, chunks: Sequence[EncodedChunk]
) -> bool:
    """Whether to validate on the lines set aside: always on a text of its own, on chosen lines if they suffice."""
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
    """Why too few words would validate, or too many."""
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


def _find_shared_lines(chunks: Sequence[EncodedChunk]) -> SharedLines:
    """How much of the validation text stands in the training text; memory grows with the validation text alone."""
    held_out = [chunk.line_keys() for chunk in chunks if chunk.valid.sentences]
    keys, lines_of_key = np.unique(np.concatenate([keys for keys, _ in held_out]), return_inverse=True)
    words = np.concatenate([words for _, words in held_out])
    is_shared = np.zeros(len(keys), dtype=bool)
    for chunk in chunks:
        if not chunk.valid.sentences:
            there = chunk.line_keys()[0]
            places = np.minimum(np.searchsorted(keys, there), len(keys) - 1)
            is_shared[places[keys[places] == there]] = True
    shared = is_shared[lines_of_key]
    return SharedLines(lines=int(shared.sum()), words=int(words[shared].sum()))


def _warn_of_shared_lines(shared: SharedLines, valid: SplitCounts) -> None:
    if shared.lines:
        logger.log(
            logging.WARNING if shared.words >= MOST_SHARED * valid.words else logging.INFO,
            "%d of the %d validation lines (%.1f %% of the words) stand in the training text, too: figures are "
            "better than they would be on new text",
            shared.lines,
            valid.sentences,
            100 * shared.words / valid.words,
        )


def _write_valid_text(chunks: Iterable[EncodedChunk], scratch: Path) -> str:
    """Write the lines that validate, as they came; returns the file's name, which carries its hash."""
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
    """Of a record only what stands in every version."""

    format_version: int
    lmctl_version: str
    files: dict[str, str]
