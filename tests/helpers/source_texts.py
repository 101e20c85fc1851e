"""Source files, chunks of them, and the lines that a reader must return."""

import re

from lmctl.text.source_chunks import SourceChunk


def write(folder, content, name="corpus.txt"):
    path = folder / name
    path.write_bytes(content)
    return str(path)


def lines_of(text):
    """The lines that a reader must return, for a text no longer than the part that decides its line ends."""
    lines = [
        re.sub(r"\ufeff+(?=[^ \t\r\ufeff])", " ", line.lstrip("\ufeff"))
        for line in re.split("\r\n|\n" if "\n" in text else "\r", text)
    ]
    return lines if lines[-1] else lines[:-1]


def chunk(content, *, encoding="utf-8", errors="strict", first_line=1, first_byte=0):
    return SourceChunk("corpus.txt", content, encoding, errors, first_line, first_byte)
