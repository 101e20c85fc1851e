"""Decides by which figure models can be compared, and says what is unlike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from lmctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.query.text_model import TextModel

Measure = Literal["perplexity", "bits_per_character"]
BlankLines = Literal["drop", "keep"]


class Likeness(NamedTuple):
    """What models have in common.

    Attributes:
        measure: the figure that compares them.
        cut_alike: whether they cut every text into the same tokens.
        reason: why perplexities are left out; None: they are not.
        notes: what makes bits per character unlike.
    """

    measure: Measure
    cut_alike: bool
    reason: str | None
    notes: list[str]


def likeness(models: Mapping[str, TextModel]) -> Likeness:
    """Compare the segmentation and the vocabularies of models with those of the first one.

    Raises:
        UsageError: a model does not predict the next word; or perplexities do not compare the models, and one
            removes stop words, so it has no bits per character.
    """
    for name, model in models.items():
        if model.gap_model is not None:
            raise UsageError(
                f"{name} fills gaps, and has no probability of a text; expected models that predict the next word "
                "(`lmctl eval` prints its pseudo-perplexity, and `lmctl eval --report` shows how it fills gaps)"
            )
    (first, baseline), *others = models.items()
    cut_otherwise = [name for name, model in others if not _cut_alike(baseline, model)]
    other_words = [name for name, model in others if not _same_words(baseline, model)]
    if not cut_otherwise and not other_words:
        return Likeness("perplexity", cut_alike=True, reason=None, notes=[])
    for name, model in models.items():
        if model.bundle.record.recipe.stop_words:
            raise UsageError(
                f"{name} leaves out stop words, so it has no bits per character; expected models of the same words"
            )
    name, has = (cut_otherwise[0], "cuts text otherwise") if cut_otherwise else (other_words[0], "has other words")
    reason = (
        f"perplexities are left out: {name} {has} than {first}, and a perplexity depends on the number of tokens "
        "and on which words are unknown"
    )
    return Likeness("bits_per_character", not cut_otherwise, reason, _notes(models))


def blank_lines_of(models: Mapping[str, TextModel]) -> BlankLines:
    """What all models do with lines without words.

    Raises:
        UsageError: they differ.
    """
    kinds = {name: model.bundle.record.recipe.blank_lines for name, model in models.items()}
    first, kind = next(iter(kinds.items()))
    for name, other in kinds.items():
        if other != kind:
            keeps, drops = (first, name) if kind == "keep" else (name, first)
            raise UsageError(f"{keeps} scores blank lines, and {drops} leaves them out; choose with --blank-lines")
    return kind


def _cut_alike(one: TextModel, other: TextModel) -> bool:
    ours, theirs = (
        (tokenizer.normalization, tokenizer.segmenter.identity, tokenizer.stop_words, tokenizer.strip_tags)
        for tokenizer in (one.tokenizer, other.tokenizer)
    )
    return ours == theirs


def _same_words(one: TextModel, other: TextModel) -> bool:
    if one.bundle.vocabulary_sha256 == other.bundle.vocabulary_sha256:
        return True
    # Other counts, as of a warm start or of another text, or another order.
    return set(one.vocabulary.words) == set(other.vocabulary.words)


def _notes(models: Mapping[str, TextModel]) -> list[str]:
    folds = {}
    for name, model in models.items():
        recipe = model.bundle.record.recipe
        folds[name] = ("lower-cases the text" if recipe.lowercase else "", recipe.normalize == "nfkc")
    if len(set(folds.values())) == 1:
        return []
    return [
        f"{name} {lowers or 'folds characters (NFKC)'} first, so its bits do not pay for what that removes"
        for name, (lowers, is_folded) in folds.items()
        if lowers or is_folded
    ]
