"""Source files, chunks of them, and the lines that reading must give."""

import re

from lmctl.text.source_chunks import SourceChunk


def write(folder, content, name="corpus.txt"):
    path = folder / name
    path.write_bytes(content)
    return str(path)


def lines_of(text):
    """What reading is to give of a text that is no longer than what decides about its line ends."""
    lines = [
        re.sub(r"\ufeff+(?=[^ \t\r\ufeff])", " ", line.lstrip("\ufeff"))
        for line in re.split("\r\n|\n" if "\n" in text else "\r", text)
    ]
    return lines if lines[-1] else lines[:-1]


def chunk(content, *, encoding="utf-8", errors="strict", first_line=1, first_byte=0):
    return SourceChunk("corpus.txt", content, encoding, errors, first_line, first_byte)
