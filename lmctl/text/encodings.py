"""Decoding: encodings by name, and errors that state the place of an invalid byte."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from lmctl.errors import DataError, UsageError
from lmctl.text.encoding_guess import encodings_that_read, is_mostly_utf8

if TYPE_CHECKING:
    from collections.abc import Sequence

DECODE_ERRORS = {"strict": "strict", "replace": "replace", "skip": "ignore"}
# The replacement of a NUL character, which is valid in every encoding, but is not text.
NUL_MEANS = {"replace": "\ufffd", "skip": ""}
# Codecs for identifiers and literals: they may decode plain letters to line ends or lone surrogates.
_NOT_FOR_FILES = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}


def resolve_encoding(encoding: str, errors: str) -> tuple[str, str, bool]:
    """Check an encoding and an error mode, and decide how a source is read.

    Args:
        encoding: any text encoding that Python has.
        errors: "strict", "replace" or "skip".

    Returns:
        Encoding and error mode of the chunks, and whether the reader must transcode the source to UTF-8 first.

    Raises:
        UsageError: `encoding` or `errors` is unknown.
    """
    if errors not in DECODE_ERRORS:
        raise UsageError(f"{errors}: unknown way to treat errors; expected strict, replace or skip")
    try:
        name = codecs.lookup(encoding).name.replace("_", "-")
        line_end = "\n".encode(encoding)
    except (LookupError, ValueError):
        name, line_end = "undefined", b""
    if name in _NOT_FOR_FILES:
        raise UsageError(
            f"{encoding}: unknown text encoding; expected one that Python knows, such as utf-8, gb18030, "
            "big5, latin-1 or utf-16"
        )
    if name == "utf-8-sig":  # a byte order mark is dropped anyway
        return "utf-8", errors, False
    # Encodings whose line end is not the byte 0x0A cannot be cut into lines before decoding. Nor can iso-2022 and
    # hz: their state continues over line ends.
    if line_end != b"\n" or name.startswith(("iso2022", "hz")):
        return "utf-8", "strict", True
    return encoding, errors, False


class Transcoder:
    """Transcodes one source to UTF-8, piece by piece. Errors state the place of a fault in the original."""

    def __init__(self, source: str, encoding: str, errors: str) -> None:
        self._source = source
        self._encoding = encoding
        self._errors = errors
        self._decoder = codecs.getincrementaldecoder(encoding)(DECODE_ERRORS[errors])
        self._line = 1
        self._byte = 0

    def feed(self, piece: bytes, *, final: bool = False) -> bytes:
        """Transcode the next bytes of the source.

        Args:
            piece: bytes of the source.
            final: whether the source ends here.

        Raises:
            UndecodableError: a byte cannot be decoded, or a character is NUL, and errors are strict.
        """
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            raise self._first_fault(state, piece) from None
        except UnicodeError:  # UTF-16 or UTF-32 without a byte order mark
            raise UndecodableError.unmarked(self._source, self._encoding, state[0] + piece) from None
        if "\0" in text:
            if self._errors == "strict":
                raise self._first_fault(state, piece)
            text = text.replace("\0", NUL_MEANS[self._errors])
        self._line += text.count("\n")
        self._byte += len(piece)
        return text.encode("utf-8")

    def _first_fault(self, state: tuple[bytes, int], piece: bytes) -> UndecodableError:
        """Decode a piece again, byte by byte, to find the first invalid character."""
        decoder = self._decoder
        decoder.setstate(state)
        before = pending = state[0]
        line, character_byte = self._line, self._byte - len(pending)
        for position in range(len(piece)):
            pending += piece[position : position + 1]
            try:
                text = decoder.decode(piece[position : position + 1])
            except UnicodeDecodeError as error:
                byte = character_byte + error.start
                return self._fault(line, byte, pending[error.start], before + piece)
            except UnicodeError:  # as in `feed`
                return UndecodableError.unmarked(self._source, self._encoding, before + piece)
            if "\0" in text:
                return self._fault(line, character_byte, None, before + piece)
            line += text.count("\n")
            pending = decoder.getstate()[0]
            character_byte = self._byte + position + 1 - len(pending)
        # All bytes are valid so far: the source ends inside a character.
        return self._fault(line, character_byte, pending[0], before + piece)

    def _fault(self, line: int, byte: int, value: int | None, content: bytes) -> UndecodableError:
        return UndecodableError.at(self._source, line, byte, value, self._encoding, content)


class UndecodableError(DataError):
    """A byte is not valid in the encoding of the text, or a character is NUL.

    Attributes:
        place: the message without its advice: source, line, byte and fault.
        readers: encodings in which the bytes around the fault are valid, likeliest first.
        is_nul: whether the fault is a NUL character.
    """

    place = ""
    is_nul = False
    readers: tuple[str, ...] = ()

    @classmethod
    def at(
        cls, source: str, line: int, byte: int, value: int | None, encoding: str, content: bytes
    ) -> UndecodableError:
        """Make the error for one byte.

        Args:
            source: name of the source for messages.
            line: number of the line in the source, from 1.
            byte: offset of the byte in the source, from 0.
            value: the invalid byte; None: the character NUL.
            encoding: the encoding that the user named.
            content: bytes around the fault, to guess their encoding.
        """
        what = "a NUL byte, which no text has" if value is None else f"not valid {encoding} (0x{value:02x})"
        place = f"{source}: line {line}, byte {byte}: {what}"
        readers = encodings_that_read(content, encoding)
        if readers:
            advice = f"--encoding {' or '.join(readers)} reads it"
        elif value is None:
            advice = "this looks like a binary file; --errors skip leaves NULs out, --errors replace puts U+FFFD"
        elif encoding.lower().replace("_", "-") in ("utf-8", "utf8") and is_mostly_utf8(content):
            advice = "most of the text is; --errors replace|skip reads on"
        else:
            advice = "if the text has another encoding, name it with --encoding; --errors replace|skip reads on"
        return cls._of(place, readers, advice, is_nul=value is None)

    @classmethod
    def unmarked(cls, source: str, encoding: str, content: bytes) -> UndecodableError:
        """Make the error for a text without the byte order mark that its encoding requires."""
        readers = encodings_that_read(content, encoding)
        advice = f"--encoding {' or '.join(readers or (f'{encoding}-le', f'{encoding}-be'))} needs none"
        return cls._of(f"{source}: no byte order mark, with which {encoding} starts", readers, advice)

    @classmethod
    def _of(cls, place: str, readers: Sequence[str], advice: str, *, is_nul: bool = False) -> UndecodableError:
        error = cls(f"{place}; {advice}")
        error.place, error.readers, error.is_nul = place, tuple(readers), is_nul
        return error
