"""`lmctl import` of a network of another program, whose words are in a list beside it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl import families
from lmctl.corpus.vocabulary import SENTENCE_END, SPECIALS, UNKNOWN, Vocabulary
from lmctl.errors import DataError, UsageError, quoted
from lmctl.jobs.importing import Imported, publish_imported
from lmctl.store.verification import verify_bundle
from lmctl.text.reading import read_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import IntArray
    from lmctl.config import Settings

logger = logging.getLogger(__name__)

# Spellings of the unknown word and of the end of a sentence in the lists of other programs, the first one first.
UNKNOWN_SPELLINGS = (UNKNOWN, "<UNK>", "[UNK]", "<oov>", "<OOV>")
END_SPELLINGS = (SENTENCE_END, "<eos>", "<EOS>", "[EOS]")


def import_network(
    path: str,
    format: str,
    word_list: str,
    output: Path,
    settings: Settings,
    *,
    unknown: str | None = None,
    end: str | None = None,
) -> Path:
    """Make a model of a network of another program, and publish it as the next generation.

    Args:
        path: path of the file.
        format: one of the `import_formats` of a family.
        word_list: path of a text file with a word on each line, in the order of the network's token ids. If it has
            one line fewer than the network has ids, id 0 is padding, as in Keras's text preprocessing.
        output: the model folder.
        settings: see `publish_imported`.
        unknown: the unknown word in the list; None: it is found by its usual spellings.
        end: the word that ends a sentence; None: it is found by its usual spellings.

    Returns:
        The folder of the published generation.

    Raises:
        UsageError: a setting has no effect on an imported model.
        LmctlError: a file is missing or damaged, the list does not fit the network, or another run holds the lock.
    """
    family = next(each for each in families.every() if format in each.import_formats)

    def read(_place: Path) -> Imported:
        model = family.read_foreign(Path(path), format)
        words = [line.strip() for line in read_lines(word_list)]
        vocabulary, rows = _vocabulary(word_list, words, model.vocabulary_size, unknown, end)
        sizes, config, weights = model.in_own_form(rows)
        return Imported(family, vocabulary, sizes, config, weights=weights)

    return publish_imported(
        path, output, settings, read, lambda bundle: families.load_model(verify_bundle(bundle.folder))
    )


def _vocabulary(
    source: str, words: Sequence[str], size: int, unknown: str | None, end: str | None
) -> tuple[Vocabulary, IntArray]:
    """The vocabulary, and the network's id of each of its words; -1: the network has no such word."""
    if len(words) not in (size, size - 1):
        raise DataError(
            f"{source}: {len(words):,} words; the network has {size:,} token ids, of which one may be padding"
        )
    padding = size - len(words)
    ids: dict[str, int] = {}
    for number, word in enumerate(words):
        if word in ids:
            raise DataError(f"{source}: {quoted(word, 40)} is on line {ids[word] + 1} and on line {number + 1}")
        if word.split() != [word]:
            raise DataError(f"{source}: line {number + 1}: expected a word, got {quoted(word, 40)}")
        ids[word] = number
    found = [
        _special(source, ids, given, spellings, option)
        for given, spellings, option in (
            (unknown, UNKNOWN_SPELLINGS, "--unk"),
            (end, END_SPELLINGS, "--eos"),
        )
    ]
    ordinary = [word for word in words if word not in found]
    if taken := [word for word in ordinary if word in SPECIALS]:
        raise DataError(f"{source}: {taken[0]} is a word beside the one that --unk or --eos names")
    rows = [ids[word] + padding if word is not None else -1 for word in (*found, *ordinary)]
    vocabulary = Vocabulary((*SPECIALS, *ordinary), (0,) * (len(ordinary) + len(SPECIALS)))
    return vocabulary, np.array(rows)


def _special(
    source: str, ids: dict[str, int], given: str | None, spellings: Sequence[str], option: str
) -> str | None:
    """A special word of the list; None: it has none, which is warned of."""
    if given is not None:
        if given not in ids:
            raise UsageError(f"{option}: {quoted(given, 40)} is not in {source}")
        return given
    found = next((spelling for spelling in spellings if spelling in ids), None)
    if found is None:
        what = "unknown word" if option == "--unk" else "word that ends a sentence"
        logger.warning(
            "%s: no %s such as %s; its probability is next to nothing (%s names one)",
            source,
            what,
            spellings[0],
            option,
        )
    return found
