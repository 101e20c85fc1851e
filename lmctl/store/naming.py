"""What a model's name means: -m NAME, LMCTL_MODEL, or the only model under ./models."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lmctl.errors import DataError, InputMissingError, LmctlError, UsageError, listed
from lmctl.store.bundle import open_bundle
from lmctl.store.copies import generation_of_copy, repair_command
from lmctl.store.generations import ModelFolder, is_model, nothing_published
from lmctl.store.layout import CURRENT, MODEL_FILE
from lmctl.store.model_record import has_record
from lmctl.store.other_files import describe_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.store.bundle import Bundle

T = TypeVar("T")

# Of a generation, after "@".
_NUMBER = re.compile(r"[0-9]{1,18}")
MODEL_VARIABLE = "LMCTL_MODEL"
DEFAULT_FOLDER = Path("models")


def split_generation(name: str) -> tuple[Path, int | None]:
    """`models/news@6` as the model's folder and 6; a name without a generation of a model as it is, and None."""
    folder, at, number = name.rpartition("@")
    if at and _NUMBER.fullmatch(number) and is_model(Path(folder)):
        return Path(folder), int(number)
    return Path(name), None


def names_model(name: str) -> bool:
    """Whether a name that may be a text's is that of a model: its folder, `folder@6`, or a bundle's folder."""
    if not name:
        return False
    folder, number = split_generation(name)
    return number is not None or is_model(folder) or (folder / MODEL_FILE).is_file()


def find_bundle(name: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The bundle folder that `-m NAME` means.

    Args:
        name: a model's folder, `folder@6` for one of its generations, or a bare bundle's folder. None: the
            variable LMCTL_MODEL, else the only model under ./models.
        environment: the process's environment.

    Raises:
        UsageError: nothing was named and there is more than one model.
        InputMissingError: there is no model.
        DataError: what is current is not there.
    """
    if name is None:
        name = default_model(environment)
    path, number = split_generation(name)
    if number is not None:
        place = ModelFolder(path).generation(number)
        if not place.is_dir():
            there = ", ".join(map(str, ModelFolder(path).numbers())) or "none"
            raise InputMissingError(f"{name}: no such generation; there are: {there}")
        return place
    if not path.exists():
        raise InputMissingError(f"{name}: no such model; `lmctl train CORPUS -o {name}` would make it")
    if not path.is_dir():
        raise InputMissingError(f"{name}: {describe_file(path)}")
    if not is_model(path):
        if kind := _other_folder(path):
            raise InputMissingError(f"{name}: {kind}")
        return path
    current = ModelFolder(path).current()
    while current is not None and not current.is_dir():
        # Another generation may have been published, and this one pruned, between the two looks.
        missing, current = current, ModelFolder(path).current()
        if current == missing:
            model = ModelFolder(path)
            mend = f"; `{repair_command(model)}` makes another one current" if model.numbers() else ""
            raise DataError(f"{path / CURRENT}: leads to {missing.name}, which is not there{mend}")
    if current is None:
        raise nothing_published(ModelFolder(path))
    return current


def _other_folder(path: Path) -> str:
    """What a folder is that is neither a model nor a bundle, and the way to a model; empty if it is not known."""
    if os.path.lexists(path / MODEL_FILE):
        return ""
    # Deferred: queries need it for this message alone.
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
    """What `open_folder` makes of the bundle folder that `-m NAME` means.

    A reader that finds a generation gone, pruned between two looks, tries the one that has become current.
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
    """The models in a folder that have been published, and the bundles, by name."""
    # A model of which nothing has been published yet, in training or failed, is not in question.
    return sorted(path for path in folder.glob("*") if _is_published(path))


def _is_published(folder: Path) -> bool:
    """Whether a folder is a model or a bundle of lmctl's; no if it cannot be looked into."""
    try:
        return (
            (folder / CURRENT).is_symlink()
            or generation_of_copy(ModelFolder(folder)) is not None
            or has_record(folder)
        )
    except OSError:
        return False


def default_model(environment: Mapping[str, str] = os.environ) -> str:
    """The model that is meant by a command that names none: that of LMCTL_MODEL, else the only one under ./models.

    Raises:
        InputMissingError: there is none.
        UsageError: there is more than one.
    """
    return environment.get(MODEL_VARIABLE) or str(_only_model())


def no_models() -> InputMissingError:
    """The error of a command that needs a model while there is none under ./models."""
    return InputMissingError("no models yet; lmctl train CORPUS makes one")


def _only_model() -> Path:
    found = models_in()
    if len(found) == 1:
        return found[0]
    if not found:
        unpublished = [path for path in DEFAULT_FOLDER.glob("*") if is_model(path)]
        raise nothing_published(ModelFolder(unpublished[0])) if len(unpublished) == 1 else no_models()
    names = listed([model.name for model in found])
    raise UsageError(f"which model? {DEFAULT_FOLDER}/ has {names}; choose one with -m")
