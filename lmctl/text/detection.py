"""Which segmenter a text asks for, by a sample of it, and what its reader should know of how it is written."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from lmctl.text.literals import RESERVED
from lmctl.text.scripts import HAN, HANGUL, KANA, WITHOUT_SPACES

_HAN = re.compile(f"[{HAN}]")
_KANA_OR_HANGUL = re.compile(f"[{KANA}{HANGUL}]")
_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")
# With what a word may have inside: don't, training_log.txt, U.S.
_OTHER_WORD = re.compile(rf"(?![{HAN}{KANA}])[^\W\d_](?:(?![{HAN}{KANA}])[\w.'\u2019-])*")
_CJK_PUNCTUATION = re.compile("[\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f\u201c\u201d\u300a-\u300f\uff08\uff09]")
# What segmenters add to words: sentencepiece starts them with U+2581, subword-nmt ends pieces that go on with @@,
# and taggers end words with their part of speech, as in 我们/r, 我们_PN and 我们#PN. jieba's own examples
# print words joined by "/ ".
_TAG = r"(?<=\S)[/_#|][A-Za-z]{1,4}(?!\S)"
_TAGS = re.compile(_TAG)
_MARK = re.compile(rf"^\u2581+|@@$|{_TAG}|(?<=.)/$")
_SEPARATORS = {"/", "\u2581"}
_RESERVED = re.compile("|".join(RESERVED))
_GLUED = re.compile(r"[^\W\d_]{2,20}[.,?!;:]$")

# A word of Chinese is 1.8 Han characters, so this is text in which more than a third of the words are Chinese. Of
# lines of Chinese Wikipedia and of WikiText-2 in that proportion, counted into 5-grams, jieba leaves 4.82 bits a
# character and white space 5.18; with one Han character to four words, it is still 3.32 against 3.45.
_HAN_PER_WORD = 1.0
# Hiragana and katakana are two thirds of Japanese, hangul is most of Korean, and Chinese has none but for names.
# Headlines may have none, too: for those see `_is_written_in_kanji`.
_MOST_KANA_OR_HANGUL = 0.25
# Of Chinese Wikipedia cut by jieba, words of at most 4 characters hold 99 % of the Han characters, a third of the
# words are one character, and the mean is 1.8. Of the raw text, words between spaces have 93 characters, and nine
# of ten that have Han characters have punctuation too. Poems and headlines with spaces stand in between: words of
# 3 to 7 characters, hardly any of one.
_SHORT_RUN, _SHORT_SHARE, _SINGLE_SHARE, _SHORT_MEAN = 4, 0.8, 0.1, 2.5
_GLUED_SHARE = 0.1
# Spaces between two Han characters, to a Han character: 0.4 in that text, nearly none in the raw text.
_JOINT_SHARE = 0.1
# Of raw English some 11 % of the words end in a punctuation mark, of the Penn Treebank's and WikiText's 0 to 2 %.
_PUNCTUATION_SHARE, _FEWEST_GLUED = 0.05, 3
# A word of a script without spaces has 2 to 5 characters, a word of any other hardly ever more than 30.
_LONG_UNSPACED, _LONG_ANY = 8, 30


@dataclass(frozen=True, slots=True)
class Detection:
    """What a sample says of a text.

    Attributes:
        segmenter: "jieba" or "space", whichever suits it.
        already_cut: it is Chinese that has been cut into words already.
        long_words: between white space stand sentences and not words, as in Japanese and Thai.
        glued: share of the words that end in a punctuation mark; 0 if that is no matter.
        example: one of those words, which ends in one such mark; empty without one.
    """

    segmenter: str
    already_cut: bool = False
    long_words: bool = False
    glued: float = 0.0
    example: str = ""


def detect(sample: str) -> Detection:
    """Choose the segmenter for a text: jieba for Chinese that has not been cut into words, else space.

    Chinese is text that has more Han characters than words of other scripts, little kana or hangul, and not the
    Han characters that only Japanese has.
    """
    sample = _RESERVED.sub("", sample)
    han = _HAN.findall(sample)
    if han:
        chinese = len(han) > _HAN_PER_WORD * len(_OTHER_WORD.findall(_TAGS.sub("", sample)))
        chinese = chinese and len(_KANA_OR_HANGUL.findall(sample)) < _MOST_KANA_OR_HANGUL * len(han)
        if chinese and not _is_written_in_kanji(han):
            return Detection("space", already_cut=True) if _is_cut(sample) else Detection("jieba")
    words = sample.split()
    if _has_long_words(words):
        return Detection("space", long_words=True)
    glued = [word for word in words if _GLUED.search(word)]
    if len(glued) >= _FEWEST_GLUED and len(glued) > _PUNCTUATION_SHARE * len(words):
        example, _ = max(Counter(glued).items(), key=lambda entry: (entry[1], entry[0]))
        return Detection("space", glued=len(glued) / len(words), example=example)
    return Detection("space")


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
    """Does white space stand between Chinese words, and not only here and there?"""
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
            # A short line without white space is a short sentence or a word: it says nothing.
            if not length or (len(pieces) == 1 and length <= 2 * _SHORT_RUN):
                continue
            runs += 1
            characters += length
            singles += length == 1
            if length <= _SHORT_RUN:
                short += length
            glued += len(bare) > length and _CJK_PUNCTUATION.search(bare) is not None
    # Spaces around the Latin words of raw text make short runs, too, but have a Latin word on one side.
    if joints < _JOINT_SHARE * characters or not runs:
        return False
    if marked * 5 > runs:
        return True
    words = short >= _SHORT_SHARE * characters and singles >= _SINGLE_SHARE * runs
    return glued <= _GLUED_SHARE * runs and (words or characters <= _SHORT_MEAN * runs)


def _has_long_words(words: list[str]) -> bool:
    """Are most characters in words that are too long to be words?"""
    total = long = 0
    for word in words:
        total += len(word)
        unspaced = len(_WITHOUT_SPACES.findall(word)) if not word.isascii() else 0
        if len(word) > _LONG_ANY or (2 * unspaced > len(word) and len(word) > _LONG_UNSPACED):
            long += len(word)
    return 2 * long > total
