"""Joins tokens into text as people write it: the inverse of the segmenters, as far as tokens allow.

A segmenter drops white space, so its inverse decides by rules, from the tokens on the left alone: a text can be
written while it is generated. The rules are those of Moses's and the Penn Treebank's tokenizers, read backwards:

1. No space stands beside a character of a script without spaces, or beside CJK punctuation.
2. Closing marks and contractions (`'s`, `n't`) join the word on their left, opening marks the word on their right.
3. A straight quotation mark opens a quotation if none is open in the sentence, and else closes it.
4. `@-@`, `@,@` and `@.@` (WikiText, Moses) are marks that join both neighbours; `-LRB-` and the like (Penn
   Treebank) are brackets.
5. Every other token has a space on both sides.

The segmenter `char` keeps no spaces, so its tokens are joined without any. The pieces of `sentencepiece` have all
spaces, and are joined as they are. Bytes (`<0xE8>`) are written when they make a character.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from lmctl.text.literals import RESERVED
from lmctl.text.marks import base_before
from lmctl.text.scripts import WITHOUT_SPACES
from lmctl.text.subwords import BOUNDARY, BYTE_PIECE

if TYPE_CHECKING:
    from collections.abc import Iterable

# CJK symbols and punctuation, and the full-width forms.
_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}\u3000-\u303f\uff00-\uffef]")
_JOINING_MARK = re.compile(r"@([^\w\s@]{1,3})@")
_PTB_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
_CLOSING = frozenset([*",.;:!?%)]}\u2019\u201d\u00bb\u2026\u00b0", "...", "?!", "!?", "!!", "??"])
_OPENING = frozenset("([{\u2018\u201c\u00ab\u00bf\u00a1")
_JOINING = frozenset("/\u2014\u2044")
# Marks that join a number on their right.
_BEFORE_NUMBERS = frozenset("$\u00a3\u20ac\u00a5\u20b9#")
_CONTRACTION = re.compile(r"(?:n['\u2019]t|['\u2019](?:s|t|m|d|ll|re|ve))", re.IGNORECASE)
# The rest of a name that Moses has cut: O 'Brien.
_AFTER_NAME = re.compile(r"['\u2019][^\W\d_]+")
_START_OF_NAME = re.compile(r"[A-Z][a-z]?")
# The rest of a contraction after a curly apostrophe that is a token of its own.
_AFTER_APOSTROPHE = frozenset(["s", "t", "m", "d", "ll", "re", "ve"])


class Detokenizer:
    """Joins the tokens of a text, one after the other.

    Args:
        segmenter: the name of the segmenter that cut the text.
    """

    def __init__(self, segmenter: str) -> None:
        self._segmenter = segmenter
        self.start_line()

    def start_line(self) -> None:
        """Start a new line: nothing stands before the next token, and no quotation is open."""
        self._text = ""
        self._earlier = ""
        self._joins_right = True
        self._open: set[str] = set()
        self._bytes = b""
        self._blank = ""

    def append(self, token: str) -> str:
        """Return the next piece of the text: the token as people write it, after a space if it needs one."""
        if self._segmenter == "char":
            return token
        if self._segmenter == "sentencepiece":
            return self._append_piece(token)
        text, joins_left, joins_right = self._written(token)
        is_joined = self._joins_right or joins_left or self._joins(text)
        self._earlier, self._text, self._joins_right = self._text, text, joins_right
        return text if is_joined else f" {text}"

    def _append_piece(self, piece: str) -> str:
        if byte := BYTE_PIECE.fullmatch(piece):
            # A byte that ends an invalid sequence may begin the next character.
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            text = decoder.decode(self._bytes + bytes([int(byte[1], 16)]))
            self._bytes = decoder.getstate()[0]
            if not text:
                return ""
        else:
            text = "\ufffd" if self._bytes else ""
            # A reserved word stands where the segmenter found it, and the next piece has its boundary.
            text += f" {piece}" if piece in RESERVED else piece.replace(BOUNDARY, " ")
            self._bytes = b""
        if self._joins_right:
            text = text.removeprefix(" ")
        self._joins_right = self._joins_right and not text
        # A blank at the end is written with the next piece: a line does not end with one.
        text = self._blank + text
        self._blank = " " if text.endswith(" ") else ""
        return text.removesuffix(" ")

    def _joins(self, text: str) -> bool:
        """Whether the text on the left joins this one, because of the two alone."""
        if _WITHOUT_SPACES.match(self._text[-1]) or _WITHOUT_SPACES.match(text[0]):
            return True
        if self._text in _BEFORE_NUMBERS:
            return text[0].isdigit()
        if self._text == ":":
            # The time 10:30.
            return self._earlier[-1:].isdigit() and text[0].isdigit()
        return self._text == "\u2019" and text in _AFTER_APOSTROPHE

    def _written(self, word: str) -> tuple[str, bool, bool]:
        """A token as people write it, and whether it joins its left and its right neighbour."""
        if mark := _JOINING_MARK.fullmatch(word):
            return mark[1], True, True
        if self._segmenter == "space":
            word = _PTB_BRACKETS.get(word, word)
        if word in ('"', "``", "''"):
            return self._quotation_mark(word)
        if word == "'":
            return self._apostrophe()
        if word in _CLOSING or _CONTRACTION.fullmatch(word):
            return word, True, False
        if word in _OPENING:
            return word, False, True
        if word in _JOINING or self._joins_both(word):
            return word, True, True
        is_end_of_name = _AFTER_NAME.fullmatch(word) and _START_OF_NAME.fullmatch(self._text)
        return word, bool(is_end_of_name), False

    def _quotation_mark(self, word: str) -> tuple[str, bool, bool]:
        opens = word == "``" or (word == '"' and '"' not in self._open)
        (self._open.add if opens else self._open.discard)('"')
        return '"', not opens, opens

    def _apostrophe(self) -> tuple[str, bool, bool]:
        """A straight apostrophe: the end of a quotation, a genitive (the dogs' owners), or a new quotation."""
        if "'" in self._open:
            self._open.remove("'")
            return "'", True, False
        if self._text[-1:] in ("s", "S"):
            return "'", True, False
        self._open.add("'")
        return "'", False, True

    def _joins_both(self, word: str) -> bool:
        """Whether a hyphen or a dash joins both neighbours: well-known, 5\u20136.

        Text that was tokenized for `space` has `@-@` in place of a hyphen, so its hyphens stand alone.
        """
        if word == "-":
            return self._segmenter != "space" and base_before(self._text, len(self._text)).isalnum()
        return word == "\u2013" and self._text[-1:].isdigit()


def detokenize(tokens: Iterable[str], segmenter: str) -> str:
    """Join the tokens of one line into text as people write it.

    Args:
        tokens: the tokens, as the segmenter cuts them.
        segmenter: the name of the segmenter.
    """
    detokenizer = Detokenizer(segmenter)
    return "".join(map(detokenizer.append, tokens))
