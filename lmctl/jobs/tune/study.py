"""A study: which configurations were tried, which one comes next, and which trials are cut off. Optuna decides.

Only this module imports Optuna. The study is a SQLite database, which holds every trial from its first moment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sqlite3
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lmctl.errors import DataError, LmctlError, MissingExtraError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import optuna

    from lmctl.config.spaces import Dimension, Space, Value
    from lmctl.jobs.watching.tuning_events import TrialState

NAME = "lmctl"
# The first trials are drawn at random; the very first one is the preset.
RANDOM_TRIALS = 5
# Points of a trial's curve. Halving compares at one and at two of four parts of the training; there, the better
# half of the trials that have come so far goes on.
CURVE_POINTS, FIRST_RUNG, REDUCTION = 4, 1, 2
# Digits of a number that is tried. More would only make the settings longer. A range with a step has all digits of
# its steps, without what adding them up in binary leaves.
DIGITS, DIGITS_OF_STEPS = 4, 12
# Fewest trials that were trained to their end, from which importances are computed.
FEWEST_COMPARED = 4
# Equal configurations in a row after which a space counts as exhausted.
MOST_REPEATS = 100

_WHY, _SECONDS, _FIGURES, _STATE = "why", "seconds", "figures", "state"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial.

    Attributes:
        number: from 0.
        values: the values of the keys that vary.
        state: how it ended; None: it is in progress.
        perplexity: of the whole validation text, or of its last point; None: there is none.
        points: perplexities of its curve, by point.
        seconds: the time that it took; 0 if it is not known.
        why: a message about a trial that failed or is too large.
        figures: the figures that are limited.
        ended: when it ended, in seconds since the epoch; 0 if it is in progress.
    """

    number: int
    values: dict[str, Value]
    state: TrialState | None = None
    perplexity: float | None = None
    points: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    why: str | None = None
    figures: dict[str, float] = field(default_factory=dict)
    ended: float = 0.0


def require_optuna() -> None:
    """Check that Optuna is installed, without importing it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("tuning needs Optuna, which is not installed: pip install 'lmctl[tune]'")


class Study:
    """The trials of a study.

    Args:
        database: path of its file; it is made if it is missing.
        space: the keys that vary.
        seed: seed of the choice of configurations.
        first: values that are tried first, of keys of the space.
        random: whether configurations are drawn at random, without a model of the results, and no trial is cut.

    Raises:
        DataError: the file is damaged, or another version of Optuna wrote it.
        StorageError: the file cannot be read or written.
    """

    def __init__(
        self, database: Path, space: Space, seed: int, first: Mapping[str, Value], *, random: bool = False
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._database = database
        self._dimensions = {each.path: each for each in space.dimensions}
        self._distributions = {each.path: _distribution(each) for each in space.dimensions}
        self._seed = seed
        self._random = random
        with self._checked():
            self._storage = optuna.storages.RDBStorage(
                # A path may have characters that an address must not have.
                "sqlite://",
                engine_kwargs={"creator": lambda: sqlite3.connect(database, timeout=60, check_same_thread=False)},
            )
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=NAME,
                direction="minimize",
                load_if_exists=True,
                pruner=optuna.pruners.NopPruner()
                if random
                else optuna.pruners.SuccessiveHalvingPruner(
                    min_resource=FIRST_RUNG, reduction_factor=REDUCTION, min_early_stopping_rate=0
                ),
            )
            # A kill may have come between the study and its first trial.
            if not self._study.get_trials(deepcopy=False) and (known := self._contained(first)):
                self._study.enqueue_trial(known)

    def interrupted(self) -> list[Trial]:
        """The trials that a kill or a signal interrupted, in their order. None must run now."""
        found = []
        with self._checked():
            for frozen in self._found("RUNNING"):
                if self._dimensions.keys() <= frozen.params.keys():
                    found.append(self._trial(frozen))
                else:
                    # A kill came before all values were chosen.
                    self._set_aside(frozen.number)
        return found

    def next(self) -> Trial | None:
        """Choose the next configuration, and begin its trial; None if the space has no other.

        Trials may run at the same time. The choice then counts the running ones as bad, so that it does not
        fall next to them (`constant_liar`).
        """
        import optuna

        with self._checked():
            running = [self._trial(frozen) for frozen in self._found("RUNNING")]
        known = [trial.values for trial in [*self.trials(), *running]]
        for _ in range(MOST_REPEATS):
            with self._checked(), _quietly():
                # The choice depends on the trials so far, not on the process that makes it.
                seed = (self._seed + 7919 * len(self._study.get_trials(deepcopy=False))) % 2**32
                self._study.sampler = (
                    optuna.samplers.RandomSampler(seed=seed)
                    if self._random
                    else optuna.samplers.TPESampler(
                        seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=bool(running)
                    )
                )
                asked = self._study.ask(self._distributions)
                trial = Trial(asked.number, self._rounded(asked.params))
                if trial.values not in known:
                    return trial
                self._set_aside(asked.number)
        return None

    def report(self, trial: Trial, point: int, perplexity: float) -> bool:
        """Record a point of a trial's curve, and return whether halving ends the trial there."""
        with self._checked():
            handle = self._handle(trial)
            trial.points[point] = perplexity
            handle.report(perplexity, point)
            return handle.should_prune()

    def end(
        self,
        trial: Trial,
        state: TrialState,
        *,
        perplexity: float | None = None,
        seconds: float = 0.0,
        why: str | None = None,
        figures: Mapping[str, float] | None = None,
        excess: Mapping[str, float] | None = None,
    ) -> Trial:
        """Record the end of a trial.

        Args:
            trial: the trial.
            state: how it ended.
            perplexity: its perplexity on the whole validation text, if it is known.
            seconds: the time that it took.
            why: a message about a trial that failed or is too large.
            figures: the figures that are limited.
            excess: by which share each of them exceeds its limit.

        Returns:
            The trial as it is recorded.
        """
        import optuna

        with self._checked():
            handle = self._handle(trial)
            for name, value in (
                (_STATE, state),
                (_SECONDS, seconds),
                (_WHY, why),
                (_FIGURES, dict(figures or {})),
            ):
                handle.set_user_attr(name, value)
            for name, share in (excess or {}).items():
                handle.set_constraint(name, share)
            is_known = perplexity is not None and state in ("done", "too_large")
            self._study.tell(
                trial.number,
                perplexity if is_known else None,
                state=optuna.trial.TrialState.COMPLETE if is_known else optuna.trial.TrialState.PRUNED,
            )
        return next(each for each in self.trials() if each.number == trial.number)

    def trials(self) -> list[Trial]:
        """The trials that have ended, without repetitions, in their order."""
        with self._checked():
            return [self._trial(frozen) for frozen in self._found("COMPLETE", "PRUNED")]

    def best(self) -> Trial | None:
        """The trial with the lowest perplexity within the limits; None if none was trained to its end."""
        done = [trial for trial in self.trials() if trial.state == "done" and trial.perplexity is not None]
        return min(done, key=lambda trial: (trial.perplexity, trial.number), default=None)

    def importances(self) -> dict[str, float]:
        """The share of each key in the differences between the trials that were trained to their end (PED-ANOVA).

        Watanabe et al., PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces, 2023.
        Empty if there are too few trials.
        """
        import optuna

        if len([trial for trial in self.trials() if trial.state == "done"]) < FEWEST_COMPARED:
            return {}
        with self._checked(), _quietly():
            shares = optuna.importance.get_param_importances(self._study)
        return {key: float(share) for key, share in shares.items()}

    def close(self) -> None:
        """Close the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _found(self, *states: str) -> list[optuna.trial.FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False)
        return [each for each in trials if each.state.name in states]

    def _set_aside(self, number: int) -> None:
        """End a trial that is not run."""
        import optuna

        self._study.tell(number, state=optuna.trial.TrialState.FAIL)

    def _handle(self, trial: Trial) -> optuna.trial.Trial:
        """Optuna's object of a trial, also of one that another process began."""
        import optuna

        study_id = self._storage.get_study_id_from_name(NAME)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        return optuna.trial.Trial(self._study, trial_id)

    def _trial(self, frozen: optuna.trial.FrozenTrial) -> Trial:
        attributes: dict[str, Any] = frozen.user_attrs
        points = dict(frozen.intermediate_values)
        perplexity = frozen.value if frozen.state.name == "COMPLETE" else points.get(max(points, default=0))
        return Trial(
            number=frozen.number,
            values=self._rounded(frozen.params),
            state=attributes.get(_STATE),
            perplexity=perplexity,
            points=points,
            seconds=attributes.get(_SECONDS, 0.0),
            why=attributes.get(_WHY),
            figures=attributes.get(_FIGURES, {}),
            ended=0.0 if frozen.datetime_complete is None else frozen.datetime_complete.timestamp(),
        )

    def _rounded(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The values that are tried: numbers have a few digits, and stay within their range."""
        rounded: dict[str, Value] = {}
        for path, dimension in self._dimensions.items():
            value = values[path]
            if dimension.kind == "number":
                digits = DIGITS if dimension.step is None else DIGITS_OF_STEPS
                value = min(max(float(f"{value:.{digits}g}"), dimension.low), dimension.high)
            rounded[path] = value
        return rounded

    def _contained(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {path: value for path, value in values.items() if self._dimensions[path].contains(value)}

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """Turn errors of the database into one line."""
        import optuna
        import sqlalchemy.exc

        try:
            yield
        except (sqlite3.Error, sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError) as error:
            cause = error.__cause__ or error
            text = str(getattr(cause, "orig", None) or cause).splitlines()[0]
            if isinstance(error, sqlalchemy.exc.OperationalError | optuna.exceptions.StorageInternalError):
                raise StorageError(f"{self._database}: cannot be read or written: {text}") from error
            raise DataError(f"{self._database}: damaged ({text}); --restart begins a new study") from error
        except RuntimeError as error:
            if "version" not in str(error):
                raise
            raise LmctlError(
                f"{self._database}: another version of Optuna wrote it; install that one, or begin a new study "
                "with --restart"
            ) from error


def _distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    """The values of a dimension, as Optuna describes them."""
    import optuna

    distributions = optuna.distributions
    if dimension.kind == "choice":
        return distributions.CategoricalDistribution(dimension.choices)
    if dimension.kind == "whole":
        low, high = int(dimension.low), int(dimension.high)
        return distributions.IntDistribution(low, high, log=dimension.log, step=int(dimension.step or 1))
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Hide warnings of Optuna, which are for programmers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
