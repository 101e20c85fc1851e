"""A named model: a folder that outlives any one training run.

current -> generations/000007      swapped by one rename
generations/000006/ 000007/        bundles; a number is never used twice
work/                              the run in progress, or what was left of one
pin                                the generation that a rollback holds on to, until another is published
runs.jsonl                         a line for each run
lock                               held by the run in progress, which holder.json names
request.json                       what the current generation was made from
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import files
from lmctl.errors import DataError, InputMissingError, LmctlError, StorageError, UsageError
from lmctl.records import check_regular, read_regular, shortened
from lmctl.scratch import is_swept, scratch_folder, sweep
from lmctl.store.copies import fault_of, generation_of_copy, keep_non_link, repair_command
from lmctl.store.layout import (
    CURRENT,
    GENERATION,
    GENERATIONS,
    HOLDER,
    MODEL_FILE,
    PIN,
    REQUEST,
    RUNS,
    WORK,
)
from lmctl.store.runs import RunLog
from lmctl.store.verification import foreign_files_in, verify_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


class ModelFolder:
    """The generations of one model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / WORK
        # Where what is not finished lies: in a run, a scratch folder inside `work`.
        self.scratch = self.work

    @classmethod
    def create(cls, folder: Path) -> ModelFolder:
        """Make the folder, or take one that holds a model already.

        Raises:
            UsageError: there is a folder there that is not a model.
            StorageError: there is a file there.
            OSError: it cannot be made.
        """
        if (folder / MODEL_FILE).exists():
            raise UsageError(f"{folder}: is a bundle, which never changes; name a model's folder with -o")
        if folder.exists() and not folder.is_dir():
            raise StorageError(f"{folder}: is a file; expected a folder for the model; name another with -o")
        # Looked at last: another run may be about to make it.
        if folder.is_dir() and any(folder.iterdir()) and not is_model(folder):
            raise UsageError(f"{folder}: exists and is not a model; name another folder with -o")
        model = cls(folder)
        # In this order: a folder is a model if it has generations.
        files.make_folder(folder / GENERATIONS)
        files.make_folder(model.work)
        return model

    def numbers(self) -> list[int]:
        """The generations that are there, rising."""
        try:
            names = [path.name for path in (self.folder / GENERATIONS).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if GENERATION.fullmatch(name))

    def generation(self, number: int) -> Path:
        """The bundle folder of a generation."""
        return self.folder / GENERATIONS / f"{number:06d}"

    def current(self) -> Path | None:
        """The published bundle's folder, resolved once; None if nothing is published.

        In a copy, something else than a link may say which it is: see `copies.generation_of_copy`.

        Raises:
            DataError: the link leads elsewhere than to a generation of this model.
        """
        try:
            target = (self.folder / CURRENT).readlink()
        except FileNotFoundError:
            return None
        except OSError:
            return generation_of_copy(self)
        if str(target.parent) != GENERATIONS or not GENERATION.fullmatch(target.name):
            raise DataError(
                f"{self.folder / CURRENT}: leads to {shortened(str(target))}, no generation of this model"
                + (f"; `{repair_command(self)}` makes one current" if self.numbers() else "")
            )
        return self.folder / target

    def sound_current(self) -> Path | None:
        """As `current`, for those who can do without: a link that leads elsewhere is as good as none."""
        try:
            return self.current()
        except DataError:
            return None

    def publish(self, bundle: Path, keep: int) -> Path:
        """Make a finished bundle the current generation, by one rename; older ones than `keep` go.

        A run that was killed while it published makes the same bundle again: that takes no second number.

        Args:
            bundle: a bundle folder under `scratch`.
            keep: how many generations stay.

        Returns:
            Where the bundle is now.
        """
        newest = max(self.numbers(), default=0)
        place = self.generation(newest)
        if newest and _are_the_same(place, bundle):
            remove(bundle)
        else:
            place = self.generation(newest + 1)
            files.sync_tree(bundle)
            bundle.rename(place)
        # Also of a bundle that a run which was killed renamed: its name may not be durable yet.
        files.sync_folder(place.parent)
        before = self.sound_current()
        self.make_current(place)
        (self.folder / PIN).unlink(missing_ok=True)
        self.prune(keep, before)
        return place

    def generation_before(self) -> Path:
        """The newest generation that is older than the current one.

        Raises:
            InputMissingError: there is none.
        """
        current = self.current()
        if current is None:
            raise nothing_published(self)
        older = [there for there in self.numbers() if there < int(current.name)]
        if not older:
            raise InputMissingError(f"{self.folder}: there is no generation before {int(current.name)}")
        return self.generation(older[-1])

    def roll_back(self, number: int) -> Path:
        """Make a generation current again, and hold on to it until another one is published.

        Returns:
            Its folder.

        Raises:
            InputMissingError: there is no such generation.
        """
        place = self.generation(number)
        if not place.is_dir():
            there = ", ".join(map(str, self.numbers())) or "none"
            raise InputMissingError(f"{self.folder}: no generation {number}; there are: {there}")
        files.write_bytes(self.folder / PIN, f"{place.name}\n".encode(), beside=self.scratch)
        keep_non_link(self)
        self.make_current(place)
        return place

    def is_pinned(self) -> bool:
        """Whether the current generation is one that was rolled back to."""
        current = self.sound_current()
        try:
            pinned = read_regular(self.folder / PIN).strip()
        except (OSError, DataError):
            return False
        return current is not None and os.fsencode(current.name) == pinned

    def make_current(self, place: Path) -> None:
        """Let the link lead to a generation, by one rename."""
        link = self.scratch / CURRENT
        link.unlink(missing_ok=True)
        link.symlink_to(Path(GENERATIONS) / place.name)
        link.rename(self.folder / CURRENT)
        files.sync_folder(self.folder)

    def prune(self, keep: int, before: Path | None = None) -> None:
        """Remove all but so many generations; out of readers' sight first, so none is ever half there.

        Kept are what is current, what was current before it, which readers have open, and the newest others.

        Args:
            keep: how many.
            before: what was current before; None if that is not known.
        """
        place = self.sound_current()
        if place is None:
            return
        newest_first = [self.generation(number) for number in reversed(self.numbers())]
        wanted = dict.fromkeys([place, *([before] if before in newest_first else []), *newest_first])
        for doomed in list(wanted)[keep:]:
            out_of_sight = self.scratch / f"pruned-{doomed.name}"
            # The new generation has been published, whatever becomes of the old ones.
            try:
                if foreign := foreign_files_in(doomed):
                    logger.warning("%s: not removed; %s in it is no file of lmctl", doomed, foreign[0])
                    continue
                doomed.rename(out_of_sight)
                # Else a power cut could bring it back without the files that are removed next.
                files.sync_folder(doomed.parent)
                shutil.rmtree(out_of_sight)
            except OSError as error:
                logger.warning("%s: could not be removed: %s", doomed, error)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Make the scratch folder of a run, `scratch`; what a run that was killed left is removed first.

        The caller holds the lock. What lies in `work` beside the scratch folder stays.

        Raises:
            DataError: something else lies where a file of the model belongs.
        """
        # Now, not when it is written: by then a generation has been published.
        for name in (PIN, REQUEST, RUNS):
            with contextlib.suppress(FileNotFoundError):
                check_regular(self.folder / name)
        sweep(self.work)
        with scratch_folder(self.work) as unfinished:
            self.scratch = unfinished.path
            try:
                yield
            finally:
                self.scratch = self.work

    def is_swept(self) -> bool:
        """Whether no run that was killed left anything."""
        return is_swept(self.work) and not os.path.lexists(self.folder / HOLDER)


def _are_the_same(published: Path, bundle: Path) -> bool:
    """Whether a generation is sound and, byte for byte, a bundle: a record has the hashes of all other files."""
    try:
        verify_bundle(published)
        return (published / MODEL_FILE).read_bytes() == (bundle / MODEL_FILE).read_bytes()
    except (LmctlError, OSError):
        return False


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it; nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_own(path: Path) -> None:
    """The same of a bundle or a note; a folder with a file in it that is not lmctl's stays, with a warning."""
    if path.is_dir() and not path.is_symlink() and (foreign := foreign_files_in(path)):
        logger.warning("%s: not removed; %s in it is no file of lmctl", path, foreign[0])
        return
    remove(path)


def is_model(folder: Path) -> bool:
    """Does `folder` hold, or is it about to hold, the generations of a model? No if it cannot be looked into."""
    try:
        return (folder / GENERATIONS).is_dir()
    except OSError:
        return False


def nothing_published(model: ModelFolder) -> LmctlError:
    """The error of a model of which no generation is current."""
    fault = fault_of(model)
    if fault is None:
        return InputMissingError(f"{model.folder}: nothing has been published there yet{_last_run(model)}")
    return DataError(fault)


def _last_run(model: ModelFolder) -> str:
    """The state of the last run of a model, as the end of a message; empty if there was none."""
    # Deferred: queries need it for this message alone.
    from lmctl.store.lock import is_locked

    if is_locked(model.folder):
        return "; a run is in progress"
    last = next(RunLog(model).newest_first(), None)
    if last is None:
        return ""
    ended = {
        "failed": "failed",
        "interrupted": "was interrupted",
        "killed": "was killed",
        "rejected": "was refused",
    }
    message = "" if last.message is None else f" ({shortened(last.message)})"
    return f"; the last run, at {last.start}, {ended.get(last.outcome, 'published nothing')}{message}"
