"""Bytes to characters: encodings by name, and where a byte that is not text stands."""

from __future__ import annotations

import codecs

from lmctl.errors import DataError, UsageError

DECODE_ERRORS = {"strict": "strict", "replace": "replace", "skip": "ignore"}
# Codecs for identifiers and literals: they may yield line ends or lone surrogates from plain letters.
_NOT_FOR_FILES = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}


def resolve_encoding(encoding: str, errors: str) -> tuple[str, str, bool]:
    """Encoding and errors of the chunks to come, and whether the reader must turn them into UTF-8.

    Raises:
        UsageError: one of the two is unknown.
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
    # iso-2022 and hz carry their state over line ends.
    if line_end != b"\n" or name.startswith(("iso2022", "hz")):
        return "utf-8", "strict", True
    return encoding, errors, False


class Transcoder:
    """Turns one source into UTF-8, in pieces, knowing where in the original a bad byte stands."""

    def __init__(self, source: str, encoding: str, errors: str) -> None:
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(DECODE_ERRORS[errors])
        self._line = 1
        self._byte = 0

    def feed(self, piece: bytes, *, final: bool = False) -> bytes:
        """Decode the next bytes of the source.

        Raises:
            DataError: a byte cannot be decoded, or a character is NUL.
        """
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            raise self._first_fault(state, piece) from None
        if "\0" in text:
            raise self._first_fault(state, piece)
        self._line += text.count("\n")
        self._byte += len(piece)
        return text.encode("utf-8")

    def _first_fault(self, state: tuple[bytes, int], piece: bytes) -> DataError:
        """Decode a piece again, byte by byte, up to the character that is at fault."""
        decoder = self._decoder
        decoder.setstate(state)
        pending = state[0]
        line, character_byte = self._line, self._byte - len(pending)
        for position in range(len(piece)):
            pending += piece[position : position + 1]
            try:
                text = decoder.decode(piece[position : position + 1])
            except UnicodeDecodeError as error:
                byte = character_byte + error.start
                return undecodable(self._source, line, byte, self._encoding, pending[error.start])
            if "\0" in text:
                return nul_byte(self._source, line, character_byte)
            line += text.count("\n")
            pending = decoder.getstate()[0]
            character_byte = self._byte + position + 1 - len(pending)
        # Every byte fits so far: the source ends inside a character.
        return undecodable(self._source, line, character_byte, self._encoding, pending[0])


def undecodable(source: str, line: int, byte: int, encoding: str, value: int) -> DataError:
    """The error for a byte (its value) that is not text in an encoding; `byte` is its offset in the source."""
    return DataError(
        f"{source}: line {line}, byte {byte}: not valid {encoding} (0x{value:02x}); "
        "name the encoding with --encoding, or use --errors replace|skip"
    )


def nul_byte(source: str, line: int, byte: int) -> DataError:
    """The error for a NUL, which no text has; `byte` is its offset in the source."""
    return DataError(f"{source}: line {line}, byte {byte}: a NUL byte; this looks like a binary file")
