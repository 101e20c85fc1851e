"""The results of a comparison of models, of which docs/comparing.md describes every figure."""

from __future__ import annotations

import msgspec

from lmctl.query.bootstrap import Interval
from lmctl.query.groups import By
from lmctl.query.likeness import Measure
from lmctl.query.metrics import Figures
from lmctl.query.units import Unit


class ModelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a model.

    Attributes:
        model: its name.
        figures: as `evaluate_file` returns them.
        interval: of the figure that compares the models.
        tokens_per_second: tokens that were scored in a second, with ranks if there are accuracies.
        bytes: size of its files.
        parameters: number of its parameters.
    """

    model: str
    figures: Figures
    interval: Interval
    tokens_per_second: float
    bytes: int
    parameters: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How much the figure of a model differs from that of the first one.

    Attributes:
        model: name of the model.
        baseline: name of the first model.
        difference: of the figures; below 0 if the model is better. None: both are infinite.
        interval: of the difference; None: there is no difference.
        p: two-sided p-value of no difference; None: there is no difference.
        p_holm: `p`, corrected for the number of models that are compared with the first one.
    """

    model: str
    baseline: str
    difference: float | None
    interval: Interval | None
    p: float | None
    p_holm: float | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of a group of tokens under a model.

    Attributes:
        by: what groups are made by.
        group: name of the group.
        model: name of the model.
        tokens: number of tokens in the group; of models that cut text differently, of common pieces.
        bits: sum of their bits.
        bits_per_token: the mean.
        difference_bits: the mean, less that of the first model; None for the first model.
        interval: of `difference_bits`; its units are those that have tokens of the group. None: there is only one,
            or no difference, or no intervals were asked for.
        share: part of the difference of all tokens that is in this group; below 0 if the group differs the other
            way. None for the first model, or if there is no difference.
    """

    by: By
    group: str
    model: str
    tokens: int
    bits: float
    bits_per_token: float
    difference_bits: float | None
    interval: Interval | None
    share: float | None


class TokenDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A token whose cost differs much from that under the first model.

    Attributes:
        model: name of the model.
        line: number of its line in the text, from 1.
        position: its place in the sentence, from 1.
        before: the end of the text before it in the line.
        word: the token as it is written in the text; `</s>` for the end of the sentence.
        after: the start of the text after it.
        bits: its bits under the model.
        baseline_bits: its bits under the first model.
        difference_bits: the difference; above 0 if the first model is better.
    """

    model: str
    line: int
    position: int
    before: str
    word: str
    after: str
    bits: float
    baseline_bits: float
    difference_bits: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Models compared on one text. The first model is the baseline.

    Attributes:
        file: name of the text.
        measure: the figure that compares the models.
        reason: why perplexities are left out; None: they are not.
        notes: what else a reader should know.
        unit: what was drawn in resamples; see `unit_of_sentences`.
        models: figures of each model.
        differences: of each model from the first one.
        groups: cost of groups of tokens, for each grouping and group under each model.
        tokens: of each model, the tokens with the largest differences from the first one, the largest first.
    """

    file: str
    measure: Measure
    reason: str | None
    notes: list[str]
    unit: Unit
    models: list[ModelFigures]
    differences: list[Difference]
    groups: list[Group]
    tokens: list[TokenDifference]
