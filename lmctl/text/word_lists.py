"""Word lists: stop words, a fixed vocabulary, candidates, user dictionaries.

They are read like text: compressed or not, in the encoding of the text, with any line ends. Their size has a
limit, because they are kept in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.errors import DataError, quoted
from lmctl.text.encodings import UndecodableError
from lmctl.text.limits import LARGEST_WORD_LIST_BYTES, check_word
from lmctl.text.reading import read_chunks
from lmctl.text.sources import STDIN, read_pieces, source_name

if TYPE_CHECKING:
    from collections.abc import Iterator

# The longest time to wait for the first bytes of a named pipe.
PATIENCE_SECONDS = 10.0


def read_list_lines(path: str, *, encoding: str = "utf-8", errors: str = "strict") -> Iterator[str]:
    """Read the lines of a word list, without checking them.

    Args:
        path: a file or an address, compressed or not, or "-" for standard input.
        encoding: the encoding of the text, any that Python has.
        errors: treatment of invalid bytes: "strict", "replace" or "skip".

    Raises:
        UsageError: `encoding` or `errors` is unknown.
        InputMissingError: there is no such file, or it is a folder.
        StorageError: the file could not be read, or it is a named pipe that no program writes to.
        DataError: the file is not text in this encoding, or larger than `LARGEST_WORD_LIST_BYTES`.
    """
    try:
        for chunk in read_chunks(
            [path], encoding=encoding, errors=errors, read=_read_bounded, long_lines="refuse"
        ):
            yield from chunk.lines()
    except UndecodableError as error:
        if error.is_nul and not error.readers:
            raise
        # --encoding is no remedy here: it would also change how the text is read.
        advice = "so convert it"
        if error.readers:
            advice = f"and it looks like {' or '.join(error.readers)}: iconv -f {error.readers[0]} -t {encoding}"
        raise DataError(f"{error.place}; word lists are read in the encoding of the text, {advice}") from error


def read_word_list(path: str, *, encoding: str = "utf-8", errors: str = "strict") -> tuple[str, ...]:
    """Read stop words, a fixed vocabulary or candidates: one word a line. Text after a TAB is ignored.

    Args:
        path: as in `read_list_lines`.
        encoding: as in `read_list_lines`.
        errors: as in `read_list_lines`.

    Returns:
        The words in the order of the file, each once, without the white space around them. Blank lines are
        skipped.

    Raises:
        LmctlError: as raised by `read_list_lines`.
        DataError: a line holds more than one word, or one that is too long.
    """
    source = source_name(path)
    words: dict[str, None] = {}
    for number, line in enumerate(read_list_lines(path, encoding=encoding, errors=errors), start=1):
        word = line.split("\t", maxsplit=1)[0].strip()
        if len(word.split()) > 1:
            raise DataError(
                f"{source}: line {number}: {quoted(word)} has white space inside; expected one word a line"
            )
        check_word(word, f"{source}: line {number}")
        if word:
            words[word] = None
    return tuple(words)


def _read_bounded(path: str, source: str) -> Iterator[bytes]:
    size = 0
    for piece in read_pieces(path, source, patience_seconds=None if path == STDIN else PATIENCE_SECONDS):
        size += len(piece)
        if size > LARGEST_WORD_LIST_BYTES:
            raise DataError(
                f"{source}: a word list of more than {LARGEST_WORD_LIST_BYTES >> 20} MiB, which is the limit"
            )
        yield piece
