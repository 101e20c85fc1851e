"""Shell completion of the values that arguments and options take: files, models, generations, assignments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click
    from click.shell_completion import CompletionItem

    from lmctl.config import Key

# The type of a completion that is only the beginning of a word, so no space follows it. The others are click's.
BEGINNING = "part"


def complete_files(
    context: click.Context,  # noqa: ARG001
    parameter: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Let the shell complete files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def complete_models(
    context: click.Context,  # noqa: ARG001
    parameter: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Return the models under ./models, or after MODEL@ its generations; else let the shell complete folders."""
    from click.shell_completion import CompletionItem

    from lmctl.store.naming import models_in

    if generations := _generations(incomplete):
        return generations
    found = [str(model) for model in models_in() if str(model).startswith(incomplete)]
    return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="dir")]


def _generations(incomplete: str) -> list[CompletionItem]:
    """The generations of the model before an @, the newest first."""
    from click.shell_completion import CompletionItem

    from lmctl.errors import LmctlError
    from lmctl.store.published import PublishedModel

    folder, at, _ = incomplete.rpartition("@")
    if not at:
        return []
    model = PublishedModel(Path(folder))
    try:
        numbers, current = model.numbers(), model.current()
    except (LmctlError, OSError):
        return []
    return [
        CompletionItem(name, help="current" if model.generation(number) == current else None)
        for number in reversed(numbers)
        if (name := f"{folder}@{number}").startswith(incomplete)
    ]


def complete_assignments(
    context: click.Context,
    parameter: click.Parameter,
    incomplete: str,
) -> list[CompletionItem]:
    """Return the configuration keys that begin so; after KEY= the values of a key that takes a few words."""
    from click.shell_completion import CompletionItem

    path, equals, value = incomplete.partition("=")
    # Assignments that stand before this one may choose the family.
    keys = _keys(context.params.get(parameter.name or "") or ())
    if not equals:
        return [
            CompletionItem(f"{key.path}=", type=BEGINNING, help=_first_sentence(key.description))
            for key in {key.path: key for key in reversed(keys)}.values()
            if key.path.startswith(path)
        ][::-1]
    owners = [key for key in keys if key.path == path]
    if any(key.metavar == "FILE" for key in owners):
        return [CompletionItem(incomplete, type="file")]
    values = dict.fromkeys(text for key in owners for text in _values(key))
    return [CompletionItem(f"{path}={text}") for text in values if text.startswith(value)]


def _keys(assignments: Sequence[str]) -> list[Key]:
    """All keys; if an assignment chooses the family, without the keys of other families."""
    from lmctl.config import FAMILY_KEY, all_keys

    chosen = dict(text.partition("=")[::2] for text in assignments).get(FAMILY_KEY)
    return [key for key in all_keys() if chosen is None or key.family in (None, chosen)]


def _values(key: Key) -> list[str]:
    """The values of a key if they are a few words, as YAML writes them; else none."""
    words = ["true", "false"] if key.core is bool else list(key.choices)
    return [*words, "null"] if words and key.is_nullable else words


def _first_sentence(description: str) -> str:
    return description.partition(". ")[0].partition(": ")[0].rstrip(".")
