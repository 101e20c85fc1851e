"""The checkpoint of a training run, from which the same command continues after an interruption."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import msgspec

from lmctl.config import PublishingConfig, to_yaml
from lmctl.errors import DataError, UsageError
from lmctl.training.checkpoint import Checkpoint, RunIdentity, read_checkpoint, write_checkpoint
from lmctl.training.devices import usable_cores
from lmctl.version import __version__, package_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus

logger = logging.getLogger(__name__)

# Room for names and figures in a checkpoint.
SLACK_BYTES = 64 << 20
# Packages whose versions decide the bytes of the weights.
COMPUTING_PACKAGES = ("tensorflow", "keras", "numpy")

ResumePolicy = Literal["auto", "require", "never"]


class ResumableRun:
    """The checkpoint of one run.

    Args:
        path: path of the checkpoint.
        corpus: the training corpus.
        config: the resolved configuration.
        old_model: SHA-256 of the model whose weights training starts from; None: random weights.
        old_text: see `RunIdentity`.
        beside: folder in which a checkpoint is written before it is renamed to `path`.
    """

    def __init__(
        self,
        path: Path,
        corpus: PreparedCorpus,
        config: Config,
        old_model: str | None = None,
        old_text: Sequence[tuple[int, int]] = (),
        beside: Path | None = None,
    ) -> None:
        self.path = path
        self._beside = beside
        # Whether the file is a checkpoint of this run.
        self._is_its_own = False
        family = config.family
        sizes = family.sizes_of(corpus.vocabulary.counts, config.model)
        # At most 5 numbers of 4 bytes for each weight (weight, two slots, average, weight of the best epoch), and
        # some to spare. The numbers of a state may have 8 bytes.
        weights = 4 * 8 * (family.count_parameters(sizes) or 0)
        state = 8 * family.state_numbers(sizes) * config.training.batch_size
        self._most_bytes = weights + state + SLACK_BYTES
        self._identity = RunIdentity(
            corpus=corpus.record.files,
            configuration=to_yaml(msgspec.structs.replace(config, publishing=PublishingConfig())),
            old_model=old_model,
            old_text=list(old_text),
            threads=config.device.threads or usable_cores(),
            versions={"lmctl": __version__} | {name: package_version(name) for name in COMPUTING_PACKAGES},
        )

    def resume_from(self, policy: ResumePolicy) -> Checkpoint | None:
        """The checkpoint to continue from; None to start over.

        Raises:
            UsageError: the policy is "require", and there is no checkpoint of this run.
            DataError: the policy is "require", and the checkpoint is damaged.
        """
        if policy == "never":
            return None
        try:
            found = read_checkpoint(self.path, self._most_bytes)
        except DataError as error:
            if policy == "require":
                raise
            logger.warning("%s; starting over", error)
            return None
        if found is None:
            if policy == "require":
                raise UsageError(f"--resume require: no checkpoint at {self.path}; leave out --resume require")
            return None
        identity, checkpoint = found
        difference = self._identity.difference(identity)
        if difference is None:
            logger.info("continuing from step %d", checkpoint.progress.step)
            self._is_its_own = True
            return checkpoint
        if policy == "require":
            raise UsageError(
                f"--resume require: the checkpoint {self.path} has another {difference}; "
                "leave out --resume require"
            )
        logger.warning("the checkpoint %s has another %s; starting over", self.path, difference)
        return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, which replaces the last one."""
        write_checkpoint(self.path, self._identity, checkpoint, self._beside)
        self._is_its_own = True

    def next_time(self, policy: ResumePolicy) -> str:
        """What the same command does after an interruption, for a message: "starts over"."""
        if not self._is_its_own:
            return "starts over"
        continues = f"continues from {self.path}"
        return f"starts over; without --resume never, it {continues}" if policy == "never" else continues

    def finish(self) -> None:
        """Remove the checkpoint at the end of the run."""
        self.path.unlink(missing_ok=True)
