"""What models of one mixture have in common: the tokens that they read, and the words that they know."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from typing import TYPE_CHECKING

from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.vocabulary import SPECIALS, UNKNOWN_ID, Vocabulary, choose_vocabulary
from lmctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.query.model import Model

logger = logging.getLogger(__name__)


def check_joinable(names: Sequence[str], models: Sequence[Model]) -> None:
    """Check that models can read the same tokens: words of any segmenter, or the same pieces of words.

    A piece is not a word that another model could know, because it holds the space before it.

    Args:
        names: the models, as the user typed them.
        models: the same models, opened.

    Raises:
        UsageError: one model predicts pieces of words and another one does not predict the same ones.
    """
    first = models[0].bundle.record.recipe
    for name, other in zip(names[1:], models[1:], strict=True):
        recipe = other.bundle.record.recipe
        if (first.has_pieces or recipe.has_pieces) and first.segmenter != recipe.segmenter:
            raise UsageError(
                f"{name} cannot be mixed with {names[0]}, because pieces of words must be the same in all members "
                f"({first.differences(recipe)[0]}); train both models on one prepared folder"
            )


def warn_of_other_tokens(
    names: Sequence[str], models: Sequence[Model], sentences: Sequence[Sequence[str]]
) -> None:
    """Warn of each model that was trained on other tokens than those of the first one, which cuts the text.

    Args:
        names: the models, as the user typed them.
        models: the same models, opened.
        sentences: the words of the validation text.
    """
    first = models[0].bundle
    words = Counter(itertools.chain.from_iterable(sentences))
    for name, other in zip(names[1:], models[1:], strict=True):
        differences = first.record.recipe.differences(other.bundle.record.recipe)
        if not differences and first.recipe_files() != other.bundle.recipe_files():
            differences = ["other stop words"]
        if differences:
            ids = other.vocabulary.encode(words)
            known = sum(count for count, id_ in zip(words.values(), ids, strict=True) if id_ != UNKNOWN_ID)
            logger.warning(
                "%s was trained on text that was cut otherwise (%s); the mixture cuts text as %s does, of whose "
                "words in the validation text it knows %.1f %%",
                name,
                ", ".join(differences),
                names[0],
                100 * known / max(words.total(), 1),
            )


def joined_vocabulary(vocabularies: Sequence[Vocabulary]) -> Vocabulary:
    """The words of all vocabularies, by falling sum of their counts; the first one if all have the same words."""
    first, *others = vocabularies
    if all(other.words == first.words for other in others):
        return first
    counts: Counter[str] = Counter()
    for vocabulary in vocabularies:
        for word, count in zip(vocabulary.words, vocabulary.counts, strict=True):
            counts[word] += count
    known = {word: count for word, count in counts.items() if count and word not in SPECIALS}
    # The words of an imported model have no counts. They come last, in code-point order.
    uncounted = sorted(counts.keys() - known.keys() - set(SPECIALS))
    chosen = [*choose_vocabulary(known.items(), size=None, min_count=1), *((word, 0) for word in uncounted)]
    words = (*SPECIALS, *(word for word, _ in chosen))
    return Vocabulary(words, (*(counts[word] for word in SPECIALS), *(count for _, count in chosen)))


def joined_characters(parts: Sequence[CharacterUnigram]) -> CharacterUnigram:
    """The sum of the counts of characters."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    return CharacterUnigram(counts, sum(part.words for part in parts))
