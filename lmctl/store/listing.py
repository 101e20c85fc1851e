"""Lists the generations of models."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import msgspec

from lmctl.errors import FamilyError, FormatVersionError, InputMissingError, LmctlError
from lmctl.store.bundle import open_bundle
from lmctl.store.copies import fault_of
from lmctl.store.generations import ModelFolder
from lmctl.store.layout import GENERATIONS
from lmctl.store.model_record import has_record
from lmctl.store.naming import DEFAULT_FOLDER, models_in, no_models
from lmctl.store.other_files import describe_file
from lmctl.store.published import is_model, nothing_published

logger = logging.getLogger(__name__)

Fault = Literal["unpublished", "damaged", "older format", "newer format", "unknown family", "unreadable"]


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One generation of a model in a list, or a model without a published generation.

    Attributes:
        model: the model folder.
        generation: its number; None if nothing has been published.
        current: whether it is the current generation, which answers queries.
        pinned: whether a rollback made it current.
        fault: why it cannot be opened, in a word or two; None if it can be opened.
        message: the fault in a sentence; None if there is no fault. With a fault, the fields below are None.
        family: name of its family.
        preset: preset of the training of a network; None for other families.
        tokens: number of tokens of the training text; None for a mixture of models of several texts.
        valid_perplexity: perplexity of the validation text; None for a model that fills gaps.
        valid_pseudo_perplexity: pseudo-perplexity of words of the validation text; None for other models.
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
    valid_pseudo_perplexity: float | None = None


def list_generations(folder: Path) -> list[Generation]:
    """Return the generations of every model in a folder; of a model folder, its own generations.

    Raises:
        InputMissingError: the folder is missing, is a file, or has no models.
    """
    if folder.exists() and not folder.is_dir():
        raise InputMissingError(f"{folder}: {describe_file(folder)}")
    if not folder.is_dir() and folder != DEFAULT_FOLDER:
        raise InputMissingError(f"{folder}: no such folder")
    places = _models(folder)
    listed = [each for path in places for each in _describe_all(ModelFolder(path))]
    # A generation that was pruned during the listing is left out.
    return [
        each
        for each in listed
        if each.fault is None
        or each.generation is None
        or Path(each.model, GENERATIONS, f"{each.generation:06d}").is_dir()
    ]


def _models(folder: Path) -> list[Path]:
    """Return the model folders: the folder itself if it is one, else the model folders in it.

    Raises:
        InputMissingError: there is no model.
    """
    if is_model(folder):
        return [folder]
    if folder.is_dir() and has_record(folder):
        raise InputMissingError(f"{folder}: is a bundle, which has no generations; `lmctl info {folder}` shows it")
    places = sorted(path for path in folder.iterdir() if is_model(path)) if folder.is_dir() else []
    # A folder that has only bundles is no error, although bundles have no generations to list.
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
        metrics = bundle.metrics()
        valid, of_gaps = (metrics.get(name) or {} for name in ("valid", "valid_gaps"))
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
        valid_oov_rate=(valid or of_gaps).get("oov_rate"),
        valid_pseudo_perplexity=of_gaps.get("pseudo_perplexity"),
    )


def _fault(error: LmctlError | OSError) -> Fault:
    if isinstance(error, FormatVersionError):
        return "older format" if error.is_older else "newer format"
    if isinstance(error, FamilyError):
        return "unknown family"
    return "unreadable" if isinstance(error, OSError) else "damaged"


def _message(error: LmctlError | OSError, place: Path) -> str:
    return f"{error.filename or place}: {error.strerror}" if isinstance(error, OSError) else str(error)
