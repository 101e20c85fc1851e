"""User dictionaries: words that jieba is to find, a line each, as jieba reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.text.literals import as_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Far above any count in jieba's dictionary, far below where a sum of them could overflow.
_HIGHEST_FREQUENCY = 10**9
_LONGEST_FREQUENCY = len(str(_HIGHEST_FREQUENCY))
_LONGEST_SHOWN = 30
# Characters. The time to find a word, and jieba's memory for its prefixes, grow with the square of its length.
LONGEST_USER_WORD = 128

# jieba 0.42.1, re_userdict: what does not look like a frequency and a tag is part of the word.
_JIEBA_LINE = re.compile("^(.+?)( [0-9]+)?( [a-z]+)?$")
# What follows a TAB, which jieba would take for a part of the word. THUOCL's lists have `125472s` there.
_AFTER_TAB = re.compile(r"^([0-9]*)(\s*[a-z]*)(.*)$")
# The characters that both engines join to words: re_han_default of jieba 0.42.1.
_JOINED = re.compile("[\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+")


@dataclass(frozen=True, slots=True)
class UserWord:
    """A line of a user dictionary.

    Attributes:
        word: may have white space inside.
        frequency: None: one is worked out that lets the word win.
        tag: part of speech; nothing depends on it.
        line: its number in the file.
        ignored: what the line has beside these.
    """

    word: str
    frequency: int | None = None
    tag: str | None = None
    line: int = 0
    ignored: str = ""

    @property
    def is_joined(self) -> bool:
        """Whether the engines can find it; else it is looked for before they cut (`lmctl.text.literals`)."""
        return _JOINED.fullmatch(self.word) is not None


def parse_user_dictionary(lines: Iterable[str], source: str) -> list[UserWord]:
    """Read `word [frequency] [tag]` lines as jieba 0.42.1 does, but for a TAB, which ends the word.

    The word may have spaces inside: `Criminal Minds` is one word, since a tag has small letters alone.

    Args:
        lines: decoded.
        source: their name for messages.

    Raises:
        DataError: a frequency is out of range, or a word is longer than `LONGEST_USER_WORD`.
    """
    words = []
    for number, line in enumerate(lines, start=1):
        content = line.strip()
        ignored = ""
        if "\t" in content:
            word, rest = content.split("\t", maxsplit=1)
            digits, tag, ignored = _AFTER_TAB.match(rest.strip()).groups()  # type: ignore[union-attr]
            if digits and tag and not tag[0].isspace():
                tag, ignored = "", tag + ignored
        elif match := _JIEBA_LINE.match(content):
            word, digits, tag = match.groups(default="")
        else:
            continue
        frequency = _frequency(digits.strip(), f"{source}: line {number}")
        word = " ".join(word.split())
        _check_length(word, f"{source}: line {number}")
        words.append(UserWord(word, frequency, tag.strip() or None, number, ignored.strip()))
    return words


def _frequency(digits: str, place: str) -> int | None:
    if not digits:
        return None
    # Frequency 0 would forbid the word in every jieba segmenter of the process.
    if len(digits) > _LONGEST_FREQUENCY or not 1 <= int(digits) <= _HIGHEST_FREQUENCY:
        shown = digits if len(digits) <= _LONGEST_SHOWN else f"{digits[:_LONGEST_SHOWN]}..."
        raise DataError(f"{place}: frequency {shown}; expected 1 to {_HIGHEST_FREQUENCY}")
    return int(digits)


def _check_length(word: str, place: str) -> None:
    if not word.strip():
        raise DataError(f"{place}: no word")
    if len(word) > LONGEST_USER_WORD:
        raise DataError(
            f"{place}: a word of {len(word)} characters, {_shown(word)}; {LONGEST_USER_WORD} are the most"
        )


def normalized(words: Iterable[UserWord], normalize: Callable[[str], str], source: str) -> list[UserWord]:
    """The words as the text will have them.

    Raises:
        DataError: a word is longer than `LONGEST_USER_WORD` then.
    """
    found = [replace(word, word=" ".join(normalize(word.word).split())) for word in words]
    for word in found:
        _check_length(word.word, f"{source}: line {word.line}")
    return found


def remarks(words: Sequence[UserWord], lost: Sequence[UserWord] = ()) -> list[str]:
    """What the author of these lines should know of how they are read: one remark of each kind.

    Args:
        words: all of them.
        lost: those that are cut although they are in the dictionary.
    """
    found = []
    literal = [word for word in words if not word.is_joined and " " not in word.word]
    for chosen, text in (
        ([word for word in words if word.ignored], _left_out),
        ([word for word in words if " " in word.word], _spaced),
        ([word for word in literal if word.frequency is not None], _without_frequency),
        (lost, _lost),
    ):
        if chosen:
            more = f" ({len(chosen)} such lines)" if len(chosen) > 1 else ""
            found.append(f"line {chosen[0].line}: {text(chosen[0])}{more}")
    return found


def _left_out(word: UserWord) -> str:
    frequency = "" if word.frequency is None else f", frequency {word.frequency}"
    return f"read as {_shown(word.word)}{frequency}; {_shown(word.ignored)} is left out"


def _spaced(word: UserWord) -> str:
    return (
        f"{_shown(word.word)} has white space inside, and a word of a model has none: "
        f"it becomes {_shown(as_token(word.word))}"
    )


def _without_frequency(word: UserWord) -> str:
    return (
        f"{_shown(word.word)} has characters inside that jieba joins to no word: it is looked for before jieba "
        "cuts, and its frequency is not used"
    )


def _lost(word: UserWord) -> str:
    remedy = "" if word.frequency is None else "; with a higher frequency or none it would be"
    return f"{_shown(word.word)} is cut even if it stands alone, so it is never found{remedy}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


def encode_user_dictionary(words: Iterable[UserWord]) -> bytes:
    """Words as the file that is stored with a model: word, frequency and tag between TABs, UTF-8."""
    rows = ((word.word, "" if word.frequency is None else str(word.frequency), word.tag or "") for word in words)
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def decode_user_dictionary(content: bytes) -> list[UserWord]:
    """Read what `encode_user_dictionary` wrote.

    Raises:
        DataError: it is something else.
    """
    words = []
    try:
        for number, line in enumerate(content.decode().splitlines(), start=1):
            word, digits, tag = line.split("\t")
            _check_length(word, f"line {number}")
            words.append(UserWord(word, _frequency(digits, f"line {number}"), tag or None, number))
    except ValueError as error:
        raise DataError(f"the model's user dictionary is damaged: {error}") from error
    return words
