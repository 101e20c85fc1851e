"""Trials of a study without processes: curves by hand, and n-grams whatever the family is. Workers import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmctl.config import read_settings
from lmctl.jobs.train.run import train
from lmctl.jobs.tune.trial_process import TrialEnd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmctl.jobs.cluster.steered_side import Steering
    from lmctl.jobs.tune.trial_process import TrialCommand

Curves = dict[int, list[float]]


def points_of(curves: Mapping[int, Sequence[float]], command: TrialCommand) -> Iterator[dict[str, Any]]:
    """The events of the curve of a trial, by its number; a trial without one has none."""
    for point, perplexity in enumerate(curves.get(int(command.model.name), ()), start=1):
        yield {"event": "curve_point", "point": point, "points": 4, "valid_perplexity": perplexity}


def count_ngrams(command: TrialCommand) -> None:
    """Publish a model for a trial. Orders 1, 2, ... give each trial another perplexity."""
    order = 1 + int(command.model.name) % 4
    settings = read_settings(assignments=["model.family=ngram", f"model.order={order}"])
    train([str(command.corpus)], command.model, settings)


class SimulatedTrial:
    """Runs a trial on a worker of a cluster. It does not hear that it is to be cut off before it has ended."""

    def __init__(self, curves: Curves) -> None:
        self._curves = curves

    def __call__(self, command: TrialCommand, steering: Steering) -> TrialEnd:
        for event in points_of(self._curves, command):
            steering.report(event)
        count_ngrams(command)
        return TrialEnd()
