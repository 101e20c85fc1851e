"""The generations of models, in a list."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import msgspec

from lmctl.errors import FamilyError, FormatVersionError, InputMissingError, LmctlError
from lmctl.store.bundle import open_bundle
from lmctl.store.copies import fault_of
from lmctl.store.generations import ModelFolder, is_model, nothing_published
from lmctl.store.layout import GENERATIONS
from lmctl.store.model_record import has_record
from lmctl.store.naming import DEFAULT_FOLDER, models_in, no_models
from lmctl.store.other_files import describe_file

logger = logging.getLogger(__name__)

Fault = Literal["unpublished", "damaged", "older format", "newer format", "unknown family", "unreadable"]


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One generation of a model, in a list; or a model of which nothing has been published yet.

    Attributes:
        model: the model's folder.
        generation: its number; None if nothing has been published.
        current: whether it answers queries.
        pinned: whether it was rolled back to.
        fault: why it cannot be opened, in a word or two; None if it can be opened.
        message: the fault in a sentence; None if there is no fault. If there is one, the fields below are None.
        family: its name.
        preset: of the network's training; None if there is no network.
        tokens: of the training text; None for a mixture of models of several texts.
    """

    model: str
    generation: int | None
    current: bool
    pinned: bool
    fault: Fault | None = None
    message: str | None = None
    family: str | None = None
    preset: str | None = None
    vocabulary_size: int | None = None
    tokens: int | None = None
    valid_perplexity: float | None = None
    valid_state: str | None = None
    valid_oov_rate: float | None = None


def list_generations(folder: Path) -> list[Generation]:
    """The generations of every model in a folder, or of the one model that it is.

    Raises:
        InputMissingError: there is no such folder, or a file in its place, or no model in it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputMissingError(f"{folder}: {describe_file(folder)}")
    if not folder.is_dir() and folder != DEFAULT_FOLDER:
        raise InputMissingError(f"{folder}: no such folder")
    places = _models(folder)
    listed = [each for path in places for each in _describe_all(ModelFolder(path))]
    # One that was pruned while the others were looked at is not there any more.
    return [
        each
        for each in listed
        if each.fault is None
        or each.generation is None
        or Path(each.model, GENERATIONS, f"{each.generation:06d}").is_dir()
    ]


def _models(folder: Path) -> list[Path]:
    """The models' folders: the folder itself if it is one, else those in it.

    Raises:
        InputMissingError: there is none.
    """
    if is_model(folder):
        return [folder]
    if folder.is_dir() and has_record(folder):
        raise InputMissingError(f"{folder}: is a bundle, which has no generations; `lmctl info {folder}` shows it")
    places = sorted(path for path in folder.iterdir() if is_model(path)) if folder.is_dir() else []
    # Bundles have no generations, but they are models that answer.
    if not places and not models_in(folder):
        raise (no_models() if folder == DEFAULT_FOLDER else InputMissingError(f"{folder}: no models in it"))
    return places


def _describe_all(model: ModelFolder) -> list[Generation]:
    """The generations of one model; none, and a warning, if it cannot be looked into: the others can."""
    try:
        described = [_describe(model, number) for number in model.numbers()]
        fault = fault_of(model)
    except OSError as error:
        logger.warning("%s: left out: %s", error.filename or model.folder, error.strerror)
        return []
    if fault is not None:
        logger.warning("%s", fault)
    elif not described:
        message = str(nothing_published(model))
        return [
            Generation(
                model=str(model.folder),
                generation=None,
                current=False,
                pinned=False,
                fault="unpublished",
                message=message,
            )
        ]
    return described


def _describe(model: ModelFolder, number: int) -> Generation:
    place = model.generation(number)
    is_current = place == model.sound_current()
    listed = Generation(
        model=str(model.folder), generation=number, current=is_current, pinned=is_current and model.is_pinned()
    )
    try:
        bundle = open_bundle(place)
        training, corpus = bundle.record.training, bundle.record.corpus
        valid = bundle.metrics().get("valid") or {}
    except (LmctlError, OSError) as error:
        return msgspec.structs.replace(listed, fault=_fault(error), message=_message(error, place))
    return msgspec.structs.replace(
        listed,
        family=bundle.record.family,
        preset=None if training is None else training.preset,
        vocabulary_size=bundle.record.sizes.vocabulary_size,
        tokens=None if corpus is None else corpus.train.tokens,
        valid_perplexity=valid.get("perplexity"),
        valid_state=valid.get("state"),
        valid_oov_rate=valid.get("oov_rate"),
    )


def _fault(error: LmctlError | OSError) -> Fault:
    if isinstance(error, FormatVersionError):
        return "older format" if error.is_older else "newer format"
    if isinstance(error, FamilyError):
        return "unknown family"
    return "unreadable" if isinstance(error, OSError) else "damaged"


def _message(error: LmctlError | OSError, place: Path) -> str:
    return f"{error.filename or place}: {error.strerror}" if isinstance(error, OSError) else str(error)
