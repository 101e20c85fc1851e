"""Choosing the segmenter for a text by a sample of it, with the reason."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from lmctl.text.literals import RESERVED
from lmctl.text.scripts import HAN, HANGUL, KANA, SOUTH_EAST_ASIAN, WITHOUT_SPACES

_HAN = re.compile(f"[{HAN}]")
_KANA_OR_HANGUL = re.compile(f"[{KANA}{HANGUL}]")
_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")
_KANA_OR_SOUTH_EAST_ASIAN = re.compile(f"[{KANA}{SOUTH_EAST_ASIAN}]")
# A word of another script, with the characters that it may have inside: don't, training_log.txt, U.S.
_OTHER_WORD = re.compile(rf"(?![{HAN}{KANA}])[^\W\d_](?:(?![{HAN}{KANA}])[\w.'\u2019-])*")
_CJK_PUNCTUATION = re.compile("[\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f\u201c\u201d\u300a-\u300f\uff08\uff09]")
# Marks that segmenters add to words. sentencepiece writes U+2581 before a word. subword-nmt writes @@ after a
# piece whose word continues. Taggers write the part of speech after a word, as in 我们/r, 我们_PN and 我们#PN.
# jieba's own examples print words joined by "/ ".
_TAG = r"(?<=\S)[/_#|][A-Za-z]{1,4}(?!\S)"
_TAGS = re.compile(_TAG)
_MARK = re.compile(rf"^\u2581+|@@$|{_TAG}|(?<=.)/$")
_SEPARATORS = {"/", "\u2581"}
_RESERVED = re.compile("|".join(RESERVED))
# Punctuation at the end of a clause: ASCII, Devanagari, Arabic, and an ellipsis.
_CLAUSE_ENDS = frozenset(".,?!;:\u0964\u060c\u061b\u061f\u06d4\u2026")

# More Han characters than this for each word of another script make a text Chinese. A Chinese word has 1.8 Han
# characters, so more than a third of the words are Chinese. jieba is the better choice for such text: 5-grams of
# lines of Chinese Wikipedia and WikiText-2 in this proportion have 4.82 bits a character if jieba cuts the text,
# and 5.18 if white space does. With one Han character to four words it is still 3.32 against 3.45.
_HAN_PER_WORD = 1.0
# Below that, a text with more Han characters than this is a mixture. Text of another language has foreign names.
_MIXED_HAN_PER_WORD = 0.05
# Hiragana and katakana are two thirds of Japanese, hangul is most of Korean, and Chinese has none but for names.
# Headlines may have none, too: for those see `_is_written_in_kanji`.
_MOST_KANA_OR_HANGUL = 0.25
# In Chinese Wikipedia cut by jieba, words of at most 4 characters hold 99 % of the Han characters, a third of the
# words have one character, and the mean is 1.8 characters. In the raw text, the runs between spaces have 93
# characters, and nine of ten runs with Han characters have punctuation, too. Poems and headlines with spaces are
# in between: their runs have 3 to 7 characters, and hardly any has one.
_SHORT_RUN, _SHORT_SHARE, _SINGLE_SHARE, _SHORT_MEAN = 4, 0.8, 0.1, 2.5
_GLUED_SHARE = 0.1
# Spaces between two Han characters, for each Han character: 0.4 in the cut text, nearly none in the raw text.
_JOINT_SHARE = 0.1
# Share of words that end in a punctuation mark: some 11 % in raw English, 0 to 2 % in the Penn Treebank and
# WikiText, which have 11 % of tokens that are punctuation marks.
_PUNCTUATION_SHARE, _FEWEST_JOINED = 0.01, 3
# Longer runs are no words: a word of a script without spaces has 2 to 5 characters, a word of another script
# hardly ever more than 30.
_LONG_UNSPACED, _LONG_ANY = 8, 30
# Share of the characters. Text of another language has a foreign sentence here and there.
_UNSPACED_SHARE, _LONG_SHARE = 0.05, 0.5

Reason = Literal[
    "chinese",
    "cut_chinese",
    "mixed",
    "unspaced",
    "joined_punctuation",
    "separate_punctuation",
    "long_words",
    "plain",
]


@dataclass(frozen=True, slots=True)
class Detection:
    """The result of `detect`.

    Attributes:
        segmenter: "jieba", "words" or "space".
        reason: what decided: "chinese": the text is Chinese. "cut_chinese": it is Chinese with spaces between its
            words. "mixed": it has words of another script and some Chinese. "unspaced": it has sentences of
            another script without spaces, as Japanese and Thai have. "joined_punctuation": words end in
            punctuation marks. "separate_punctuation": punctuation marks stand alone. "long_words": most of the
            text stands in words that are too long, whatever it is. "plain": none of these.
        example: the most frequent word that ends in a punctuation mark, if that decided; else empty.
    """

    segmenter: Literal["jieba", "words", "space"]
    reason: Reason
    example: str = ""


def detect(sample: str) -> Detection:
    """Choose the segmenter for a text.

    Chinese is text that has more Han characters than words of other scripts, little kana or hangul, and not the
    Han characters that only Japanese has. jieba cuts it, and white space if it has been cut into words. Other text
    is cut into words, unless white space separates words from punctuation already, or there is nothing to cut.
    """
    sample = _RESERVED.sub("", sample)
    han = _HAN.findall(sample)
    if han and len(_KANA_OR_HANGUL.findall(sample)) < _MOST_KANA_OR_HANGUL * len(han):
        others = len(_OTHER_WORD.findall(_TAGS.sub("", sample)))
        if len(han) > _MIXED_HAN_PER_WORD * others and not _is_written_in_kanji(han):
            is_cut = _is_cut(sample)
            if len(han) > _HAN_PER_WORD * others:
                return Detection("space", "cut_chinese") if is_cut else Detection("jieba", "chinese")
            if not is_cut:
                return Detection("words", "mixed")
    words = sample.split()
    unspaced, long = _shares_of_long_words(words)
    if unspaced > _UNSPACED_SHARE:
        return Detection("words", "unspaced")
    if long > _LONG_SHARE:
        return Detection("space", "long_words")
    joined = [word for word in words if _is_joined(word)]
    separate = sum(not any(map(str.isalnum, word)) for word in words)
    if len(joined) >= _FEWEST_JOINED and len(joined) > max(_PUNCTUATION_SHARE * len(words), separate):
        example, _ = max(Counter(joined).items(), key=lambda entry: (entry[1], entry[0]))
        return Detection("words", "joined_punctuation", example)
    return Detection("space", "separate_punctuation" if separate else "plain")


def share_without_words(sample: str) -> tuple[float, str]:
    """The share of a text whose words the segmenter `words` does not know: kana and South-East Asian scripts.

    Returns:
        The share of the characters other than white space, 0 to 1; and the most frequent of these characters, or
        an empty string.
    """
    if sample.isascii() or not (found := _KANA_OR_SOUTH_EAST_ASIAN.findall(sample)):
        return 0.0, ""
    example, _ = max(Counter(found).items(), key=lambda entry: (entry[1], entry[0]))
    return len(found) / sum(map(len, sample.split())), example


def _is_written_in_kanji(han: list[str]) -> bool:
    """Whether Han characters are Japanese: more are in the Japanese standard alone than in the Chinese ones alone.

    The Japanese standard is JIS X 0208. The Chinese ones are GB 2312 (simplified) and Big5 (traditional).

    | Han characters of | only in JIS X 0208 | only in GB 2312 or Big5 |
    |---|---|---|
    | Chinese Wikipedia | 0.03 % | 24 % |
    | messages of programs in traditional Chinese | 0.01 % | 4 % |
    | messages of programs in Japanese | 10 % | 0 % |

    A text that has neither kind counts as Chinese.
    """
    balance = 0
    for character, count in Counter(han).items():
        japanese = bool(character.encode("shift_jis", "ignore"))
        chinese = bool(character.encode("gb2312", "ignore") or character.encode("big5", "ignore"))
        balance += (japanese - chinese) * count
    return balance > 0


def _is_cut(sample: str) -> bool:
    """Whether white space separates the words of a Chinese text, rather than only sentences or foreign words."""
    characters = short = runs = singles = glued = marked = joints = 0
    for line in sample.split("\n"):
        pieces = line.split()
        after_han = False
        for piece in pieces:
            if piece in _SEPARATORS:
                continue
            bare = _MARK.sub("", piece)
            marked += bare != piece
            length = len(_HAN.findall(bare))
            joints += after_han and _HAN.match(bare) is not None
            after_han = bool(length) and _HAN.match(bare[-1]) is not None
            # A short line without white space may be a short sentence or a single word, so it is not counted.
            if not length or (len(pieces) == 1 and length <= 2 * _SHORT_RUN):
                continue
            runs += 1
            characters += length
            singles += length == 1
            if length <= _SHORT_RUN:
                short += length
            glued += len(bare) > length and _CJK_PUNCTUATION.search(bare) is not None
    # Spaces around Latin words also make short runs in raw text, but these spaces have a Latin word on one side.
    if joints < _JOINT_SHARE * characters or not runs:
        return False
    if marked * 5 > runs:
        return True
    words = short >= _SHORT_SHARE * characters and singles >= _SINGLE_SHARE * runs
    return glued <= _GLUED_SHARE * runs and (words or characters <= _SHORT_MEAN * runs)


def _shares_of_long_words(words: list[str]) -> tuple[float, float]:
    """The shares of characters in runs that are too long to be words: of scripts without spaces, and of any."""
    total = unspaced = long = 0
    for word in words:
        total += len(word)
        count = len(_WITHOUT_SPACES.findall(word)) if not word.isascii() else 0
        if 2 * count > len(word) and len(word) > _LONG_UNSPACED:
            unspaced += len(word)
        elif len(word) > _LONG_ANY:
            long += len(word)
    return unspaced / max(total, 1), (unspaced + long) / max(total, 1)


def _is_joined(word: str) -> bool:
    """Whether a word of letters ends in a punctuation mark, which no abbreviation does that has a point inside."""
    if word[-1] not in _CLAUSE_ENDS or len(word) < 3 or "." in word[:-1]:
        return False
    return word[-2].isalpha() or unicodedata.category(word[-2]).startswith("M")
