"""User dictionaries: words added to jieba's dictionary, one a line, in jieba's format."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.text.literals import as_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Far above any count in jieba's dictionary, and so low that no sum of frequencies overflows.
_HIGHEST_FREQUENCY = 10**9
_LONGEST_FREQUENCY = len(str(_HIGHEST_FREQUENCY))
_LONGEST_SHOWN = 30
# In characters. The time to find a word, and jieba's memory for its prefixes, grow with the square of its length.
LONGEST_USER_WORD = 128

# jieba 0.42.1, re_userdict: text that is neither a frequency nor a tag is part of the word.
_JIEBA_LINE = re.compile("^(.+?)( [0-9]+)?( [a-z]+)?$")
# The text after a TAB, which jieba would take for a part of the word. THUOCL's lists have `125472s` there.
_AFTER_TAB = re.compile(r"^([0-9]*)(\s*[a-z]*)(.*)$")
# The characters that both engines join to words: re_han_default of jieba 0.42.1.
_JOINED = re.compile("[\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+")
_HAN = re.compile("[\u4e00-\u9fd5]+")


@dataclass(frozen=True, slots=True)
class UserWord:
    """A line of a user dictionary.

    Attributes:
        word: the word. It may have white space inside.
        frequency: the frequency of the word; None: the engine computes one with which it wins against its parts.
        tag: part of speech. Nothing depends on it.
        line: number of the line in the file, from 1.
        ignored: the rest of the line.
    """

    word: str
    frequency: int | None = None
    tag: str | None = None
    line: int = 0
    ignored: str = ""

    @property
    def is_joined(self) -> bool:
        """Whether the engines can find the word; else it is a literal (`lmctl.text.literals`)."""
        return _JOINED.fullmatch(self.word) is not None

    @property
    def is_han(self) -> bool:
        """Whether it has only Han characters, which the segmenter words leaves to the engine."""
        return _HAN.fullmatch(self.word) is not None


def parse_user_dictionary(lines: Iterable[str], source: str) -> list[UserWord]:
    """Read lines of `word [frequency] [tag]` like jieba 0.42.1, except that a TAB ends the word.

    The word may have spaces inside: `Criminal Minds` is one word, because a tag has only small letters.

    Args:
        lines: the decoded lines.
        source: name of the file for messages.

    Raises:
        DataError: a line has no word, a frequency is out of range, or a word is longer than `LONGEST_USER_WORD`.
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
        raise DataError(f"{place}: expected a word")
    if len(word) > LONGEST_USER_WORD:
        raise DataError(
            f"{place}: a word of {len(word)} characters, {_shown(word)}; the limit is {LONGEST_USER_WORD}"
        )


def normalized(words: Iterable[UserWord], normalize: Callable[[str], str], source: str) -> list[UserWord]:
    """Normalize the words like the text.

    Args:
        words: the words of the file.
        normalize: the normalization of the text.
        source: name of the file for messages.

    Raises:
        DataError: a normalized word is empty, or longer than `LONGEST_USER_WORD`.
    """
    found = [replace(word, word=" ".join(normalize(word.word).split())) for word in words]
    for word in found:
        _check_length(word.word, f"{source}: line {word.line}")
    return found


def remarks(
    words: Sequence[UserWord], literal: Sequence[UserWord] = (), lost: Sequence[UserWord] = ()
) -> list[str]:
    """Describe lines that are read in another way than their author may expect: one remark of each kind.

    Args:
        words: all words of the file.
        literal: the words that are searched for before the engine cuts.
        lost: the words that the segmenter cuts although they are in the dictionary.
    """
    found = []
    for chosen, text in (
        ([word for word in words if word.ignored], _left_out),
        ([word for word in words if " " in word.word], _spaced),
        ([word for word in literal if word.frequency is not None and " " not in word.word], _without_frequency),
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
        f"{_shown(word.word)} has characters inside that jieba does not join: lmctl searches for it before jieba "
        "cuts, and its frequency has no effect"
    )


def _lost(word: UserWord) -> str:
    remedy = "" if word.frequency is None else "; with a higher frequency or none it would be"
    return f"{_shown(word.word)} is cut even if it stands alone, so it is never found{remedy}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


def encode_user_dictionary(words: Iterable[UserWord]) -> bytes:
    """Encode words as the file that is stored with a model: word TAB frequency TAB tag, in UTF-8."""
    rows = ((word.word, "" if word.frequency is None else str(word.frequency), word.tag or "") for word in words)
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def decode_user_dictionary(content: bytes) -> list[UserWord]:
    """Read the file that `encode_user_dictionary` wrote.

    Raises:
        DataError: the content has another format.
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
