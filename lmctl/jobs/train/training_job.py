"""A training job: the request that the user made of `lmctl train`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lmctl.errors import UsageError, listed
from lmctl.jobs.train.inputs import check_inputs, check_owner, choose_folder, is_prepared_folder
from lmctl.jobs.train.overlap import without_validation
from lmctl.training.loading import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.config import Config, Settings
    from lmctl.jobs.train.resume import ResumePolicy
    from lmctl.store.lock import LockPolicy
    from lmctl.training.hosts.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Policies:
    """Options of a run that do not change the model.

    Attributes:
        resume: the use of a checkpoint that an interrupted run left. "auto": continue from it if corpus and
            configuration are unchanged, else start over. "require": fail instead of starting over. "never": start
            over.
        lock: if another run trains this model, "fail" at once, or "wait" for its end.
        force: train even if texts, settings and lmctl are those of the current generation, or if the text has
            shrunk.
        jobs: number of processes that prepare the text, and that count n-grams; 0: `device.threads`, or the number
            of cores if that is 0.
        scheduler: name of the cluster that prepares the text, and counts n-grams, in place of them.
        verbose: whether to show the messages of TensorFlow.
        curve_points: number of parts of training after each of which the run tells a point of its validation
            curve; 0: it tells none.
        cluster: the workers that train together; None: this process trains alone.
    """

    resume: ResumePolicy = "auto"
    lock: LockPolicy = "fail"
    force: bool = False
    jobs: int = 0
    scheduler: str | None = None
    verbose: bool = False
    curve_points: int = 0
    cluster: Cluster | None = None


@dataclass(frozen=True)
class TrainingJob:
    """A request to train a model.

    Attributes:
        sources: paths of the texts, without the validation file; or one prepared folder.
        model: the model folder.
        is_named: whether the user named that folder.
        settings: the settings of the user.
        policies: options of the run.
    """

    sources: Sequence[str]
    model: Path
    is_named: bool
    settings: Settings
    policies: Policies

    @classmethod
    def of(cls, sources: Sequence[str], model: Path | None, settings: Settings, policies: Policies) -> TrainingJob:
        """The request to train on some sources.

        Args:
            sources: paths of the texts, or one prepared folder.
            model: the model folder; None: models/<name of the first source>.
            settings: the settings of the user.
            policies: options of the run.

        Raises:
            UsageError: the validation file is the only text, or no name follows from the sources.
        """
        validation = settings.explicit.get("validation.file")
        sources = without_validation(sources, None if validation is None else str(validation))
        return cls(sources, choose_folder(sources, model), model is not None, settings, policies)

    @cached_property
    def config(self) -> Config:
        """The configuration before the corpus is known: without a preset that depends on the corpus."""
        return self.settings.resolve()

    def check_inputs(self) -> None:
        """Check the settings, the inputs, and that a default folder is not the model of another corpus.

        Raises:
            LmctlError: a setting is invalid, an input is missing, or the folder belongs to another corpus.
        """
        check_inputs(self.sources, self.config)
        if not self.is_named:
            check_owner(self.model, self.sources)

    def check_requirements(self) -> None:
        """Check that this machine can train a model of the family, before anything is written.

        Raises:
            MissingExtraError: the family is a network, and TensorFlow is not installed.
            UsageError: `resume` is "require", and the family has no checkpoints; points of a curve are wanted of
                a family that is estimated; or several workers cannot train this model together.
        """
        if self.policies.cluster is not None:
            self._check_workers()
        if self.config.family.trains_network:
            require_tensorflow()
            return
        family = self.config.family.name
        if self.policies.resume == "require":
            raise UsageError(
                f"--resume require: training a model of family {family} leaves no checkpoint to continue from; "
                "leave out --resume require"
            )
        if self.policies.curve_points:
            raise UsageError(f"--curve-points: has no effect with model.family {family}; leave it out")

    def _check_workers(self) -> None:
        """Check that several workers can train this model together."""
        if not self.config.family.trains_network:
            raise UsageError(
                f"--workers: a model of family {self.config.family.name} is estimated by one process; leave out "
                "--workers"
            )
        if not is_prepared_folder(self.sources):
            raise UsageError(
                f"--workers: expected one folder that lmctl prepare wrote, which all workers can read; got "
                f"{listed(self.sources)}"
            )
        if self.config.training.init_from is not None:
            raise UsageError("--workers: training starts from random weights; leave out --init-from")
