"""Whether a training run would only do again what the published generation was made by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.corpus.prepared import CORPUS_FILE
from lmctl.jobs.train.initial_weights import old_model_file
from lmctl.store.generations import remove_own
from lmctl.store.layout import REJECTED, REJECTION, REQUEST
from lmctl.store.notes import read_note, write_note
from lmctl.store.runs import Changes
from lmctl.version import __version__, package_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.config import Settings
    from lmctl.store.generations import ModelFolder

# What decides how a text is cut, beside the settings.
SEGMENTING_PACKAGES = ("jieba", "rjieba")
# Settings that name files, whose content counts as that of the texts.
FILE_SETTINGS = ("validation.file", "vocabulary.file", "text.stop_words", "text.user_dictionary")


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """An input as it was when it was read; `modified_ns` is its modification time in nanoseconds."""

    path: str
    bytes: int
    inode: int
    modified_ns: int
    sha256: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked to do.

    Attributes:
        generation: what it published.
        settings: what the user asked for, by key.
        versions: of lmctl and of what segments.
        inputs: the texts, and the files that settings name.
    """

    generation: str
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    inputs: list[InputFile]


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose outcome the gate refused; `request.generation` is what was current then."""

    request: Request
    why: str


def describe_request(sources: Sequence[str], settings: Settings) -> Request | None:
    """What a run is about to do, its inputs hashed; None if they are no files and cannot be read twice.

    Raises:
        OSError: an input cannot be read.
    """
    paths = _inputs(sources, settings)
    if not all(path.is_file() for path in paths):
        return None
    inputs = [_stat(path, files.sha256_of(path)) for path in paths]
    return Request(generation="", settings=settings.as_asked(), versions=_versions(), inputs=inputs)


def save_request(folder: ModelFolder, request: Request, published: Path) -> None:
    """Keep what the published generation was made by."""
    request = msgspec.structs.replace(request, generation=published.name)
    write_note(folder.folder / REQUEST, request, folder.making)
    for name in (REJECTED, REJECTION):
        remove_own(folder.work / name)


def save_rejection(folder: ModelFolder, request: Request, why: str) -> None:
    """Keep what was asked for when the gate refused its outcome, and against which generation."""
    current = folder.current()
    against = current.name if current is not None else ""
    rejection = Rejection(request=msgspec.structs.replace(request, generation=against), why=files.printable(why))
    write_note(folder.work / REJECTION, rejection, folder.making)


def earlier_rejection(folder: ModelFolder, sources: Sequence[str], settings: Settings) -> str | None:
    """Why the gate refused the outcome of this same run, while nothing else has been published since."""
    known = read_note(folder.work / REJECTION, Rejection)
    current = folder.current()
    if known is None or current is None or current.name != known.request.generation:
        return None
    return known.why if _is_the_same(known.request, sources, settings) else None


def unchanged_generation(folder: ModelFolder, sources: Sequence[str], settings: Settings) -> Path | None:
    """The current generation, where a run would only make it again; else None.

    A file is the same if its size, inode and time of modification are, or else its content.
    """
    current = folder.current()
    known = read_note(folder.folder / REQUEST, Request)
    if known is None or current is None or not current.is_dir():
        return None
    # What was rolled back is not made again from the same texts, not by another version either.
    pinned = folder.is_pinned()
    if pinned:
        known = msgspec.structs.replace(known, versions=_versions())
    elif current.name != known.generation:
        return None
    return current if _is_the_same(known, sources, settings) else None


def changes_since(folder: ModelFolder, request: Request | None) -> Changes | None:
    """What differs between a run and the last one that published; None if that is not known."""
    known = read_note(folder.folder / REQUEST, Request)
    if request is None or known is None or folder.current() is None:
        return None
    before, now = ({file.path: file.sha256 for file in each.inputs} for each in (known, request))
    inputs = _differing(before, now)
    if not inputs and [file.path for file in known.inputs] != [file.path for file in request.inputs]:
        inputs = list(now)
    return Changes(
        inputs=inputs,
        settings=_differing(known.settings, request.settings),
        versions=[
            f"{name} {known.versions.get(name)} -> {request.versions.get(name)}"
            for name in _differing(known.versions, request.versions)
        ],
    )


def _differing(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The names whose values differ, or that only one of the two has."""
    names = sorted({*before, *now})
    return [name for name in names if name not in before or name not in now or before[name] != now[name]]


def _is_the_same(known: Request, sources: Sequence[str], settings: Settings) -> bool:
    """Whether a run would do what another one did."""
    paths = _inputs(sources, settings)
    asked = (settings.as_asked(), _versions(), [files.printable(path) for path in paths])
    if asked != (known.settings, known.versions, [file.path for file in known.inputs]):
        return False
    return all(_is_same_file(path, file) for path, file in zip(paths, known.inputs, strict=True))


def _inputs(sources: Sequence[str], settings: Settings) -> list[Path]:
    named = [str(settings.explicit[key]) for key in FILE_SETTINGS if settings.explicit.get(key) is not None]
    old_model = old_model_file(settings.explicit.get("training.init_from"))
    paths = [*map(Path, (*sources, *named)), *([] if old_model is None else [old_model])]
    # A prepared folder is what its record says, by the hashes of its other files.
    return [(path / CORPUS_FILE if path.is_dir() else path).absolute() for path in paths]


def _is_same_file(path: Path, known: InputFile) -> bool:
    if not path.is_file():
        return False
    found = path.stat()
    if found.st_size != known.bytes:
        return False
    if (found.st_ino, found.st_mtime_ns) == (known.inode, known.modified_ns):
        return True
    return files.sha256_of(path) == known.sha256


def _stat(path: Path, sha256: str) -> InputFile:
    found = path.stat()
    return InputFile(
        path=files.printable(path),
        bytes=found.st_size,
        inode=found.st_ino,
        modified_ns=found.st_mtime_ns,
        sha256=sha256,
    )


def _versions() -> dict[str, str]:
    return {"lmctl": __version__} | {name: package_version(name) for name in SEGMENTING_PACKAGES}
