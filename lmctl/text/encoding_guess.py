"""Guessing the encoding of bytes that are not valid in the given one, for the advice in messages."""

from __future__ import annotations

import codecs
import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The encoding that contains another one and the characters that vendors added to it.
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "ascii": "utf-8",
}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UNMARKED = ("utf-16-le", "utf-16-be")

_ASCII = bytes(range(0x80))
_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
_EAST_ASIAN = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_KANA, _HANGUL = re.compile("[\u3041-\u30ff]"), re.compile("[\uac00-\ud7a3]")
_WESTERN = re.compile("[\u00a0-\u00ff\u0152\u0153\u2013-\u2026\u20ac]")
# Most characters that are examined, from lines with other characters than ASCII.
_SAMPLE_CHARACTERS = 1 << 16

# Fewer bytes outside of ASCII than this are no evidence, nor are fewer sequences that are valid UTF-8.
_ENOUGH = 3
# A text of this many bytes in UTF-16 has an ASCII character, at least a line end, and therefore a NUL byte.
_ENOUGH_FOR_UTF16 = 256
# Control characters at the codes of punctuation marks in Windows encodings. NEL (0x85) is left out: some files
# have it as a line end.
_CONTROLS = re.compile(rb"[\x80-\x84\x86-\x9f]")


def encodings_that_read(content: bytes, encoding: str) -> list[str]:
    """Find likely encodings of bytes that are not valid in `encoding`, the likeliest first.

    Args:
        content: bytes of the text, from the start of a line.
        encoding: Python's name of the encoding.

    Returns:
        Names of encodings in which the bytes are valid; empty if none is likely.
    """
    name = codecs.lookup(encoding).name.replace("-", "_")
    for mark, marked in _MARKS.items():
        if content.startswith(mark):
            return [marked] if _decoded(content, marked) is not None else []
    if nuls := content.count(b"\0"):
        # In UTF-16, each character of ASCII has a NUL byte. Chinese text in UTF-16 has few NUL bytes, but is not
        # valid in `encoding`. So few NUL bytes in valid text are stray ones.
        stray = nuls < 0.4 * len(content) and _decoded(content, encoding) is not None
        return [] if stray else [wide for wide in _UNMARKED if _is_clean(_decoded(content, wide))]
    if name == "utf_8" and is_mostly_utf8(content):
        return []
    if is_utf8(content):
        return ["utf-8"]
    if (superset := _SUPERSETS.get(name)) and _decoded(content, superset) is not None:
        return [superset]
    if len(content.translate(None, _ASCII)) < _ENOUGH:
        return []
    scores = {
        candidate: likeness(_sample(text))
        for candidate, likeness in _LIKENESS.items()
        if codecs.lookup(candidate).name.replace("-", "_") != name
        and (text := _decoded(content, candidate)) is not None
    }
    best = max(scores.values(), default=0.0)
    likely = [candidate for candidate, score in scores.items() if score >= 0.5 and score >= best - 0.1]
    return sorted(likely, key=lambda candidate: -scores[candidate])


def doubt(content: bytes, encoding: str) -> str | None:
    """Find a reason to think that valid bytes are in another encoding; None: there is none.

    UTF-8 text is valid in most one-byte encodings, and in UTF-16 if the number of bytes is even. Then decoding
    succeeds, and every letter is wrong.

    Args:
        content: the beginning of a text.
        encoding: Python's name of the encoding.

    Returns:
        The reason and the remedy, for a warning.
    """
    name = codecs.lookup(encoding).name.replace("-", "_")
    if name.startswith("utf_16") and b"\0" not in content and not content.startswith(tuple(_MARKS)):
        is_doubtful = len(content) >= _ENOUGH_FOR_UTF16 and _decoded(content, "utf-8") is not None
    else:
        is_doubtful = not name.startswith("utf") and is_utf8(content)
    # Bytes that are not valid in `encoding` give an error elsewhere.
    if is_doubtful and _decoded(content, encoding) is not None:
        return f"valid utf-8, but read as {encoding}; if words come out wrong, --encoding utf-8 is right"
    if name == "iso8859_1" and _CONTROLS.search(content):
        return f"has control characters of {encoding}; if they are quotation marks, --encoding cp1252 reads them"
    return None


def is_utf8(content: bytes) -> bool:
    """Whether bytes are valid UTF-8 with at least `_ENOUGH` characters of several bytes."""
    found = _MULTIBYTE.finditer(content)
    return sum(1 for _ in itertools.islice(found, _ENOUGH)) == _ENOUGH and _decoded(content, "utf-8") is not None


def is_mostly_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8 with a few damaged places."""
    text = _sample(content.decode("utf-8", "replace"))
    bad = text.count("\ufffd")
    return sum(not character.isascii() for character in text) > 3 * bad


def _decoded(content: bytes, encoding: str) -> str | None:
    """Decode bytes, which may end inside a character; None: they are not valid."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeError:  # not UnicodeDecodeError if UTF-16 has no byte order mark
        return None


def _sample(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.isascii())[:_SAMPLE_CHARACTERS]


def _is_clean(text: str | None) -> bool:
    """Whether a text has no NUL, and hardly any characters that cannot be printed."""
    if text is None or "\0" in text:
        return False
    shown = "".join(text.split())
    return sum(map(str.isprintable, shown)) > 0.99 * len(shown)


def _chinese(level_1: Callable[[str], bool]) -> Callable[[str], float]:
    """Make a measure of likeness to Chinese: the share of characters in the first level of a standard.

    The first level holds the frequent characters. Isolated characters lower the measure.
    """

    def likeness(text: str) -> float:
        return _neighbourly(text) * _share(text, level_1)

    return likeness


def _level_1_of_gb2312(character: str) -> bool:
    code = character.encode("gb2312", "ignore")
    return b"\xa1" <= code[:1] <= b"\xa3" or b"\xb0" <= code[:1] <= b"\xd7"


def _level_1_of_big5(character: str) -> bool:
    code = character.encode("big5", "ignore")
    return b"\xa1" <= code[:1] <= b"\xc6"


def _japanese(text: str) -> float:
    return _neighbourly(text) * min(1.0, 4 * _share(text, lambda character: bool(_KANA.match(character))))


def _korean(text: str) -> float:
    return _neighbourly(text) * _share(text, lambda character: bool(_HANGUL.match(character)))


def _western(text: str) -> float:
    """The share of accented letters and typographic marks, if these are isolated among ASCII characters."""
    return _share(text, lambda character: bool(_WESTERN.match(character))) * (1 - _neighbourly(text))


_LIKENESS: dict[str, Callable[[str], float]] = {
    "gb18030": _chinese(_level_1_of_gb2312),
    "big5": _chinese(_level_1_of_big5),
    "cp932": _japanese,
    "euc-jp": _japanese,
    "cp949": _korean,
    "cp1252": _western,
}


def _share(text: str, is_like: Callable[[str], bool]) -> float:
    others = [character for character in text if not character.isascii()]
    return sum(map(is_like, others)) / max(len(others), 1)


def _neighbourly(text: str) -> float:
    """The share of non-ASCII characters that are not between ASCII letters, 0 to 1; a share of 2/3 counts as 1."""
    text = f" {text} "
    count = alone = 0
    for place, character in enumerate(text):
        if not character.isascii():
            count += 1
            before, after = text[place - 1], text[place + 1]
            alone += before.isascii() and after.isascii() and (before + after).strip().isalnum()
    return min(1.0, 1.5 * (count - alone) / max(count, 1))
