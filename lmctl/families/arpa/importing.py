"""Importing an ARPA file, or a KenLM trie that was built from one: making a vocabulary and tables from it.

Words get ids by falling probability, ties in code-point order, after the two special tokens. These words are
special:

    <unk> or <UNK>   id 0; log10 probability -100 if the file has none (KenLM)
    </s>             id 1, the end of a sentence; the file must have it
    <s>              id 1, the context of the first word of a sentence

Some programs have other words in their place (words.py).

N-grams with `<s>` not at the start, with `</s>` not at the end, and words with white space inside are left out,
because no text that lmctl reads contains them. If the file has an n-gram but not its context (SRILM prunes so),
the context is added with the probability that backing off gives. This changes no other probability.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END, SENTENCE_END_ID, SPECIALS, UNKNOWN, UNKNOWN_ID, Vocabulary
from lmctl.families.arpa.kenlm.trie import KenlmTrie, is_kenlm_trie
from lmctl.families.arpa.text import ArpaText
from lmctl.families.arpa.words import SENTENCE_START, SpecialWords, unescape
from lmctl.families.ngram.keyed_tables import write_keyed
from lmctl.families.ngram.keys import KeyedNgrams, make_keys
from lmctl.log10 import LN_10, natural_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.arpa.sections import NgramFile, Section
    from lmctl.families.ngram.sizes import NgramSizes


logger = logging.getLogger(__name__)

# The probability of an unknown word if the file has none: KenLM's default.
LOG10_UNKNOWN = -100.0


@dataclass(frozen=True, slots=True)
class ArpaReading:
    """Settings for reading an ARPA file or a KenLM trie.

    Attributes:
        encoding: the encoding of the words.
        positive: whether log probabilities above 0 are read as 0; else they are errors.
        specials: the special words of the file.
    """

    encoding: str = "utf-8"
    positive: bool = False
    specials: SpecialWords = field(default_factory=SpecialWords)


def read_arpa(
    path: str,
    folder: Path,
    reading: ArpaReading | None = None,
    on_bytes: Callable[[int], object] = lambda _bytes: None,
) -> tuple[Vocabulary, NgramSizes]:
    """Read an ARPA file or a KenLM trie, and write its tables into a folder.

    Args:
        path: the file, compressed or not; "-" for standard input. A trie is a file that is not compressed.
        folder: the folder for the tables.
        reading: settings; None: the defaults.
        on_bytes: called with the number of decompressed bytes that were read since the last call.

    Returns:
        The vocabulary, all counts 0, and the sizes of the tables.

    Raises:
        InputMissingError: there is no such file.
        DataError: the file is neither of them, or damaged; the message states the line and what was expected
            there.
    """
    reading = reading or ArpaReading()
    parse = KenlmTrie if is_kenlm_trie(path) else ArpaText
    file: NgramFile = parse(path, encoding=reading.encoding, positive=reading.positive, on_bytes=on_bytes)
    vocabulary, ids = _choose_ids(file, reading.specials)
    tables = KeyedNgrams(len(vocabulary), {}, {}, {})
    _fill_unigrams(tables, file, ids)
    lines = sum(map(len, file.sections[1:]))
    rows = {section.order: _Rows.of(section, ids, len(vocabulary)) for section in file.sections[1:]}
    file.sections.clear()
    if left_out := lines - sum(map(len, rows.values())):
        logger.warning(
            "%s: left out %d n-grams: <s> inside, </s> before the end, or a word that is empty or has white space",
            file.source,
            left_out,
        )
    if missing := _fill(tables, rows, file):
        for order, words in missing.items():
            rows[order] = rows[order].with_contexts(words)
        _fill(tables, rows, file)
        put_in = _back_off(tables)
        logger.warning("%s: put in %d contexts that the file leaves out", file.source, put_in)
    del tables.backoffs[max(tables.log_probs)]
    return vocabulary, write_keyed(tables, folder)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The n-grams of one order, in the order of the file.

    Attributes:
        words: ids, (rows, order).
        log_probs: natural log probabilities, (rows,); NaN for contexts that the file does not have.
        backoffs: natural log back-off weights, (rows,).
        places: where they stand in the file, (rows,).
    """

    words: IntArray
    log_probs: Float32Array
    backoffs: Float32Array
    places: IntArray

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def of(cls, section: Section, ids: IntArray, vocabulary_size: int) -> _Rows:
        """The n-grams of a section that can occur in a text.

        Args:
            section: the section.
            ids: the id of each word of the file (`_choose_ids`).
            vocabulary_size: V.
        """
        words = ids[section.words].reshape(-1, section.order)
        # In `ids`, V stands for `<s>`, and V + 1 for words that are left out.
        kept = (words[:, 1:] < vocabulary_size).all(axis=1) & (words[:, :-1] != SENTENCE_END_ID).all(axis=1)
        kept &= words[:, 0] <= vocabulary_size
        words = words[kept]
        words[words[:, 0] == vocabulary_size, 0] = SENTENCE_END_ID
        return cls(
            words.astype(np.uint32),
            natural_of(section.log10_probs)[kept],
            natural_of(section.log10_backoffs)[kept],
            section.places[kept],
        )

    def with_contexts(self, words: IntArray) -> _Rows:
        """Append contexts that the file does not have, (contexts, order)."""
        rows = len(words)
        return _Rows(
            np.concatenate([self.words, words]),
            np.concatenate([self.log_probs, np.full(rows, np.nan, dtype=np.float32)]),
            np.concatenate([self.backoffs, np.zeros(rows, dtype=np.float32)]),
            np.concatenate([self.places, np.zeros(rows, dtype=np.uint64)]),
        )


def _choose_ids(file: NgramFile, named: SpecialWords) -> tuple[Vocabulary, IntArray]:
    """Make the vocabulary.

    Returns:
        The vocabulary, and the id of each word of the file: V for `<s>`, and V + 1 for a word that is left out.
    """
    unigrams = file.sections[0]
    spelled = file.words
    numbers = {word: number for number, word in enumerate(spelled)}
    found = named.found_in(numbers, file.source)
    for word, there, meaning in (
        (UNKNOWN, found.unknown, f"log10 {LOG10_UNKNOWN:g}"),
        (SENTENCE_START, found.start, "a back-off of 0"),
    ):
        if there is None:
            logger.warning("%s: no %s among the unigrams; it has %s", file.source, word, meaning)
    specials = {found.unknown, found.start, found.end}
    words = [unescape(word) for word in spelled] if file.is_escaped else spelled
    # A token of lmctl never has white space of any script inside.
    askable = [
        number for number, word in enumerate(words) if spelled[number] not in specials and word.split() == [word]
    ]
    askable.sort(key=lambda number: (-unigrams.log10_probs[number], words[number]))
    vocabulary = [UNKNOWN, SENTENCE_END, *(words[number] for number in askable)]
    ids = np.full(len(words), len(vocabulary) + 1, dtype=np.int64)
    ids[askable] = np.arange(len(SPECIALS), len(vocabulary))
    for special, token_id in (
        (found.unknown, UNKNOWN_ID),
        (found.end, SENTENCE_END_ID),
        (found.start, len(vocabulary)),
    ):
        if special is not None:
            ids[numbers[special]] = token_id
    return Vocabulary(vocabulary, [0] * len(vocabulary)), ids


def _fill_unigrams(tables: KeyedNgrams, file: NgramFile, ids: IntArray) -> None:
    size = tables.vocabulary_size
    section = file.sections[0]
    # Two more places are for `<s>` and for words that are left out.
    log_probs = np.full(size + 2, LOG10_UNKNOWN * LN_10, dtype=np.float32)
    backoffs = np.zeros(size + 2, dtype=np.float32)
    log_probs[ids], backoffs[ids] = natural_of(section.log10_probs), natural_of(section.log10_backoffs)
    backoffs[SENTENCE_END_ID] = backoffs[size]
    tables.log_probs[1], tables.backoffs[1] = log_probs[:size], backoffs[:size]


def _fill(tables: KeyedNgrams, rows: dict[int, _Rows], file: NgramFile) -> dict[int, IntArray]:
    """Sort n-grams into tables, from order 2 on.

    Returns:
        The contexts that are missing, by order, (contexts, order) ids; empty if none are.

    Raises:
        DataError: the file has an n-gram twice.
    """
    missing: dict[int, list[IntArray]] = {}
    for order, of_order in rows.items():
        contexts = tables.places(of_order.words[:, :-1])
        there = contexts >= 0
        for length in range(2, order) if not there.all() else ():
            prefixes = np.unique(of_order.words[~there, :length], axis=0)
            missing.setdefault(length, []).append(prefixes[tables.places(prefixes) < 0])
        places = np.flatnonzero(there)
        keys = make_keys(contexts[there], of_order.words[there, -1], tables.word_bits)
        # A stable sort keeps an n-gram of the file before an added context with the same words.
        rising = np.argsort(keys, kind="stable")
        keys, places = keys[rising], places[rising]
        again = np.flatnonzero(keys[1:] == keys[:-1]) + 1
        if (twice := again[~np.isnan(of_order.log_probs[places[again]])]).size:
            raise file.fault(of_order.places[places[twice[0]]], "this n-gram is in the file a second time")
        tables.keys[order] = np.delete(keys, again)
        tables.log_probs[order] = np.delete(of_order.log_probs[places], again)
        tables.backoffs[order] = np.delete(of_order.backoffs[places], again)
    return {
        length: np.unique(np.concatenate(of_length), axis=0)
        for length, of_length in missing.items()
        if any(map(len, of_length))
    }


def _back_off(tables: KeyedNgrams) -> int:
    """Set the probabilities of added contexts to those that backing off gives; returns their number."""
    put_in = 0
    for order, log_probs in tables.log_probs.items():
        places = np.flatnonzero(np.isnan(log_probs))
        # The n-grams themselves are not numbers yet, so shorter ones give their probabilities.
        found = tables.log_probs_of(tables.words(order, places))
        log_probs[places] = np.minimum(found, 0.0)
        put_in += len(places)
    return put_in
