"""What the user asked `lmctl train` to do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lmctl.errors import UsageError
from lmctl.jobs.train.inputs import check_inputs, check_owner, choose_folder
from lmctl.jobs.train.overlap import without_validation
from lmctl.training.loading import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.config import Config, Settings
    from lmctl.jobs.train.resume import ResumePolicy
    from lmctl.store.lock import LockPolicy


@dataclass(frozen=True, slots=True)
class Policies:
    """How a run goes about it; none of this decides what the model is.

    Attributes:
        resume: what to do about the checkpoint of a run that was cut off. "auto": continue from it if it is of the
            same corpus and configuration, else start over. "require": fail instead of starting over. "never":
            start over.
        lock: what to do if another run trains this model: "fail" at once, or "wait".
        force: train even if texts, settings and lmctl are those of the published generation, or the text has
            shrunk.
        jobs: processes for preparation; 0: as many as `device.threads` says, or as there are cores.
        verbose: show the messages of TensorFlow.
    """

    resume: ResumePolicy = "auto"
    lock: LockPolicy = "fail"
    force: bool = False
    jobs: int = 0
    verbose: bool = False


@dataclass(frozen=True)
class TrainingJob:
    """A request to train a model.

    Attributes:
        sources: texts without the validation file, or one prepared folder.
        model: the model's folder.
        is_named: whether the user named that folder.
        settings: what the user set.
        policies: how the run goes about it.
    """

    sources: Sequence[str]
    model: Path
    is_named: bool
    settings: Settings
    policies: Policies

    @classmethod
    def of(cls, sources: Sequence[str], model: Path | None, settings: Settings, policies: Policies) -> TrainingJob:
        """The request.

        Args:
            sources: texts, or one prepared folder.
            model: the model's folder; None: models/<name of the first source>.
            settings: what the user set.
            policies: how the run goes about it.

        Raises:
            UsageError: the validation file is all there is to train on, or the model needs a name.
        """
        validation = settings.explicit.get("validation.file")
        sources = without_validation(sources, None if validation is None else str(validation))
        return cls(sources, choose_folder(sources, model), model is not None, settings, policies)

    @cached_property
    def config(self) -> Config:
        """The configuration while the corpus is not known; a preset that the corpus decides is left out."""
        return self.settings.resolve()

    def check_inputs(self) -> None:
        """See that settings hold together, inputs are there, and the folder is not another corpus' model.

        Raises:
            LmctlError: one of them is not so.
        """
        check_inputs(self.sources, self.config)
        if not self.is_named:
            check_owner(self.model, self.sources)

    def check_requirements(self) -> None:
        """See that such a model can be made here, before anything is.

        Raises:
            MissingExtraError: TensorFlow, which trains networks, is not installed.
            UsageError: a checkpoint is required of a family that leaves none.
        """
        if self.config.family.trains_network:
            require_tensorflow()
        elif self.policies.resume == "require":
            raise UsageError(
                f"--resume require: training a model of family {self.config.family.name} leaves no checkpoint to "
                "continue from; leave out --resume require"
            )
