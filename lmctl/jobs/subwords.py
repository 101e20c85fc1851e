"""Trains the SentencePiece model of a corpus on its training lines, before they are cut."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from lmctl import progress
from lmctl.corpus.holding_out import HoldOut
from lmctl.corpus.preparation import FEWEST_VALID_WORDS
from lmctl.errors import DataError, listed
from lmctl.jobs.tokenizing import format_of, make_tokenizer
from lmctl.jobs.workers import workers
from lmctl.text.reading import read_chunks
from lmctl.text.sources import source_name
from lmctl.text.spooling import Spool
from lmctl.text.subword_training import LineSample, train_subwords
from lmctl.text.subwords import sentencepiece_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.config import TextConfig
    from lmctl.jobs.tokenizing import ReadPieces

# `prepare_corpus` lets held-out lines train if they have fewer than FEWEST_VALID_WORDS tokens. The tokens are not
# known yet; a piece of English has some four characters.
FEWEST_HELD_OUT_CHARACTERS = 4 * FEWEST_VALID_WORDS
# For a sample of `SAMPLE_CHARACTERS`.
LESS_MEMORY = "learning pieces of words takes up to half a gigabyte; a shorter text or text.model_file needs less"


@contextlib.contextmanager
def subword_model(
    segmenter: str, sources: Sequence[str], text: TextConfig, read: ReadPieces, fraction: float
) -> Iterator[tuple[bytes | None, ReadPieces]]:
    """A context with the model that was trained on the sources, and a function that reads them once more.

    Without the segmenter sentencepiece, or with a model of the user, nothing is trained: the model is None.

    Args:
        segmenter: name of the segmenter, never `auto`.
        sources: paths of the training texts, or "-" for standard input.
        text: the section `text` of the configuration.
        read: the function that reads a source once.
        fraction: share of the lines that are held out, 0 to 1.
    """
    if segmenter != "sentencepiece" or text.model_file is not None:
        yield None, read
        return
    with Spool(read) as spool:
        yield train_subword_model(sources, text, spool.read, fraction), spool.read


def train_subword_model(sources: Sequence[str], text: TextConfig, read: ReadPieces, fraction: float) -> bytes:
    """Train a SentencePiece model on the lines that are not held out for validation.

    Args:
        sources: paths of the training texts, or "-" for standard input.
        text: the section `text` of the configuration.
        read: the function that reads a source.
        fraction: share of the lines that are held out, 0 to 1.

    Raises:
        LmctlError: a source cannot be read, or nothing can be learned from it; or sentencepiece is not installed.
    """
    # A missing package is told before a long text is read.
    sentencepiece_module()
    sample, held_out = LineSample(), LineSample()
    normalized = make_tokenizer(msgspec.structs.replace(text, segmenter="space"), "space").normalized
    for number, chunk in enumerate(
        read_chunks(sources, encoding=text.encoding, errors=text.errors, read=read, text_format=format_of(text))
    ):
        progress.tell(f"reading the text for pieces of words, {number:,} pieces of text done")
        lines = chunk.lines()
        # The same lines and parts of lines are held out as from the corpus (`ChunkEncoder`).
        hold_out = HoldOut(fraction, white_space_cuts=False)
        if fraction:
            lines = hold_out.cut_long_lines(lines)
        lines = normalized("\n".join(lines)).split("\n")
        words = list(map(str.split, lines))
        for line, has_words, is_valid in zip(lines, words, hold_out(lines, words), strict=True):
            if has_words:
                (held_out if is_valid else sample).add(line)
    if held_out.characters < FEWEST_HELD_OUT_CHARACTERS:
        for line in held_out:
            sample.add(line)
    progress.tell(f"learning pieces of words from {sample.characters:,} characters")
    # In a process of its own, since a signal waits for a function of C++ to return.
    with workers(2, less_memory=LESS_MEMORY) as ordered_map:
        try:
            (model,) = ordered_map(_Training(text), [list(sample)])
        except DataError as error:
            names = listed([source_name(source) for source in sources])
            raise DataError(f"{names}: nothing to train on; {error}") from None
    return model


class _Training:
    """Trains a model on lines. Can be sent to a worker process."""

    def __init__(self, text: TextConfig) -> None:
        self._pieces, self._algorithm = text.subwords, text.subword_algorithm

    def __call__(self, lines: list[str]) -> bytes:
        """Train a model."""
        return train_subwords(lines, self._pieces, self._algorithm)
