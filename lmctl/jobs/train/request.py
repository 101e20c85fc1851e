"""The request that the current generation was made from, and whether a run would only repeat it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.corpus.prepared import CORPUS_FILE
from lmctl.jobs.train.initial_weights import old_model_file
from lmctl.store.layout import REJECTION, REQUEST
from lmctl.store.notes import read_note, write_note
from lmctl.store.runs import Changes
from lmctl.text import remote
from lmctl.text.addresses import is_address, local_path, public_name
from lmctl.version import __version__, package_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.config import Settings
    from lmctl.store.generations import ModelFolder

# Packages whose versions decide how a text is cut into words, and those that cut paragraphs into sentences.
SEGMENTING_PACKAGES = ("rjieba",)
PYTHON_ENGINE_PACKAGES = ("jieba",)
SENTENCE_PACKAGES = ("sentencex",)
SUBWORD_PACKAGES = ("sentencepiece",)
# Settings that name files. A changed file counts as a changed text.
FILE_SETTINGS = (
    "validation.file",
    "vocabulary.file",
    "text.stop_words",
    "text.user_dictionary",
    "text.model_file",
)


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an input when it was read.

    Attributes:
        path: its absolute path, or the public name of an address.
        bytes: its size.
        inode: of a file; 0 of an address.
        modified_ns: time of modification of a file in nanoseconds; 0 of an address.
        sha256: of the content; of an address it may be that of the store's statement (`remote.fingerprint`).
    """

    path: str
    bytes: int
    inode: int
    modified_ns: int
    sha256: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The texts, settings and versions of a run.

    Attributes:
        generation: number of the generation that the run published, as its folder has it.
        settings: the settings of the user, by key.
        versions: versions of lmctl and of the segmenting packages, by name.
        inputs: the texts, and the files that settings name.
    """

    generation: str
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    inputs: list[InputFile]


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose model the gate refused; `request.generation` is the generation that was current then."""

    request: Request
    why: str


def describe_request(sources: Sequence[str], settings: Settings) -> Request | None:
    """The request of a run, with the hashes of its inputs; None if an input is no file and cannot be read twice.

    Raises:
        OSError: an input cannot be read.
        LmctlError: an input at an address cannot be read.
    """
    named = _inputs(sources, settings)
    if not all(is_address(name) or Path(name).is_file() for name in named):
        return None
    inputs = [_state(name) for name in named]
    return Request(generation="", settings=settings.plain_values(), versions=_versions(settings), inputs=inputs)


def save_request(folder: ModelFolder, request: Request, published: Path) -> None:
    """Save the request that the published generation was made from."""
    request = msgspec.structs.replace(request, generation=published.name)
    write_note(folder.folder / REQUEST, request, folder.scratch)


def save_rejection(folder: ModelFolder, request: Request, why: str) -> None:
    """Save a request whose model the gate refused, with the generation that it was compared with."""
    current = folder.current()
    against = current.name if current is not None else ""
    rejection = Rejection(request=msgspec.structs.replace(request, generation=against), why=files.printable(why))
    write_note(folder.work / REJECTION, rejection, folder.scratch)


def earlier_rejection(folder: ModelFolder, sources: Sequence[str], settings: Settings) -> str | None:
    """Why the gate refused the model of an equal request.

    None if the gate did not refuse it, or if another generation has become current since.
    """
    known = read_note(folder.work / REJECTION, Rejection)
    current = folder.current()
    if known is None or current is None or current.name != known.request.generation:
        return None
    return known.why if _is_the_same(known.request, sources, settings) else None


def unchanged_generation(folder: ModelFolder, sources: Sequence[str], settings: Settings) -> Path | None:
    """The current generation, if a run would only repeat it; else None.

    A file is unchanged if its size, inode and modification time are unchanged, or if its size and hash are; a text
    at an address, if its size and fingerprint are.
    """
    current = folder.current()
    known = read_note(folder.folder / REQUEST, Request)
    if known is None or current is None or not current.is_dir():
        return None
    # A generation that a rollback pinned stays current for the same texts, even with another version of lmctl.
    pinned = folder.is_pinned()
    if pinned:
        known = msgspec.structs.replace(known, versions=_versions(settings))
    elif current.name != known.generation:
        return None
    return current if _is_the_same(known, sources, settings) else None


def changes_since(folder: ModelFolder, request: Request | None) -> Changes | None:
    """The differences between a request and the last published one; None if they are not known."""
    known = read_note(folder.folder / REQUEST, Request)
    if request is None or known is None or folder.current() is None:
        return None
    before, now = ({file.path: file.sha256 for file in each.inputs} for each in (known, request))
    inputs = differing(before, now)
    if not inputs and [file.path for file in known.inputs] != [file.path for file in request.inputs]:
        inputs = list(now)
    return Changes(
        inputs=inputs,
        settings=differing(known.settings, request.settings),
        versions=[
            f"{name} {known.versions.get(name)} -> {request.versions.get(name)}"
            for name in differing(known.versions, request.versions)
        ],
    )


def differing(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The names whose values differ, or that are in only one of the two."""
    names = sorted({*before, *now})
    return [name for name in names if name not in before or name not in now or before[name] != now[name]]


def _is_the_same(known: Request, sources: Sequence[str], settings: Settings) -> bool:
    """Whether a run with these sources and settings would repeat a known one."""
    named = _inputs(sources, settings)
    asked = (settings.plain_values(), _versions(settings), [files.printable(name) for name in named])
    if asked != (known.settings, known.versions, [file.path for file in known.inputs]):
        return False
    return all(_is_same_file(name, file) for name, file in zip(named, known.inputs, strict=True))


def _inputs(sources: Sequence[str], settings: Settings) -> list[str]:
    """The absolute paths of all inputs, and the public names of addresses."""
    named = [str(settings.explicit[key]) for key in FILE_SETTINGS if settings.explicit.get(key) is not None]
    old_model = old_model_file(settings.explicit.get("training.init_from"))
    return [*map(_input, (*sources, *named)), *([] if old_model is None else [_input(str(old_model))])]


def _input(name: str) -> str:
    if (path := local_path(name)) is None:
        return public_name(name)
    # The record of a prepared folder has the hashes of its other files.
    return str((path / CORPUS_FILE if path.is_dir() else path).absolute())


def _is_same_file(name: str, known: InputFile) -> bool:
    if is_address(name):
        return _state(name) == known
    path = Path(name)
    if not path.is_file():
        return False
    found = path.stat()
    if found.st_size != known.bytes:
        return False
    if (found.st_ino, found.st_mtime_ns) == (known.inode, known.modified_ns):
        return True
    return files.sha256_of(path) == known.sha256


def _state(name: str) -> InputFile:
    if is_address(name):
        size, sha256 = remote.fingerprint(name)
        return InputFile(path=files.printable(name), bytes=size, inode=0, modified_ns=0, sha256=sha256)
    path = Path(name)
    sha256, found = files.sha256_of(path), path.stat()
    return InputFile(
        path=files.printable(path),
        bytes=found.st_size,
        inode=found.st_ino,
        modified_ns=found.st_mtime_ns,
        sha256=sha256,
    )


def _versions(settings: Settings) -> dict[str, str]:
    cuts_paragraphs = settings.explicit.get("text.line") == "paragraph"
    learns_subwords = settings.explicit.get("text.segmenter") == "sentencepiece"
    cuts_by_python = settings.explicit.get("text.engine") == "jieba"
    packages = (
        *SEGMENTING_PACKAGES,
        *(PYTHON_ENGINE_PACKAGES if cuts_by_python else ()),
        *(SENTENCE_PACKAGES if cuts_paragraphs else ()),
        *(SUBWORD_PACKAGES if learns_subwords else ()),
    )
    return {"lmctl": __version__} | {name: package_version(name) for name in packages}
