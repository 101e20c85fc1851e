"""Choosing the vocabulary: the words of a text that get an id."""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from lmctl.corpus.prepared import NewWords
from lmctl.corpus.vocabulary import NEVER_WORDS, SENTENCE_END, SPECIALS, UNKNOWN, Vocabulary, choose_vocabulary
from lmctl.errors import DataError, quoted

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from lmctl.corpus.word_counts import WordCounts

logger = logging.getLogger(__name__)

# Most new words that corpus.json names.
NEW_WORDS_NAMED = 20


@dataclass(frozen=True, slots=True)
class VocabularyRules:
    """The rules for choosing a vocabulary: the most frequent words, or a fixed list.

    Attributes:
        size: most entries, `<unk>` and `</s>` included; None: no limit.
        min_count: lowest count of a word that gets an id.
        words: a fixed list of words, which replaces `size` and `min_count`; None: no list.
        known: the words of the old model of a warm start, and their ids there; None: no warm start.
        grow: whether words that are not in `known` may get an id.
        keep: whether all words of `known` get an id, however rare they are in the text.
    """

    size: int | None = None
    min_count: int = 1
    words: tuple[str, ...] | None = None
    known: Mapping[str, int] | None = None
    grow: bool = False
    keep: bool = False


def make_vocabulary(counts: WordCounts, rules: VocabularyRules, sentences: int) -> Vocabulary:
    """Choose the vocabulary of a text. The count of `<unk>` is the sum of the counts of all other words.

    Words of an old model stay in the order that they have there, before all others. So they stay in their clusters
    of an adaptive softmax.

    Args:
        counts: the words of the training text.
        rules: the rules for choosing.
        sentences: number of sentences, the count of `</s>`.

    Raises:
        DataError: no word fulfils the rules.
    """
    fixed = rules.words if rules.words is not None else rules.known if rules.keep else None
    chosen = [] if fixed is None else _counted(counts, fixed)
    if rules.words is None:
        chosen += _most_frequent(counts, rules, have=dict(chosen))
    known = rules.known or {}
    chosen.sort(key=lambda entry: (known.get(entry[0], len(known)), -entry[1], entry[0]))
    if not chosen:
        raise _empty_vocabulary(counts, rules)
    in_vocabulary = sum(count for _, count in chosen)
    words, word_counts = zip(*chosen, strict=True)
    return Vocabulary(
        (UNKNOWN, SENTENCE_END, *words),
        (counts.total - in_vocabulary, sentences, *cast("tuple[int, ...]", word_counts)),
    )


def _empty_vocabulary(counts: WordCounts, rules: VocabularyRules) -> DataError:
    """Make the error for a vocabulary without words; it states the reason and a remedy."""
    specials = f"{', '.join(sorted(NEVER_WORDS))}, which no model predicts"
    if rules.words is not None:
        return DataError(f"the fixed vocabulary has no words but {specials}; name others")
    most, word = max(((count, word) for word, count in counts.items() if word not in NEVER_WORDS), default=(0, ""))
    if not most:
        return DataError(f"the text has no words but {specials}, so the vocabulary would be empty")
    if most < rules.min_count:
        return DataError(
            f"no word stands {rules.min_count} times, so the vocabulary would be empty; the most frequent, "
            f"{quoted(word)}, stands {most} times: lower vocabulary.min_count to {most} or less"
        )
    return DataError(
        "no word of the text is in the vocabulary of the model that training starts from, so the vocabulary would "
        "be empty; training.grow_vocabulary lets new words in"
    )


def _counted(counts: WordCounts, words: Iterable[str]) -> list[tuple[str, int]]:
    """The given words with their counts in the text (0 if they do not occur), by falling count."""
    wanted = dict.fromkeys((word for word in words if word not in NEVER_WORDS), 0)
    for word, count in counts.items():
        if word in wanted:
            wanted[word] = count
    return sorted(wanted.items(), key=lambda entry: (-entry[1], entry[0]))


def _most_frequent(counts: WordCounts, rules: VocabularyRules, have: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent words by the rules, without the words in `have`."""
    size = None if rules.size is None else max(rules.size - len(have), len(SPECIALS))
    if rules.keep and size == len(SPECIALS):
        logger.warning(
            "no new word enters: the %d words of the old model, which are kept, fill vocabulary.size, %d",
            len(have),
            rules.size,
        )
    candidates = (
        (word, count)
        for word, count in counts.items()
        if word not in have and (rules.known is None or rules.grow or word in rules.known)
    )
    return choose_vocabulary(candidates, size=size, min_count=rules.min_count)


def find_new_words(counts: WordCounts, known: Container[str]) -> NewWords:
    """Find the words of the text that are not in `known`."""
    oov, most_frequent = 0, list[tuple[int, str]]()
    for word, count in counts.items():
        if word not in known or word in NEVER_WORDS:
            oov += count
            if word not in NEVER_WORDS:
                most_frequent.append((-count, word))
                if len(most_frequent) >= 2 * NEW_WORDS_NAMED:
                    most_frequent = heapq.nsmallest(NEW_WORDS_NAMED, most_frequent)
    named = heapq.nsmallest(NEW_WORDS_NAMED, most_frequent)
    return NewWords(oov=oov, most_frequent=[(word, -negative) for negative, word in named])
