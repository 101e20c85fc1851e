"""From texts to a prepared corpus."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import logging
import os
from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.corpus.choosing import VocabularyRules
from lmctl.corpus.chunks import Split, SplitRules
from lmctl.corpus.counts import SourceRecord
from lmctl.corpus.preparation import prepare_corpus, sweep, warn_of_tags
from lmctl.errors import DataError, StorageError, UsageError, listed, quoted
from lmctl.jobs.cluster.addresses import check_scheduler
from lmctl.jobs.spreading import chunk_workers
from lmctl.jobs.subwords import subword_model
from lmctl.jobs.tokenizing import choose_segmenter, format_of, make_tokenizer, read_list
from lmctl.jobs.train.disk_space import check_room_to_prepare
from lmctl.jobs.train.overlap import warn_of_repeated, without_validation
from lmctl.store.lock import locked
from lmctl.store.model_record import has_record
from lmctl.store.published import is_model
from lmctl.text.reading import read_chunks
from lmctl.text.sources import check_sources, recorded_name, source_name
from lmctl.text.subwords import SubwordSegmenter
from lmctl.text.tokenization import is_tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lmctl.config import Config, TextConfig
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.tokenizing import ReadPieces
    from lmctl.text.source_chunks import SourceChunk
    from lmctl.text.tokenization import Tokenizer

    OnProgress = Callable[[int], None]

logger = logging.getLogger(__name__)

# A larger chunk has fewer distinct words a token to be added up, and takes more memory a worker (about 200 MB).
CHUNK_BYTES = 1 << 22


def prepare(
    sources: Sequence[str],
    folder: Path,
    config: Config,
    *,
    jobs: int = 0,
    scheduler: str | None = None,
    old_words: Sequence[str] | None = None,
    old_sources: Sequence[SourceRecord] = (),
    on_progress: OnProgress = lambda _bytes: None,
) -> PreparedCorpus:
    """Segment, count and encode texts.

    Args:
        sources: paths or addresses of the texts, or "-" for standard input, in the order of reading.
        folder: folder of the prepared corpus.
        config: the configuration; only the sections text, vocabulary and validation matter here.
        old_words: vocabulary of the model that training starts from; None if it starts from random weights.
        old_sources: the texts that this model was trained on.
        jobs: number of processes; 0: the number of cores. The result does not depend on it.
        scheduler: name of a cluster, whose workers cut the text in place of `jobs` processes; see
            `lmctl.jobs.cluster.scheduled`. The result does not depend on it.
        on_progress: called with the number of bytes read so far.

    Raises:
        LmctlError: an input is missing, is not text or is empty; or `folder` is a model or a bundle.
        UnavailableError: the cluster or the store of a text does not answer, or workers cannot do the work.
        LockedError: another process prepares a corpus in this folder.
        StorageError: the disk has not enough room, or `folder` is a file.
        OSError: the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder}: is a file; expected a folder for the prepared corpus; name another with -o")
    if has_record(folder):
        raise UsageError(f"{folder}: is a model's bundle, which never changes; name another folder with -o")
    if is_model(folder):
        raise UsageError(f"{folder}: is a model; name another folder with -o")
    if scheduler is not None:
        check_scheduler(scheduler)
    held_out = [config.validation.file] if config.validation.file else []
    check_sources([*sources, *files_named(config)])
    sources = without_validation(sources, config.validation.file)
    warn_of_repeated(sources)
    segmenter, read = choose_segmenter(sources, config.text)
    fraction = 0.0 if held_out else config.validation.fraction
    with subword_model(segmenter, sources, config.text, read, fraction) as (trained_model, read):
        reader = _Reader(config.text, on_progress, read, old_sources)
        chunks = reader.chunks(sources, "hash" if fraction else "train")
        # A single chunk is processed here: starting processes would take longer than the work.
        first = list(itertools.islice(chunks, 2))
        if not first:
            raise DataError(f"{_in_messages(sources)}: empty; expected text, a sentence a line")
        tokenizer = make_tokenizer(config.text, segmenter, trained_model)
        jobs = (jobs or len(os.sched_getaffinity(0))) if len(first) > 1 else 1
        vocabulary_rules = _vocabulary_rules(config, tokenizer, old_words)
        files.make_folder(folder)
        with locked(folder), _without_cycle_collection():
            sweep(folder)
            check_room_to_prepare(folder, [*sources, *held_out])
            return prepare_corpus(
                itertools.chain(first, chunks, reader.chunks(held_out, "valid")),
                folder,
                SplitRules(tokenizer, config.text.blank_lines, fraction, compare_lines=bool(held_out)),
                vocabulary_rules,
                workers=chunk_workers(jobs, scheduler if len(first) > 1 else None),
                sources=reader.records,
                settings={
                    "text": msgspec.to_builtins(config.text),
                    "vocabulary": msgspec.to_builtins(config.vocabulary),
                    "validation": msgspec.to_builtins(config.validation),
                },
                training_text=_in_messages(sources),
                validation_text=_in_messages(held_out),
            )


def _in_messages(sources: Sequence[str]) -> str:
    """The names of texts for a message, as the user typed them."""
    return listed([source_name(source) for source in sources])


def files_named(config: Config) -> list[str]:
    """The files that the configuration names: the validation text, word lists and those of the segmenter."""
    text = config.text
    named = (config.validation.file, config.vocabulary.file, *_files_of(text))
    return [path for path in named if path]


def _files_of(text: TextConfig) -> list[str]:
    named = (text.stop_words, text.user_dictionary, text.model_file)
    return [path for path in named if path]


def segment(sources: Sequence[str], text: TextConfig) -> Iterator[tuple[list[str], bool]]:
    """The tokens of every line of the sources, blank lines included.

    Yields:
        The tokens, and whether the next tokens belong to the same line: a very long line comes in parts.

    Raises:
        LmctlError: an input is missing or is not text.
    """
    check_sources([*sources, *_files_of(text)])
    segmenter, read = choose_segmenter(sources, text)
    with subword_model(segmenter, sources, text, read, 0.0) as (trained_model, read):
        yield from _segmented(sources, text, read, make_tokenizer(text, segmenter, trained_model))


def _segmented(
    sources: Sequence[str], text: TextConfig, read: ReadPieces, tokenizer: Tokenizer
) -> Iterator[tuple[list[str], bool]]:
    """The tokens of every line, and whether the line goes on; warns of tags at the end."""
    tagged = lines = 0
    for chunk in read_chunks(
        sources,
        encoding=text.encoding,
        errors=text.errors,
        chunk_bytes=CHUNK_BYTES,
        read=read,
        text_format=format_of(text),
    ):
        for line in chunk.lines():
            normalized_line = tokenizer.normalized(line)
            lines += 1
            tagged += is_tagged(normalized_line)
            yield tokenizer.segment(normalized_line), chunk.goes_on
    warn_of_tags(tagged, lines)


def _vocabulary_rules(config: Config, tokenizer: Tokenizer, old_words: Sequence[str] | None) -> VocabularyRules:
    """The rules that choose the vocabulary. The words of a fixed list are normalized like the text."""
    vocabulary, training = config.vocabulary, config.training
    known = None if old_words is None else {word: number for number, word in enumerate(old_words)}
    if vocabulary.file is None:
        return VocabularyRules(
            vocabulary.size,
            vocabulary.min_count,
            known=known,
            grow=training.grow_vocabulary,
            keep=training.gone_words == "keep",
        )
    words = tuple(map(tokenizer.normalization, read_list(vocabulary.file, config.text)))
    for word in words:
        if word.split() != [word]:
            raise DataError(f"{vocabulary.file}: {quoted(word)}, as normalized, is not one word")
    if not words:
        raise DataError(f"{source_name(vocabulary.file)}: no words; expected one a line")
    _warn_of_no_pieces(vocabulary.file, words, tokenizer)
    return VocabularyRules(words=words, known=known)


def _warn_of_no_pieces(path: str, words: Sequence[str], tokenizer: Tokenizer) -> None:
    """Warn if a fixed vocabulary has words, and the text is cut into pieces of words."""
    if not isinstance(tokenizer.segmenter, SubwordSegmenter):
        return
    lost = [word for word in words if not tokenizer.segmenter.may_be_piece(word)]
    if lost:
        logger.warning(
            "%s: %d of %d words are no pieces of words, such as %s, and do not occur in the text as it is cut; "
            "without --vocab, the pieces are the vocabulary",
            path,
            len(lost),
            len(words),
            quoted(lost[0]),
        )


@contextlib.contextmanager
def _without_cycle_collection() -> Iterator[None]:
    """Switch off the collection of reference cycles: tokens make none, and the search halves the speed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Reader:
    """Reads sources as chunks, and records their sizes and hashes.

    Args:
        text: the keys encoding and errors, and those of the format, are used.
        on_progress: called with the number of bytes read so far.
        read: the function that reads a path.
        old_sources: texts that the model was trained on from which training starts.
    """

    def __init__(
        self, text: TextConfig, on_progress: OnProgress, read: ReadPieces, old_sources: Sequence[SourceRecord]
    ) -> None:
        self._text = text
        self._read = read
        self._on_progress = on_progress
        self._total_bytes = 0
        self._old_sources = [source for source in old_sources if source.split == "train" and source.bytes]
        self._sources: list[_Source] = []

    def chunks(self, sources: Sequence[str], split: Split) -> Iterator[tuple[SourceChunk, Split]]:
        """The chunks of all sources, each with its split."""
        for path in sources:
            name = recorded_name(path)
            is_valid = split == "valid"
            source = _Source(name, "valid" if is_valid else "train", () if is_valid else self._old_sources)
            self._sources.append(source)

            def take_note(_name: str, content: bytes, source: _Source = source) -> None:
                source.take_note(content)
                self._total_bytes += len(content)
                self._on_progress(self._total_bytes)

            for chunk in read_chunks(
                [path],
                encoding=self._text.encoding,
                errors=self._text.errors,
                chunk_bytes=CHUNK_BYTES,
                on_bytes=take_note,
                read=self._read,
                text_format=format_of(self._text),
            ):
                source.chunks += 1
                yield chunk, split

    def records(self, sentences: Sequence[int]) -> list[SourceRecord]:
        """The records of the sources that were read so far.

        Args:
            sentences: number of sentences of every chunk, in the order of reading.
        """
        of_chunks = iter(sentences)
        return [source.record(sum(itertools.islice(of_chunks, source.chunks))) for source in self._sources]


class _Source:
    """A source that is being read.

    Args:
        name: its name in the record.
        split: "train" or "valid".
        old_sources: older texts. One of them may be the start of this source.

    Attributes:
        chunks: number of its chunks so far.
    """

    def __init__(self, name: str, split: str, old_sources: Sequence[SourceRecord]) -> None:
        self._name, self._split = name, split
        # The shortest comes last.
        self._expected = sorted(old_sources, key=lambda source: source.bytes, reverse=True)
        self._known_sentences = 0
        self._bytes, self._digest = 0, hashlib.sha256()
        self.chunks = 0

    def take_note(self, content: bytes) -> None:
        """Add the next bytes. After as many bytes as an older text has, compare the two hashes."""
        start = 0
        while self._expected and self._expected[-1].bytes <= self._bytes + len(content) - start:
            old = self._expected.pop()
            end = start + old.bytes - self._bytes
            self._add(content[start:end])
            start = end
            if self._digest.hexdigest() == old.sha256:
                self._known_sentences = old.sentences
        self._add(content[start:])

    def _add(self, content: bytes) -> None:
        self._bytes += len(content)
        self._digest.update(content)

    def record(self, sentences: int) -> SourceRecord:
        """The record of the source, which has so many sentences."""
        return SourceRecord(
            name=self._name,
            split=self._split,
            bytes=self._bytes,
            sha256=self._digest.hexdigest(),
            sentences=sentences,
            known_sentences=min(self._known_sentences, sentences),
        )
