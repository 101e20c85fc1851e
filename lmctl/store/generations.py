"""A model folder: the generations of one model, and the files that its runs share.

current -> generations/000007      link to the current generation; replaced by one rename
generations/000006/ 000007/        bundles; a number is never used twice
work/                              files of the run in progress, and of a run that was cut off
pin                                the generation that a rollback made current, until another is published
runs.jsonl                         a line for each run
lock                               held by the run in progress; holder.json names its process
request.json                       the texts, settings and versions of the current generation
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
from lmctl.records import check_regular, read_regular
from lmctl.scratch import is_swept, scratch_folder, sweep
from lmctl.store.copies import keep_non_link
from lmctl.store.layout import (
    CURRENT,
    GENERATIONS,
    HOLDER,
    LOCK,
    MODEL_FILE,
    PIN,
    REJECTED,
    REJECTION,
    REQUEST,
    RUNS,
    UNPUBLISHED,
    WORK,
)
from lmctl.store.published import PublishedModel, is_model, nothing_published
from lmctl.store.verification import foreign_files_in, verify_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


class ModelFolder(PublishedModel):
    """The generations of one model, and the runs that make them.

    Attributes:
        work: the folder `work` in the model folder.
        scratch: the folder for unfinished files: a scratch folder inside `work` during a run, else `work`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.work = folder / WORK
        self.scratch = self.work

    @classmethod
    def create(cls, folder: Path) -> ModelFolder:
        """Make the model folder, or take an existing one.

        Raises:
            UsageError: the folder exists and is not a model folder.
            StorageError: a file has this name.
            OSError: the folder cannot be made.
        """
        if (folder / MODEL_FILE).exists():
            raise UsageError(f"{folder}: is a bundle, which never changes; name a model folder with -o")
        if folder.exists() and not folder.is_dir():
            raise StorageError(f"{folder}: is a file; expected a model folder; name another path with -o")
        # Checked last, because another run may just be making the folder.
        if folder.is_dir() and {path.name for path in folder.iterdir()} - {LOCK, HOLDER} and not is_model(folder):
            raise UsageError(f"{folder}: exists and is not a model; name another folder with -o")
        model = cls(folder)
        # `generations` is made first, because it marks a folder as a model folder.
        files.make_folder(folder / GENERATIONS)
        files.make_folder(model.work)
        return model

    def publish(self, bundle: Path, keep: int) -> Path:
        """Make a finished bundle the current generation by one rename, and remove the oldest generations.

        If the newest generation equals the bundle, it becomes current, and no new number is used: a run that was
        killed while it published makes the same bundle again.

        Args:
            bundle: a bundle folder in `scratch`.
            keep: number of generations that stay.

        Returns:
            The folder of the generation.
        """
        newest = max(self.numbers(), default=0)
        place = self.generation(newest)
        if newest and _are_the_same(place, bundle):
            remove(bundle)
        else:
            place = self.generation(newest + 1)
            if self.sound_current() is None:
                files.write_bytes(self.work / UNPUBLISHED, f"{place.name}\n".encode(), beside=self.scratch)
            files.sync_tree(bundle)
            bundle.rename(place)
        # A killed run may have renamed the same bundle without a sync, so this sync is always needed.
        files.sync_folder(place.parent)
        before = self.sound_current()
        self.make_current(place)
        (self.folder / PIN).unlink(missing_ok=True)
        self.remove_rejected()
        self.prune(keep, before)
        return place

    def generation_before(self) -> Path:
        """Return the folder of the newest generation that is older than the current one.

        Raises:
            InputMissingError: there is no older generation, or none is current.
            DataError: generations exist, but none is current.
        """
        current = self.current()
        if current is None:
            raise nothing_published(self)
        older = [there for there in self.numbers() if there < int(current.name)]
        if not older:
            raise InputMissingError(
                f"{self.folder}: there is no generation before the current one, {int(current.name)}"
            )
        return self.generation(older[-1])

    def roll_back(self, number: int) -> Path:
        """Make a generation current again, and pin it until another one is published.

        Returns:
            The folder of the generation.

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
        """Return whether a rollback made the current generation current."""
        current = self.sound_current()
        try:
            pinned = read_regular(self.folder / PIN).strip()
        except (OSError, DataError):
            return False
        return current is not None and os.fsencode(current.name) == pinned

    def make_current(self, place: Path) -> None:
        """Point the link `current` to a generation, by one rename."""
        link = self.scratch / CURRENT
        link.unlink(missing_ok=True)
        link.symlink_to(Path(GENERATIONS) / place.name)
        link.rename(self.folder / CURRENT)
        files.sync_folder(self.folder)
        (self.work / UNPUBLISHED).unlink(missing_ok=True)

    def prune(self, keep: int, before: Path | None = None) -> None:
        """Remove the oldest generations, so that `keep` of them stay.

        The current generation stays first, then the one that was current before it, because readers may have it
        open, then the newest others.

        Args:
            keep: number of generations that stay.
            before: the generation that was current before; None if it is unknown.
        """
        place = self.sound_current()
        if place is None:
            return
        newest_first = [self.generation(number) for number in reversed(self.numbers())]
        wanted = dict.fromkeys([place, *([before] if before in newest_first else []), *newest_first])
        for doomed in list(wanted)[keep:]:
            self._discard_if_possible(doomed)

    def remove_rejected(self) -> None:
        """Remove the bundle that the gate refused last, and before it the note that says that it is kept."""
        for path in (self.work / REJECTION, self.work / REJECTED):
            self._discard_if_possible(path)

    def _discard_if_possible(self, path: Path) -> None:
        """See `discard`. The new generation may be published already, so an error is only a warning."""
        try:
            self.discard(path)
        except OSError as error:
            logger.warning("%s: could not be removed: %s", path, error.strerror)

    def discard(self, path: Path) -> None:
        """Remove a bundle, a file or a link; a folder that has files of other programs stays, with a warning.

        A bundle is moved to `scratch` before its files are removed. So no reader finds a part of it, and after a
        kill the next run removes the rest.

        Raises:
            OSError: it cannot be removed.
        """
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
        elif foreign := foreign_files_in(path):
            logger.warning("%s: not removed; %s in it is no file of lmctl", path, foreign[0])
        else:
            out_of_sight = self.scratch / f"pruned-{path.name}"
            path.rename(out_of_sight)
            # Without this sync, a power cut could bring the bundle back without some of its files.
            files.sync_folder(path.parent)
            shutil.rmtree(out_of_sight)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Make the scratch folder of a run, after removing the unfinished files of killed runs.

        The caller holds the lock. Files in `work` outside the scratch folder stay. `scratch` is the new folder
        inside the block.

        Raises:
            DataError: a file of the model is a link, a folder or a pipe.
            StorageError: a part of the model folder is on another file system.
        """
        # A failed import may have removed them since `create`.
        files.make_folder(self.folder / GENERATIONS)
        files.make_folder(self.work)
        self._check_renames()
        # Checked before the run, because these files are written only after a generation is published.
        for name in (PIN, REQUEST, RUNS):
            with contextlib.suppress(FileNotFoundError):
                check_regular(self.folder / name)
        sweep(self.work)
        if self.sound_current() is not None:
            # A kill after the link was made has left it.
            (self.work / UNPUBLISHED).unlink(missing_ok=True)
        with scratch_folder(self.work) as unfinished:
            self.scratch = unfinished.path
            try:
                yield
            finally:
                self.scratch = self.work

    def _check_renames(self) -> None:
        """Check that results can be renamed to their places, because a run would fail only at its last step."""
        work = self.work.stat().st_dev
        for place in (self.folder, self.folder / GENERATIONS):
            if place.stat().st_dev != work:
                raise StorageError(
                    f"{place}: is on another file system than {self.work}, so nothing can be renamed to it; keep "
                    "the whole model folder on one file system"
                )

    def is_swept(self) -> bool:
        """Return whether killed runs left no unfinished files."""
        return is_swept(self.work) and not os.path.lexists(self.folder / HOLDER)


def _are_the_same(published: Path, bundle: Path) -> bool:
    """Return whether a generation is undamaged and equals a bundle.

    Equal records suffice, because a record has the hashes of all other files.
    """
    try:
        verify_bundle(published)
        return (published / MODEL_FILE).read_bytes() == (bundle / MODEL_FILE).read_bytes()
    except (LmctlError, OSError):
        return False


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; do nothing if it does not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
