"""Flags that mean a configuration key: what they take is what the key takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class KeyValue(click.ParamType[Any]):
    """The value of a configuration key, read and checked as in a file.

    Args:
        path: the key, such as `training.epochs`.
    """

    name = "value"

    def __init__(self, path: str) -> None:
        self._path = path

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A text as the key's value."""
        # Deferred: options are declared by commands that read no configuration, too.
        from lmctl.config import KEYS
        from lmctl.config.documents import parse
        from lmctl.errors import UsageError

        key = KEYS[self._path]
        try:
            read = value if key.is_text or self._choices() else parse(value, self._path)
            return key.check(read)
        except UsageError as error:
            self.fail(str(error).removeprefix(f"{self._path}: "), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002
        """The choices, if there are some."""
        return f"[{'|'.join(self._choices())}]" if self._choices() else None

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The choices that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(choice) for choice in self._choices() if choice.startswith(incomplete)]

    def _choices(self) -> list[str]:
        from lmctl.config import KEYS

        kinds = [KEYS[self._path].type]
        while kinds:
            kind = kinds.pop()
            if get_origin(kind) is Literal:
                return [str(choice) for choice in get_args(kind)]
            kinds += [each for each in get_args(kind) if isinstance(each, type) or get_args(each)]
        return []
