"""The command that trains a model again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import families
from lmctl.corpus.prepared import CORPUS_FILE
from lmctl.jobs.train.request import FILE_SETTINGS, Request
from lmctl.store.layout import CONFIG, MODEL_FILE, REQUEST
from lmctl.store.notes import read_note

if TYPE_CHECKING:
    from lmctl.store.bundle import Bundle

_STEPS, _TIME_LIMIT, _INIT_FROM = "training.steps", "training.time_limit", "training.init_from"


def command_to_repeat(bundle: Bundle, model: Path | None) -> str | None:
    """The command that trains a model again, as a shell reads it.

    A time limit becomes the number of steps that were planned for it, because the speed of a machine varies.

    Args:
        bundle: the model.
        model: its model folder; None if the bundle stands alone.

    Returns:
        The command; None if it is not known, as of a mixture of models or an imported model.
    """
    request = None if model is None else read_note(model / REQUEST, Request)
    training, corpus = bundle.record.training, bundle.record.corpus
    steps = None if training is None else training.planned_steps
    if request is not None and request.generation == bundle.folder.name:
        settings = dict(request.settings)
        if training is not None and steps is not None and settings.pop(_TIME_LIMIT, None) is not None:
            settings[_STEPS] = steps
            # The time limit may have chosen it. A warm start inherits sizes only if no preset is set.
            if settings.get(_INIT_FROM) is None:
                settings["preset"] = training.preset
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={_written(value)}")]
        return shlex.join(["lmctl", "train", *_texts(request), *_output(model), *options])
    if training is None and families.find(bundle.family).combines:
        return None
    texts = [] if corpus is None else [source.name for source in corpus.sources if source.split == "train"]
    if not texts or CONFIG not in bundle.record.files:
        return None
    options = ["-c", str(bundle.folder / CONFIG)]
    if steps is not None and bundle.config().training.time_limit is not None:
        options += ["--set", f"{_TIME_LIMIT}=null", "--set", f"{_STEPS}={steps}"]
    return shlex.join(["lmctl", "train", *texts, *_output(model), *options])


def _output(model: Path | None) -> list[str]:
    return [] if model is None else ["-o", str(model)]


def _texts(request: Request) -> list[str]:
    """The texts of a request, whose inputs are the texts and then the files that settings name."""
    named = sum(request.settings.get(key) is not None for key in FILE_SETTINGS)
    if request.settings.get(_INIT_FROM) is not None and request.inputs[-1].path.endswith(f"/{MODEL_FILE}"):
        named += 1
    paths = [file.path for file in request.inputs[: len(request.inputs) - named]]
    # A prepared corpus is named by its folder.
    return [str(Path(path).parent) if path.endswith(f"/{CORPUS_FILE}") else path for path in paths]


def _written(value: str | float | bool | None) -> str:
    """A value as --set reads it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
