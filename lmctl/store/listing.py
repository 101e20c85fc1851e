"""The generations of models, in a list."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from lmctl.errors import InputMissingError, LmctlError
from lmctl.store.bundle import open_bundle
from lmctl.store.copies import fault_of
from lmctl.store.generations import ModelFolder, is_model
from lmctl.store.layout import GENERATIONS
from lmctl.store.naming import DEFAULT_FOLDER
from lmctl.store.other_files import what_file_is

logger = logging.getLogger(__name__)


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One generation of a model, in a list.

    Attributes:
        model: the model's folder.
        generation: its number.
        current: whether it answers queries.
        pinned: whether it was rolled back to.
        damage: what is wrong with it; None if it can be opened, and then the rest says what it is.
        family: its name.
        preset: of the network's training; None if there is no network.
        tokens: of the training text; None for a mixture of models of several texts.
    """

    model: str
    generation: int
    current: bool
    pinned: bool
    damage: str | None = None
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
        InputMissingError: there is no such folder, or a file in its place.
    """
    if folder.exists() and not folder.is_dir():
        raise InputMissingError(f"{folder}: {what_file_is(folder)}")
    if not folder.is_dir():
        missing = "no models yet; lmctl train CORPUS makes one"
        raise InputMissingError(missing if folder == DEFAULT_FOLDER else f"{folder}: no such folder")
    places = [folder] if is_model(folder) else sorted(path for path in folder.iterdir() if is_model(path))
    listed = [each for path in places for each in _describe_all(ModelFolder(path))]
    # One that was pruned while the others were looked at is not there any more.
    return [
        each
        for each in listed
        if each.damage is None or Path(each.model, GENERATIONS, f"{each.generation:06d}").is_dir()
    ]


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
        return msgspec.structs.replace(listed, damage=str(error))
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
