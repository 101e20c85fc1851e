"""Finds the bundle that a model name means: -m NAME, LMCTL_MODEL, or the only model in ./models."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lmctl.errors import DataError, InputMissingError, LmctlError, UsageError, listed
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import CURRENT, MODEL_FILE
from lmctl.store.model_record import has_record
from lmctl.store.published import PublishedModel, is_model, nothing_published

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.store.bundle import Bundle

T = TypeVar("T")

# The number of a generation, after "@".
_NUMBER = re.compile(r"[0-9]{1,18}")
MODEL_VARIABLE = "LMCTL_MODEL"
DEFAULT_FOLDER = Path("models")


def split_generation(name: str) -> tuple[Path, int | None]:
    """Split `models/news@6` into the model folder and 6; for a name without a generation, the path and None."""
    folder, at, number = name.rpartition("@")
    if at and _NUMBER.fullmatch(number) and is_model(Path(folder)):
        return Path(folder), int(number)
    return Path(name), None


def names_model(name: str) -> bool:
    """Return whether a name, which may also name a text, names a model folder, `folder@6`, or a bundle."""
    if not name:
        return False
    folder, number = split_generation(name)
    return number is not None or is_model(folder) or (folder / MODEL_FILE).is_file()


def find_bundle(name: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the bundle folder that `-m NAME` means.

    Args:
        name: a model folder, `folder@6` for one of its generations, or a bundle folder. None: the variable
            LMCTL_MODEL, else the only model in ./models.
        environment: the environment variables of the process.

    Raises:
        UsageError: no model was named and there is more than one.
        InputMissingError: there is no model.
        DataError: the current generation is missing.
    """
    if name is None:
        name = default_model(environment)
    path, number = split_generation(name)
    if number is not None:
        place = PublishedModel(path).generation(number)
        if not place.is_dir():
            there = ", ".join(map(str, PublishedModel(path).numbers())) or "none"
            raise InputMissingError(f"{name}: no such generation; there are: {there}")
        return place
    if not path.exists():
        raise InputMissingError(f"{name}: no such model; `lmctl train CORPUS -o {name}` makes one")
    if not path.is_dir():
        # Imported here, like the other modules that only messages need.
        from lmctl.store.other_files import describe_file

        raise InputMissingError(f"{name}: {describe_file(path)}")
    if not is_model(path):
        if kind := _other_folder(path):
            raise InputMissingError(f"{name}: {kind}")
        return path
    current = PublishedModel(path).current()
    while current is not None and not current.is_dir():
        # Meanwhile another generation may have been published and this one pruned, so the link is read again.
        missing, current = current, PublishedModel(path).current()
        if current == missing:
            from lmctl.store.copies import repair_command

            model = PublishedModel(path)
            mend = f"; `{repair_command(model)}` makes another one current" if model.numbers() else ""
            raise DataError(f"{path / CURRENT}: leads to generation {missing.name}, which is missing{mend}")
    if current is None:
        raise nothing_published(PublishedModel(path))
    return current


def _other_folder(path: Path) -> str:
    """Return the end of a message for a folder that is no model and no bundle: its kind, and what to name instead.

    Empty if the folder has a model.json, or if its kind is unknown.
    """
    if os.path.lexists(path / MODEL_FILE):
        return ""
    from lmctl.corpus.prepared import CORPUS_FILE

    if (path / CORPUS_FILE).is_file():
        return f"is a prepared corpus; `lmctl train {path}` makes a model of it"
    found = models_in(path)
    names = listed([model.name for model in found])
    return f"is a folder of models; name one of {names}, such as {found[0]}" if found else ""


def open_model(name: str | None) -> Bundle:
    """Open the bundle that `-m NAME` means."""
    return opened(name, open_bundle)


def opened(name: str | None, open_folder: Callable[[Path], T]) -> T:
    """Call `open_folder` with the bundle folder that `-m NAME` means, and return its result.

    If that fails because the generation was pruned meanwhile, the new current generation is opened.
    """
    place = find_bundle(name)
    while True:
        try:
            return open_folder(place)
        except (LmctlError, OSError):
            current = find_bundle(name)
            if current == place:
                raise
            place = current


def models_in(folder: Path = DEFAULT_FOLDER) -> list[Path]:
    """Return the models in a folder that have a current generation, and the bundles, sorted by name."""
    return sorted(path for path in folder.glob("*") if _is_published(path))


def _is_published(folder: Path) -> bool:
    """Return whether a folder is a published model or a bundle; False if it cannot be read."""
    from lmctl.store.copies import generation_of_copy

    try:
        return (
            (folder / CURRENT).is_symlink()
            or generation_of_copy(PublishedModel(folder)) is not None
            or has_record(folder)
        )
    except OSError:
        return False


def default_model(environment: Mapping[str, str] = os.environ) -> str:
    """Return the model of a command that names none: LMCTL_MODEL, else the only model in ./models.

    Raises:
        InputMissingError: there is no model.
        UsageError: there is more than one model.
    """
    return environment.get(MODEL_VARIABLE) or str(_only_model())


def no_models() -> InputMissingError:
    """Return the error for a command that needs a model if there is none in ./models."""
    return InputMissingError("no models yet; `lmctl train CORPUS` makes one")


def _only_model() -> Path:
    found = models_in()
    if len(found) == 1:
        return found[0]
    if not found:
        unpublished = [path for path in DEFAULT_FOLDER.glob("*") if is_model(path)]
        raise nothing_published(PublishedModel(unpublished[0])) if len(unpublished) == 1 else no_models()
    names = listed([model.name for model in found])
    raise UsageError(f"which model? {DEFAULT_FOLDER}/ has {names}; choose one with -m")
