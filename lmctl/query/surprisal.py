"""The surprisal of the words of a text, with their places in it.

The surprisal of a word is -log2 P(word | words before it), in bits (Hale 2001; Levy 2008). A word may be one token
of the model, or several whose surprisals are added: log P(a b) = log P(a) + log P(b | a).
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from lmctl.corpus.vocabulary import SENTENCE_END, SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import UsageError
from lmctl.query.scoring import score_encoded
from lmctl.query.sentence_scores import EncodedLine
from lmctl.query.text_model import EncodedText
from lmctl.text.alignment import locate_tokens
from lmctl.text.marks import is_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmctl.query.sentence_scores import SentenceScore
    from lmctl.query.text_model import TextModel
    from lmctl.text.alignment import LocatedToken

_NATS_PER_BIT = math.log(2)

# Which tokens make a word: each token; those between white space; or those, with punctuation at the edges apart.
Words = Literal["tokens", "given", "given_without_punctuation"]


class Item(NamedTuple):
    """A sentence to be scored.

    Attributes:
        line: number of its line, from 1.
        text: the sentence as it is written.
        context: text that is read before it and not scored: the words of a paragraph; empty: none.
    """

    line: int
    text: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class WordSurprisal:
    """The surprisal of one word.

    Attributes:
        index: place of the word in its sentence, from 1. Given words that are left out, as stop words are, count.
        word: the word as it is written in the text; the token if it has no characters there, as a blank that is a
            piece of its own; `</s>` for the end of the sentence.
        start: place of its first character in the line, in code points, from 0.
        end: place after its last character.
        bits: the surprisal.
        entropy: entropy of the distribution that predicted its first token, in bits; None: not computed.
        oov: whether one of its tokens is outside the vocabulary, so that the surprisal is that of `<unk>`.
    """

    index: int
    word: str
    start: int
    end: int
    bits: float
    entropy: float | None
    oov: bool


class _Word(NamedTuple):
    """Places of a word in the sentence and in the line, and of its tokens among those of the sentence."""

    number: int
    start: int
    end: int
    first: int
    stop: int


def surprisals(
    model: TextModel,
    batches: Iterable[Iterable[Item]],
    *,
    state: Literal["reset", "carry"] = "reset",
    words: Words = "tokens",
    sentence_end: bool = True,
    entropy: bool = False,
    threads: int = 0,
) -> Iterator[list[tuple[Item, list[WordSurprisal]]]]:
    """The surprisals of the words of sentences, in order. A batch is scored before the next one is read.

    Args:
        model: the model of the next word.
        batches: the sentences. One without words has no words in the result, and no end.
        state: "reset": every sentence starts from the initial state; "carry": from the state after the one before.
        words: which tokens make a word; see `Words`.
        sentence_end: whether `</s>` after each sentence is a word of the result.
        entropy: whether to compute entropies, which takes the whole distribution at every token.
        threads: largest number of batches that are scored at once; 0: the number of cores.

    Raises:
        UsageError: the model has no next word; or a sentence has a context although the state is carried.
    """
    language_model = model.language_model
    waiting: deque[tuple[Item, list[_Word], int]] = deque()

    def encoded(items: Iterable[Item]) -> Iterator[EncodedLine]:
        for item in items:
            if item.context and state == "carry":
                raise UsageError("a carried state goes on from the sentence before; it takes no other context")
            context = model.encode(item.context).token_ids if item.context else []
            located = locate_tokens(model.tokenizer, item.text)
            before = len(context) + 1 if context else 0
            waiting.append((item, _words(item.text, located, words, sentence_end=sentence_end), before))
            if located:
                tokens = [token for token, _, _ in located]
                ids = [*context, *([SENTENCE_END_ID] if context else []), *model.vocabulary.encode(tokens)]
                yield EncodedLine(item.line, EncodedText(tokens, ids, 0))

    def scored() -> Iterator[list[tuple[Item, list[WordSurprisal]]]]:
        for window in score_encoded(
            language_model, map(encoded, batches), state=state, entropies=entropy, threads=threads
        ):
            found: list[tuple[Item, list[WordSurprisal]]] = []
            for score in window:
                item, places, before = waiting.popleft()
                while not places:
                    found.append((item, []))
                    item, places, before = waiting.popleft()
                found.append((item, _of_words(item, places, score, before)))
            yield found
        if waiting:
            yield [(item, []) for item, _, _ in waiting]

    # Not a generator itself, so that a model without a next word is refused before the first result is asked for.
    return scored()


def _words(line: str, tokens: Sequence[LocatedToken], words: Words, *, sentence_end: bool) -> list[_Word]:
    """The words of a line; each has one token or more, side by side. The end of the line follows if wanted."""
    if not tokens:
        return []
    if words == "tokens":
        found = [_Word(place + 1, start, end, place, place + 1) for place, (_, start, end) in enumerate(tokens)]
        count = len(found)
    else:
        found, count = _given_words(line, tokens, separate=words == "given_without_punctuation")
    if sentence_end:
        found.append(_Word(count + 1, len(line), len(line), len(tokens), len(tokens) + 1))
    return found


def _given_words(line: str, tokens: Sequence[LocatedToken], *, separate: bool) -> tuple[list[_Word], int]:
    """The words between white space that have tokens, and the number of all words.

    A word without tokens, as a stop word is, counts, so that the others keep their numbers.
    """
    runs = [(match.start(), match.end()) for match in re.finditer(r"\S+", line)]
    found: list[_Word] = []
    # Punctuation marks that are words of their own so far.
    marks = 0
    for run, group in itertools.groupby(enumerate(tokens), key=lambda entry: _run_of(runs, entry[1])):
        members = list(group)
        first, stop = members[0][0], members[-1][0] + 1
        if separate:
            pieces = _without_edges(line, tokens, first, stop)
            for index, (start, end) in enumerate(pieces, start=run + marks + 1):
                found.append(_Word(index, tokens[start].start, tokens[end - 1].end, start, end))
            marks += len(pieces) - 1
        else:
            # A token of the user dictionary may reach into the next run.
            start, end = runs[run][0], max(runs[run][1], tokens[stop - 1].end)
            found.append(_Word(run + 1, start, end, first, stop))
    return found, len(runs) + marks


def _run_of(runs: Sequence[tuple[int, int]], token: LocatedToken) -> int:
    """The run of characters between white space in which a token starts, from 0."""
    return bisect.bisect_right(runs, (token.start, sys.maxsize)) - 1


def _without_edges(line: str, tokens: Sequence[LocatedToken], first: int, stop: int) -> list[tuple[int, int]]:
    """Cut punctuation marks off the start and the end of a word: each is a word of its own."""
    parts = _with_characters(line, tokens, first, stop)
    texts = [line[tokens[start].start : tokens[end - 1].end] for start, end in parts]
    inner = [place for place, text in enumerate(texts) if any(map(str.isalnum, text))]
    if not inner:
        return parts
    return [*parts[: inner[0]], (parts[inner[0]][0], parts[inner[-1]][1]), *parts[inner[-1] + 1 :]]


def _with_characters(line: str, tokens: Sequence[LocatedToken], first: int, stop: int) -> list[tuple[int, int]]:
    """Divide tokens into parts that have whole characters of the line.

    A token without any, as a boundary or the first byte of a character, belongs to the token on its right. One
    that starts with an accent or a vowel sign, or in the last character of the token on its left, belongs to that.
    """
    places = [place for place in range(first, stop) if tokens[place].end > tokens[place].start]
    borders = [
        place + 1
        for place, following in itertools.pairwise(places)
        if tokens[following].start >= tokens[place].end and not is_mark(line[tokens[following].start])
    ]
    return list(itertools.pairwise([first, *borders, stop]))


def _of_words(item: Item, places: Sequence[_Word], score: SentenceScore, before: int) -> list[WordSurprisal]:
    """The surprisals of the words of a sentence, whose tokens follow `before` tokens of its context."""
    found = []
    for index, start, end, first, stop in places:
        there = slice(before + first, before + stop)
        # 0 and not -0 for a certain word.
        entropy = None if score.entropies is None else 0.0 + float(score.entropies[there][0]) / _NATS_PER_BIT
        bits = 0.0 - float(score.log_probs[there].sum()) / _NATS_PER_BIT
        oov = UNKNOWN_ID in score.token_ids[there]
        word = item.text[start:end] or (score.words[first] if first < len(score.words) else SENTENCE_END)
        found.append(WordSurprisal(index, word, start, end, bits, entropy, oov))
    return found
