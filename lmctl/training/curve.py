"""The validation curve: scores of the beginning of the validation text while training goes on.

An epoch of a long text may take most of the training. The curve shows earlier how a training comes along, so that
`lmctl tune` can end a bad one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmctl.deadline import NEVER
from lmctl.perplexity import perplexity_of
from lmctl.training.events import CurvePoint
from lmctl.training.validation import Validation

if TYPE_CHECKING:
    from lmctl.training.checkpoint import Progress
    from lmctl.training.plan import Plan
    from lmctl.training.setup import Setup

# The same tokens are scored for every configuration, so that curves can be compared.
CURVE_TOKENS = 20_000


class Curve:
    """Scores the beginning of the validation text at even shares of the planned training.

    Args:
        setup: the network and its corpus.
        points: number of parts of the planned training; a point stands between two of them. 0: there is none.
        share_done: share of the plan that an interrupted run has done.
    """

    def __init__(self, setup: Setup, points: int, share_done: float = 0.0) -> None:
        self._setup = setup
        self._points = points if len(setup.corpus.valid) else 0
        self._fills_gaps = not setup.config.family.predicts_next_word
        self._validation = Validation(setup.corpus, setup.config, setup.steps, setup.clock, CURVE_TOKENS)
        self._last = self._point_at(share_done)

    def seconds(self) -> float:
        """Estimate the seconds of all points."""
        return (self._points - 1) * self._validation.seconds() if self._points > 1 else 0.0

    def next_point(self, plan: Plan, progress: Progress) -> CurvePoint | None:
        """Score the text if a step has completed a part of the plan; else None."""
        point = self._point_at(plan.share_done)
        if point <= self._last or point >= self._points:
            return None
        self._last = point
        average = self._setup.average
        if average is not None:
            average.swap()
        validated = self._validation.score(NEVER)
        if average is not None:
            average.swap()
        nats = math.inf if validated is None else validated.nats_per_token()
        return CurvePoint(
            point=point,
            points=self._points,
            step=progress.step,
            tokens=progress.tokens + progress.epoch_tokens,
            valid_perplexity=None if self._fills_gaps else perplexity_of(nats),
            valid_masked_cross_entropy_nats=nats if self._fills_gaps else None,
        )

    def _point_at(self, share_done: float) -> int:
        return int(share_done * self._points)
