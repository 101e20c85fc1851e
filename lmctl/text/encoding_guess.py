"""Which encoding reads bytes that another one does not: advice for a message, tried out before it is given."""

from __future__ import annotations

import codecs
import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# What vendors added to an encoding, under the name of the whole.
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
# Of lines with other characters than ASCII: enough to tell what they are like.
_SAMPLE_CHARACTERS = 1 << 16

# Fewer bytes outside of ASCII than this prove nothing, and fewer sequences that happen to be UTF-8 do not either.
_ENOUGH = 3
# A text of so many bytes in UTF-16 has an ASCII character, a line end if nothing else, and so a NUL.
_ENOUGH_FOR_UTF16 = 256
# What C1 has in place of Windows' punctuation; but for NEL, which some files have as a line end.
_CONTROLS = re.compile(rb"[\x80-\x84\x86-\x9f]")


def encodings_that_read(content: bytes, encoding: str) -> list[str]:
    """The encodings that read bytes which `encoding` does not, likeliest first; only the likely ones.

    Args:
        content: from the start of a line on.
        encoding: as Python names it.
    """
    name = codecs.lookup(encoding).name.replace("-", "_")
    for mark, marked in _MARKS.items():
        if content.startswith(mark):
            return [marked] if _decoded(content, marked) is not None else []
    if nuls := content.count(b"\0"):
        # In UTF-16, each character of ASCII has one; Chinese has few, and is not valid in what it is taken for.
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
    """Why bytes that an encoding does read are probably in another one; None: no reason.

    UTF-8 is valid in most encodings of one byte, and in UTF-16 if the number of bytes is even: every letter comes
    out wrong, and nothing fails.

    Args:
        content: the beginning of a text.
        encoding: as Python names it.
    """
    name = codecs.lookup(encoding).name.replace("-", "_")
    if name.startswith("utf_16") and b"\0" not in content and not content.startswith(tuple(_MARKS)):
        is_doubtful = len(content) >= _ENOUGH_FOR_UTF16 and _decoded(content, "utf-8") is not None
    else:
        is_doubtful = not name.startswith("utf") and is_utf8(content)
    # What cannot be read at all is an error, which says so itself.
    if is_doubtful and _decoded(content, encoding) is not None:
        return f"valid utf-8, but read as {encoding}; if words come out wrong, --encoding utf-8 is right"
    if name == "iso8859_1" and _CONTROLS.search(content):
        return f"has control characters of {encoding}; if they are quotation marks, --encoding cp1252 reads them"
    return None


def is_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8, and could hardly be something else: several characters of several bytes."""
    found = _MULTIBYTE.finditer(content)
    return sum(1 for _ in itertools.islice(found, _ENOUGH)) == _ENOUGH and _decoded(content, "utf-8") is not None


def is_mostly_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8 but for some that are damaged."""
    text = _sample(content.decode("utf-8", "replace"))
    bad = text.count("\ufffd")
    return sum(not character.isascii() for character in text) > 3 * bad


def _decoded(content: bytes, encoding: str) -> str | None:
    """The text, which may end inside a character; None: not valid."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeError:  # of its own kind if UTF-16 lacks its byte order mark
        return None


def _sample(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.isascii())[:_SAMPLE_CHARACTERS]


def _is_clean(text: str | None) -> bool:
    """Whether a text has no character that texts do not have."""
    if text is None or "\0" in text:
        return False
    shown = "".join(text.split())
    return sum(map(str.isprintable, shown)) > 0.99 * len(shown)


def _chinese(level_1: Callable[[str], bool]) -> Callable[[str], float]:
    """The share of characters of a standard's first level, the frequent ones; 0 for one that stands alone."""

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
    """The share of letters with accents, and of typographic marks, that stand alone among plain ones."""
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
    """The share of characters outside of ASCII that are not alone among its letters; two of three count as all."""
    text = f" {text} "
    count = alone = 0
    for place, character in enumerate(text):
        if not character.isascii():
            count += 1
            before, after = text[place - 1], text[place + 1]
            alone += before.isascii() and after.isascii() and (before + after).strip().isalnum()
    return min(1.0, 1.5 * (count - alone) / max(count, 1))
