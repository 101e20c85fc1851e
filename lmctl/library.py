"""What `import lmctl` offers: the commands `prepare`, `train` and `eval` as functions, and networks for Keras.

`lmctl.NAME` imports this module when a name is first used, so `import lmctl` itself costs nothing.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmctl.arguments import one_of, path_name, whole_number
from lmctl.errors import UsageError
from lmctl.query.model import Model, load
from lmctl.text.addresses import forget, known_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import keras

    from lmctl.config import Settings
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.watching.events import OnRunEvent, RunEvent
    from lmctl.query.metrics import Figures
    from lmctl.showing import Progress

    Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

__all__ = ["Model", "evaluate", "load", "prepare", "to_keras", "train"]


def prepare(
    texts: Paths,
    folder: str | os.PathLike[str],
    settings: Mapping[str, object] | None = None,
    *,
    configs: Sequence[str | os.PathLike[str]] = (),
    jobs: int = 0,
    progress: Progress = None,
) -> PreparedCorpus:
    """Segment, count and encode texts, as `lmctl prepare` does.

    Args:
        texts: a path or an address such as s3://bucket/corpus.txt, or several, with a sentence a line.
        folder: folder of the prepared corpus, which `train` takes in place of texts.
        settings: values by key, such as `{"vocabulary.size": 10_000}`.
        configs: paths of YAML files; `settings` win over them.
        jobs: number of processes; 0: the number of cores.
        progress: None: in a notebook, a line shows how far the work is, else nothing does; True: it is also shown
            elsewhere, as lines on standard error; False: nothing is shown; or a function that is called with the
            name of the activity, the amount done and the total amount, which may be None.

    Raises:
        lmctl.errors.LmctlError: a setting is wrong, or an input is missing, is not text or is empty.
        OSError: the folder cannot be written.
    """
    from lmctl.jobs.prepare import prepare as job
    from lmctl.showing import READING, showing

    jobs = whole_number("jobs", jobs, least=0)
    names, checked = _inputs(texts, configs, settings)
    with showing(progress, READING) as shown:
        return job(names, Path(path_name(folder)), checked.resolve(), jobs=jobs, on_progress=shown.on_bytes)


def train(
    texts: Paths,
    model: str | os.PathLike[str],
    settings: Mapping[str, object] | None = None,
    *,
    configs: Sequence[str | os.PathLike[str]] = (),
    resume: Literal["auto", "never", "require"] = "auto",
    lock: Literal["fail", "wait"] = "fail",
    force: bool = False,
    on_event: OnRunEvent | None = None,
    progress: Progress = None,
) -> Model:
    """Train a model, publish it as a new generation, and open it, as `lmctl train` does.

    Args:
        texts: a path or an address, or several, with a sentence a line; or one folder that `prepare` wrote.
        model: the model folder; it is made if it is missing.
        settings: values by key, such as `{"preset": "small", "training.epochs": 3}`.
        configs: paths of YAML files; `settings` win over them.
        resume: what happens if a run was cut off: "auto": it is continued if text and settings are unchanged, else
            started over; "never": started over; "require": continued, or an error.
        lock: what happens if another run trains this model: "fail": an error; "wait": it is waited for.
        force: train even if nothing has changed since the last run, or if the text has shrunk.
        on_event: called with each event of the run (docs/watching.md), such as `EpochDone`.
        progress: as in `prepare`.

    Returns:
        The model that was published; or the current one, if texts and settings have not changed.

    Raises:
        lmctl.errors.LmctlError: the run failed or was refused (see its subclasses). The current generation stays.
    """
    from lmctl.jobs.train.run import train as job
    from lmctl.jobs.train.training_job import Policies
    from lmctl.jobs.watching.events import TextRead, ignore_event, to_all
    from lmctl.showing import showing

    one_of("resume", resume, ("auto", "never", "require"))
    one_of("lock", lock, ("fail", "wait"))
    policies = Policies(resume=resume, lock=lock, force=force)
    names, checked = _inputs(texts, configs, settings)
    with showing(progress, "starting") as shown:

        def show(event: RunEvent) -> None:
            if isinstance(event, TextRead):
                shown.on_bytes(event.bytes)
            else:
                shown.on_event(event)

        trained = job(names, Path(path_name(model)), checked, policies, to_all(show, on_event or ignore_event))
    return load(trained.published)


def evaluate(
    model: Model | str | os.PathLike[str],
    text: str | os.PathLike[str],
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    accuracy_at: Sequence[int] = (),
    progress: Progress = None,
) -> Figures:
    """Score a text and return its figures (docs/metrics.md), as `lmctl eval` does.

    Args:
        model: a model, or the path of one.
        text: path or address of a file with a sentence a line.
        state: "reset": every line stands alone; "carry": it continues the line before.
        blank_lines: whether a line without words is left out or is a sentence; None: as in training.
        accuracy_at: the values of k for accuracy@k.
        progress: as in `prepare`.

    Raises:
        lmctl.errors.LmctlError: an argument is outside its range, the model or the text is missing or damaged, or
            the text has no sentences.
    """
    from lmctl.query.evaluation import evaluate_file
    from lmctl.showing import showing

    one_of("state", state, ("reset", "carry"))
    if blank_lines is not None:
        one_of("blank_lines", blank_lines, ("drop", "keep"))
    accuracy_at = [whole_number("a k of accuracy_at", k) for k in accuracy_at]
    name = path_name(text)
    forget([name])
    with showing(progress, "scoring"):
        return evaluate_file(
            model if isinstance(model, Model) else load(model),
            known_name(name),
            state=state,
            blank_lines=blank_lines,
            accuracy_at=accuracy_at,
        )


def to_keras(model: Model | str | os.PathLike[str]) -> keras.Model:
    """A network as a Keras model of Keras's own layers, to be trained further or built into another one.

    It is what `lmctl export --to keras` writes: token ids (N, L) in, probabilities of the next word (N, L, V) out.
    A sentence starts with `</s>`; `model.encode(text).token_ids` are the ids of a text.

    Args:
        model: a model of family `lstm`, or the path of one.

    Raises:
        lmctl.errors.UsageError: the family has no such network.
        lmctl.errors.MissingExtraError: TensorFlow is not installed.
        lmctl.errors.DataError: Keras computes other probabilities.
    """
    from lmctl.jobs.export import export

    folder = str(model.bundle.folder) if isinstance(model, Model) else path_name(model)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.keras"
        export(folder, "keras", str(path))
        import keras

        network: keras.Model = keras.models.load_model(path)
    return network


def _inputs(
    texts: Paths, configs: Sequence[str | os.PathLike[str]], settings: Mapping[str, object] | None
) -> tuple[list[str], Settings]:
    """The names of the texts, and the settings."""
    names = [path_name(path) for path in ([texts] if isinstance(texts, str | os.PathLike) else texts)]
    if not names:
        raise UsageError("no text was named; expected a path or an address, or several")
    settings = None if settings is None else {key: _plain(value) for key, value in settings.items()}
    forget([*names, *(value for value in (settings or {}).values() if isinstance(value, str))])
    return [known_name(name) for name in names], _settings(configs, settings)


def _settings(configs: Sequence[str | os.PathLike[str]], settings: Mapping[str, object] | None) -> Settings:
    """The settings of files and of a mapping, checked."""
    from lmctl.config import read_settings

    if isinstance(configs, str | os.PathLike):
        raise UsageError(f"configs is the path {os.fspath(configs)!r}; expected a list of paths")
    return read_settings([path_name(path) for path in configs], flags=settings)


def _plain(value: object) -> object:
    """A value of a setting whose numbers are Python's own, not NumPy's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
