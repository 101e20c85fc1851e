"""Compares models on a text: their figures, whether they differ by more than chance, and where.

Each model scores the text once, as `evaluate_file` does. Everything else follows from the scores of the tokens.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.errors import DataError, UsageError
from lmctl.query.bootstrap import Resampling, check_units, holm, interval_of, p_value, resampled_together
from lmctl.query.common_pieces import TextSource, common_pieces, tokens_as_pieces
from lmctl.query.compared import Comparison, Difference, ModelFigures
from lmctl.query.evaluation import evaluate_file
from lmctl.query.group_differences import groups_of, sums_of_units
from lmctl.query.groups import Traits, groupings
from lmctl.query.largest_differences import largest_differences
from lmctl.query.likeness import blank_lines_of, likeness
from lmctl.query.scored_text import Collector
from lmctl.query.units import unit_of_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float64Array, Int64Array
    from lmctl.query.common_pieces import Pieces
    from lmctl.query.likeness import BlankLines, Measure
    from lmctl.query.metrics import Figures
    from lmctl.query.scored_text import ScoredText
    from lmctl.query.text_model import TextModel
    from lmctl.query.units import Unit


def compare_models(
    models: Mapping[str, TextModel],
    source: TextSource,
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: BlankLines | None = None,
    accuracy_at: Sequence[int] = (1,),
    threads: int = 0,
    unit: Unit = "line",
    resampling: Resampling | None = None,
    group_intervals: bool = True,
    tokens: int = 100,
) -> Comparison:
    """Compare models of the next word on a text.

    Models that cut text into the same tokens and have the same words are compared by perplexity, others by bits
    per character of the same text.

    Args:
        models: two models or more by name; the first one is the baseline.
        source: the text, which is read for each model.
        state: as in `evaluate_file`.
        blank_lines: as in `evaluate_file`; None: as in training, which must be the same for all models.
        accuracy_at: as in `evaluate_file`. Ranks take several times as long as the rest.
        threads: as in `evaluate_file`.
        unit: what is drawn in resamples; see `unit_of_sentences`.
        resampling: of the intervals and p-values; None: the defaults.
        group_intervals: whether the differences of groups have intervals.
        tokens: largest number of tokens whose differences are reported for each model.

    Raises:
        UsageError: there are fewer than two models, or they cannot be compared.
        DataError: the text has no sentences, or fewer than two units, or has changed meanwhile.
    """
    if len(models) < 2:
        raise UsageError(f"a comparison needs two models or more, got {len(models)}")
    resampling = resampling or Resampling()
    alike = likeness(models)
    blank_lines = blank_lines or blank_lines_of(models)
    scored = [
        _score(model, source, state=state, blank_lines=blank_lines, accuracy_at=accuracy_at, threads=threads)
        for model in models.values()
    ]
    names, every, texts = list(models), list(models.values()), [each.text for each in scored]
    _check_same_lines(names, texts, source)
    unit_of = unit_of_sentences(texts[0], unit)
    units = int(unit_of[-1]) + 1
    check_units(units, source.path, unit if isinstance(unit, str) else f"block of {unit} lines")
    pieces = tokens_as_pieces(texts[0], len(texts)) if alike.cut_alike else common_pieces(every, texts, source)
    spelling = alike.measure == "bits_per_character"
    bits = np.array([pieces.sums(text.bits(spelling=spelling), place) for place, text in enumerate(texts)])
    traits, notes = _traits(models, texts, pieces, state, threads)
    divided = list(groupings(traits))
    of_groups = [sums_of_units(divided, bits, unit_of[pieces.sentences])] if group_intervals else []
    # One drawing for both, so that groups are compared on the resamples of the whole text.
    whole, *drawn_groups = resampled_together(
        [_sums_of_units(alike.measure, texts, unit_of), *of_groups], resampling
    )
    resamples = _measured(alike.measure, whole.T)
    figures = [
        ModelFigures(
            model=name,
            figures=each.figures,
            interval=interval_of(drawn, resampling, units),
            tokens_per_second=each.tokens_per_second,
            bytes=model.bundle.size_bytes(),
            parameters=model.bundle.parameters(),
        )
        for (name, model), each, drawn in zip(models.items(), scored, resamples, strict=True)
    ]
    return Comparison(
        file=source.path,
        measure=alike.measure,
        reason=alike.reason,
        notes=[*alike.notes, *_dynamic_notes(models), *notes],
        unit=unit,
        models=figures,
        differences=_differences(alike.measure, figures, resamples, resampling),
        groups=list(
            groups_of(
                names,
                divided,
                bits,
                (of_groups[0], drawn_groups[0]) if group_intervals else None,
                resampling,
            )
        ),
        tokens=largest_differences(names, every[0], texts[0], pieces, bits, source, tokens),
    )


class _Scored(NamedTuple):
    """A text under one model."""

    text: ScoredText
    figures: Figures
    tokens_per_second: float


def _score(
    model: TextModel,
    source: TextSource,
    *,
    state: Literal["reset", "carry"],
    blank_lines: BlankLines,
    accuracy_at: Sequence[int],
    threads: int,
) -> _Scored:
    """Score the text once; see `compare_models` for the arguments."""
    collector = Collector(None if model.bundle.record.recipe.stop_words else model.characters, model.length_of)
    began = time.perf_counter()
    figures = evaluate_file(
        model,
        source.path,
        state=state,
        blank_lines=blank_lines,
        accuracy_at=accuracy_at,
        encoding=source.encoding,
        errors=source.errors,
        text_format=source.text_format,
        threads=threads,
        on_sentence=collector,
    )
    return _Scored(collector.text(), figures, figures.tokens / (time.perf_counter() - began))


def _check_same_lines(names: Sequence[str], texts: Sequence[ScoredText], source: TextSource) -> None:
    """Refuse a text some lines of which have words for one model and none for another."""
    first, *others = (set(text.lines.tolist()) for text in texts)
    for name, lines in zip(names[1:], others, strict=True):
        if first != lines:
            line = min(first ^ lines)
            without, having = (names[0], name) if line in lines else (name, names[0])
            raise DataError(
                f"{source.path}: line {line}: has words for {having}, and none for {without}; compare them with "
                "--blank-lines keep"
            )


def _sums_of_units(measure: Measure, texts: Sequence[ScoredText], unit_of: Int64Array) -> Float64Array:
    """For each model, the costs and the sizes whose quotient compares the models, by unit, (U, 2 M).

    Args:
        measure: the figure.
        texts: the text under each model.
        unit_of: the unit of each sentence, from 0, (S,).
    """
    sums = []
    for text in texts:
        if measure == "perplexity":
            costs, sizes = text.nats, np.diff(text.ends, prepend=0)
        else:
            costs, sizes = text.bits(spelling=True), text.characters
        sums += [np.bincount(unit_of, np.add.reduceat(costs, text.starts)), np.bincount(unit_of, sizes)]
    return np.array(sums, dtype=np.float64).T


def _measured(measure: Measure, drawn: Float64Array) -> Float64Array:
    """The figure of each model in each resample, (M, samples), given its sums, (2 M, samples)."""
    means: Float64Array = drawn[::2] / drawn[1::2]
    if measure == "bits_per_character":
        return means
    with np.errstate(over="ignore"):
        return np.exp(means)


def _differences(
    measure: Measure, figures: Sequence[ModelFigures], resamples: Float64Array, resampling: Resampling
) -> list[Difference]:
    """The difference of each model from the first one, in the text and in resamples, (M, samples)."""
    first, *others = (getattr(each.figures, measure) for each in figures)
    found = []
    for each, value, drawn in zip(figures[1:], others, resamples[1:], strict=True):
        none = Difference(
            model=each.model, baseline=figures[0].model, difference=None, interval=None, p=None, p_holm=None
        )
        # Not a number: both are infinite.
        if math.isnan(value - first):
            found.append(none)
            continue
        differences = drawn - resamples[0]
        found.append(
            msgspec.structs.replace(
                none,
                difference=value - first,
                interval=interval_of(differences, resampling, each.interval.units),
                p=p_value(differences),
            )
        )
    corrected = iter(holm([each.p for each in found if each.p is not None]))
    return [each if each.p is None else msgspec.structs.replace(each, p_holm=next(corrected)) for each in found]


def _dynamic_notes(models: Mapping[str, TextModel]) -> list[str]:
    return [
        f"{name} goes on learning from the text (dynamic evaluation, rate {model.dynamic_rate:g})"
        for name, model in models.items()
        if model.dynamic_rate is not None
    ]


def _traits(
    models: Mapping[str, TextModel],
    texts: Sequence[ScoredText],
    pieces: Pieces,
    state: Literal["reset", "carry"],
    threads: int,
) -> tuple[Traits, list[str]]:
    """What pieces are grouped by, and notes on what they are not."""
    (name, first), text = next(iter(models.items())), texts[0]
    notes = []
    in_training, counts = np.array(first.vocabulary.counts, dtype=np.int64), None
    if in_training.any():
        counts = pieces.least(in_training[text.token_ids], 0)
    else:
        notes.append(f"by frequency: {name} does not know how often words came in its training text")
    ngrams = None
    for place, (other, model) in enumerate(models.items()):
        ngram_model = model.language_model.ngram_model()
        if ngram_model is not None:
            ngrams = pieces.least(texts[place].ngram_lengths(ngram_model, state, threads), place)
            notes.append(f"by n-gram: {other} tells which n-grams its training text has")
            break
    else:
        notes.append("by n-gram: no model has n-grams, so it is not known which contexts the training text has")
    is_end = np.zeros(len(pieces.lengths), dtype=np.bool_)
    is_end[pieces.last] = True
    return Traits(
        counts=counts,
        is_oov=pieces.any(text.token_ids == UNKNOWN_ID, 0),
        is_end=is_end,
        positions=pieces.positions,
        lengths=pieces.lengths,
        ngrams=ngrams,
    ), notes
