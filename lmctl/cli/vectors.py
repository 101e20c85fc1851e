"""Printing vectors, the results of `lmctl embed`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from lmctl.cli import tsv
from lmctl.cli.output import encode_json
from lmctl.query.vectors import WORDS_AT_ONCE, word2vec_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.query.vectors import SentenceVector

FORMATS = ("tsv", "jsonl", "word2vec")


def print_words(words: Sequence[str], vectors: Float32Array, format: str, *, header: bool) -> None:
    """Print a vector for each word.

    Args:
        words: the words, each once.
        vectors: (N, E).
        format: one of `FORMATS`.
        header: whether the first line of tsv has the names of the columns.
    """
    if format == "word2vec":
        _write(word2vec_text(words, vectors))
        return
    if format == "tsv" and header:
        _write([_heading(("word",), vectors.shape[1])])
    for first in range(0, len(words), WORDS_AT_ONCE):
        part = slice(first, first + WORDS_AT_ONCE)
        _write(
            _record(format, {"word": word}, vector)
            for word, vector in zip(words[part], vectors[part].tolist(), strict=True)
        )


class SentencePrinter:
    """Prints a vector for each sentence, and flushes after each batch.

    In word2vec's format, the first line is the number of vectors. So they are printed at the end. The number of
    the line stands for the word, because a sentence has white space, and may occur twice.

    Args:
        format: one of `FORMATS`.
        width: length of the vectors, D.
        header: whether the first line of tsv has the names of the columns.
    """

    def __init__(self, format: str, width: int, *, header: bool) -> None:
        self._format = format
        self._width = width
        self._header = header and format == "tsv"
        self._line = 0
        self._kept: list[Float32Array] = []

    def print(self, sentences: Sequence[SentenceVector]) -> None:
        """Print a batch of vectors."""
        if self._format == "word2vec":
            self._kept += [np.array(sentence.vector, dtype=np.float32) for sentence in sentences]
            return
        records = [self._heading()]
        for sentence in sentences:
            self._line += 1
            names: dict[str, object] = {"line": self._line, "text": sentence.text}
            if self._format == "jsonl":
                names["oov"] = sentence.oov
            records.append(_record(self._format, names, sentence.vector))
        _write(records)

    def end(self) -> None:
        """Print what could not be printed before the last sentence, and what stands even if there was none."""
        if self._format == "word2vec":
            lines = [str(number) for number in range(1, len(self._kept) + 1)]
            vectors = np.array(self._kept, dtype=np.float32).reshape(len(lines), self._width)
            print_words(lines, vectors, "word2vec", header=False)
        else:
            _write([self._heading()])

    def _heading(self) -> str:
        """Return the first line of tsv, once."""
        has_heading, self._header = self._header, False
        return _heading(("line", "text"), self._width) if has_heading else ""


def _heading(names: Sequence[str], width: int) -> str:
    return tsv.row((*names, *(f"v{number}" for number in range(1, width + 1)))) + "\n"


def _record(format: str, names: dict[str, object], vector: Sequence[float]) -> str:
    """One vector, and what it is the vector of. Nine significant digits give a float32 back."""
    if format == "jsonl":
        return encode_json({**names, "vector": vector}).decode() + "\n"
    numbers = [f"{number:.9g}" for number in vector]
    return tsv.row((*names.values(), *numbers)) + "\n"


def _write(records: Iterable[str]) -> None:
    sys.stdout.write("".join(records))
    sys.stdout.flush()
