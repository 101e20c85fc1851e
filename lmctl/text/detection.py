"""Choosing the segmenter for a text by a sample of it, and findings about how the text is written."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from lmctl.text.literals import RESERVED
from lmctl.text.scripts import HAN, HANGUL, KANA, WITHOUT_SPACES

_HAN = re.compile(f"[{HAN}]")
_KANA_OR_HANGUL = re.compile(f"[{KANA}{HANGUL}]")
_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")
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
_GLUED = re.compile(r"[^\W\d_]{2,20}[.,?!;:]$")

# More Han characters than this for each word of another script make a text Chinese. A Chinese word has 1.8 Han
# characters, so more than a third of the words are Chinese. jieba is the better choice for such text: 5-grams of
# lines of Chinese Wikipedia and WikiText-2 in this proportion have 4.82 bits a character if jieba cuts the text,
# and 5.18 if white space does. With one Han character to four words it is still 3.32 against 3.45.
_HAN_PER_WORD = 1.0
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
# WikiText.
_PUNCTUATION_SHARE, _FEWEST_GLUED = 0.05, 3
# Longer runs are no words: a word of a script without spaces has 2 to 5 characters, a word of another script
# hardly ever more than 30.
_LONG_UNSPACED, _LONG_ANY = 8, 30


@dataclass(frozen=True, slots=True)
class Detection:
    """The result of `detect`.

    Attributes:
        segmenter: "jieba" or "space".
        already_cut: whether the text is Chinese with spaces between its words.
        long_words: whether the text between white space is sentences and not words, as in Japanese and Thai.
        glued: share of the words that end in a punctuation mark, 0 to 1; 0 if so few do that it does not matter.
        example: the most frequent of these words; empty if `glued` is 0.
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


def _has_long_words(words: list[str]) -> bool:
    """Whether most characters are in runs too long to be words."""
    total = long = 0
    for word in words:
        total += len(word)
        unspaced = len(_WITHOUT_SPACES.findall(word)) if not word.isascii() else 0
        if len(word) > _LONG_ANY or (2 * unspaced > len(word) and len(word) > _LONG_UNSPACED):
            long += len(word)
    return 2 * long > total
