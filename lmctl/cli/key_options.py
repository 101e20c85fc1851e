"""Flags that mean a configuration key: type, range, metavar and help are those that the key declares.

The parameter of such a flag has the key's path as its name, so that a command receives `training.epochs`, not
`epochs`, in its keyword arguments.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lmctl.cli.completion import complete_files
from lmctl.config import all_keys, find_keys
from lmctl.config.keys import check_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

    from lmctl.config import Key

F = TypeVar("F", bound="Callable[..., Any]")

TOKENIZER_FLAGS = {
    "--segmenter": "text.segmenter",
    "--user-dict": "text.user_dictionary",
    "--normalize": "text.normalize",
    "--lowercase": "text.lowercase",
}

# What a description says of null, which no flag can give.
_OF_NULL = re.compile(r"; null\b[^.;]*")
_SENTENCE_END = re.compile(r"(?<=\.) ")


class KeyValue(click.ParamType[object]):
    """The value of a configuration key, read and checked as in a file.

    Args:
        keys: those of one path, one for each family that owns such a key.
    """

    name = "value"

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._path = keys[0].path
        self._is_plain = any(key.is_text or key.choices for key in keys)
        self._choices = [*dict.fromkeys(choice for key in keys for choice in key.choices)]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """A text as the key's value."""
        # Deferred: the parser is not needed to show help.
        from lmctl.config.documents import parse
        from lmctl.errors import UsageError

        try:
            return check_value(self._path, value if self._is_plain else parse(value, self._path))
        except UsageError as error:
            self.fail(str(error).removeprefix(f"{self._path}: "), param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """The choices that begin so, or files if the key is the path of one."""
        from click.shell_completion import CompletionItem

        if param.metavar == "FILE":
            return complete_files(ctx, param, incomplete)
        return [CompletionItem(choice) for choice in self._choices if choice.startswith(incomplete)]


class KeyOption(click.Option):
    """A flag that sets a configuration key.

    Args:
        declarations: the flag, such as `--epochs`, or `--gate/--no-gate`.
        path: the key.
    """

    def __init__(self, declarations: Sequence[str], path: str) -> None:
        keys = find_keys(path)
        meaning = f"{summary(keys[0])}  [{', '.join([path, *_range(keys[0])])}]"
        if keys[0].core is bool:
            # click infers nothing: a flag that is not given sets nothing.
            super().__init__([*declarations, "flag"], is_flag=True, default=None, help=meaning)
        else:
            super().__init__([*declarations, "flag"], type=KeyValue(keys), metavar=keys[0].metavar, help=meaning)
        self.name = path


def key_option(path: str, *declarations: str) -> Callable[[F], F]:
    """Add a flag that sets a configuration key; see `KeyOption`."""
    return click.option(*declarations, cls=KeyOption, path=path)


def text_options(command: F) -> F:
    """Add the everyday flags that decide a prepared corpus, and --jobs."""
    for option in reversed(
        [
            key_option("vocabulary.size", "--vocab-size"),
            key_option("vocabulary.min_count", "--min-count"),
            key_option("vocabulary.file", "--vocab"),
            *map(key_option, TOKENIZER_FLAGS.values(), TOKENIZER_FLAGS),
            key_option("text.stop_words", "--stop-words"),
            key_option("text.sentence_tags", "--sentence-tags"),
            key_option("validation.file", "--valid"),
            key_option("validation.fraction", "--valid-fraction"),
            click.option(
                "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one a core]"
            ),
            key_option("text.encoding", "--encoding"),
            key_option("text.errors", "--errors"),
        ]
    ):
        command = option(command)
    return command


def tokenizer_options(command: F) -> F:
    """Add the flags that decide how a query is cut into words."""
    for flag, path in reversed(TOKENIZER_FLAGS.items()):
        command = key_option(path, flag)(command)
    return command


def family_key_options(command: F) -> F:
    """Add the flags that the families of models declare for their keys, unless the command has such a flag."""
    taken = {name for option in getattr(command, "__click_params__", []) for name in option.opts}
    flags = {key.flag: key.path for key in reversed(all_keys()) if key.flag is not None and key.flag not in taken}
    for flag, path in flags.items():
        command = key_option(path, flag)(command)
    return command


def given_keys(flags: dict[str, object]) -> dict[str, object]:
    """The configuration keys that were given as flags, with their values."""
    return {path: value for path, value in flags.items() if value is not None}


def summary(key: Key) -> str:
    """What a key means, in one sentence: the first one of its description."""
    return _SENTENCE_END.split(_OF_NULL.sub("", key.description))[0]


def _range(key: Key) -> list[str]:
    """The values that a key takes, if its metavar does not say it."""
    if key.core in (int, float):
        return [re.sub(r"^a (whole )?number( of)? ", "", key.expected)]
    says_more = key.is_text and key.metavar not in ("FILE", "NAME") and "|" not in key.metavar
    return [key.expected] if says_more else []
