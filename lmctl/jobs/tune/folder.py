"""The folder of a study, in the folder of its model, and the record by which it is continued.

tuning/
  study.json     what the study is of: texts, settings, space, limits, the plan of its time
  study.db       its trials, in SQLite, as Optuna writes them
  corpus/        the prepared text of all trials
  trials/0003/   the model folder of a trial in progress, or of one that was cut off by a kill
  best.yaml      the settings of the best trial, for `lmctl train -c`
  lock           held by the run in progress
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.config.spaces import Space
from lmctl.errors import DataError, UsageError, listed
from lmctl.jobs.cluster.local import CLUSTER_FOLDER
from lmctl.jobs.cluster.worker_side import FUNCTION_FILE
from lmctl.jobs.train.request import Request, differing
from lmctl.jobs.tune.limits import Limits
from lmctl.jobs.tune.plan import TimePlan
from lmctl.records import decode_record, read_regular
from lmctl.store.generations import remove
from lmctl.store.layout import TUNING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from lmctl.jobs.tune.options import TuneOptions

RESTART = "--restart begins a new study"


class StudyRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of study.json.

    Attributes:
        request: hashes of the texts, settings of the user, and versions.
        space: the keys that vary.
        limits: the limits of the model.
        plan: the time of trials and of the last training.
        random: whether configurations are drawn at random, without a model of the results.
    """

    request: Request
    space: Space
    limits: Limits
    plan: TimePlan
    random: bool = False


class TuningFolder:
    """The paths of a study.

    Args:
        model: the model folder.
    """

    def __init__(self, model: Path) -> None:
        self.path = model / TUNING
        self.record_file = self.path / "study.json"
        self.database = self.path / "study.db"
        self.corpus = self.path / "corpus"
        self.best = self.path / "best.yaml"
        self._trials = self.path / "trials"

    def trial(self, number: int) -> Path:
        """The model folder of a trial."""
        return self._trials / f"{number:04d}"

    def settings_file(self, number: int) -> Path:
        """The settings of a trial."""
        return self._trials / f"{number:04d}.yaml"

    def sweep(self, kept: Collection[int]) -> None:
        """Remove what killed runs left of trials, apart from the model folders of the trials that are continued.

        Args:
            kept: numbers of these trials.
        """
        continued = {self.trial(number) for number in kept}
        for path in self._trials.iterdir() if self._trials.is_dir() else ():
            if path not in continued:
                remove(path)

    def sweep_clusters(self) -> None:
        """Remove what clusters of killed runs left. None must run now."""
        for name in (f"{FUNCTION_FILE}*", f"{CLUSTER_FOLDER}*"):
            for path in self.path.glob(name):
                remove(path)

    def clear(self) -> None:
        """Remove a study. The record goes first: without it, the rest counts as nothing."""
        for path in (self.record_file, *self.path.glob(f"{self.database.name}*"), self.corpus, self._trials):
            remove(path)

    def record(self) -> StudyRecord | None:
        """The record of the study; None if there is no study.

        Raises:
            DataError: it is damaged.
        """
        try:
            content = read_regular(self.record_file)
            return decode_record(content, StudyRecord, str(self.record_file))
        except FileNotFoundError:
            return None
        except DataError as error:
            raise DataError(f"{error}; {RESTART}") from error

    def write_record(self, record: StudyRecord) -> None:
        """Write the record, by which a study begins."""
        files.write_bytes(self.record_file, msgspec.json.encode(record) + b"\n")


def check_the_same(
    known: StudyRecord, request: Request, space: Space | None, options: TuneOptions, folder: Path
) -> None:
    """Refuse to continue a study of something else.

    Args:
        known: the study.
        request: texts and settings now.
        space: the space file of the user now; None: the space of the study.
        options: the limits and the way to search now.
        folder: of the study, for the message.

    Raises:
        UsageError: texts, settings, space, limits or the way to search differ.
    """
    before, now = ([file.sha256 for file in each.inputs] for each in (known.request, request))
    if before != now:
        raise UsageError(f"{folder}: is a study of another corpus; name another model with -o, or {RESTART}")
    if changed := differing(known.request.settings, request.settings):
        raise UsageError(f"{folder}: is a study with other settings ({listed(changed)}); {RESTART}")
    if space is not None and space.dimensions != known.space.dimensions:
        paths = differing(*({each.path: each for each in one.dimensions} for one in (known.space, space)))
        raise UsageError(f"{folder}: is a study of another space ({listed(paths)}); {RESTART}")
    if changed := differing(known.limits.values(), options.limits.values()):
        raise UsageError(f"{folder}: is a study with other limits ({listed(changed)}); {RESTART}")
    if options.random != known.random:
        raise UsageError(f"{folder}: is a study with --search {'random' if known.random else 'tpe'}; {RESTART}")
