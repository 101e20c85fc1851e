"""Flags that set a configuration key, with the type, the range, the metavar and the help that the key declares.

Such a flag passes its value to the command under the key's path: as `training.epochs`, not as `epochs`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lmctl import families
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
    "--subwords": "text.subwords",
    "--user-dict": "text.user_dictionary",
    "--normalize": "text.normalize",
    "--lowercase": "text.lowercase",
}

# The clause of a description about null, which no flag can give; if null is the default, it describes the default.
_OF_NULL = re.compile(r"(?:;|(?<=\.)) null\b[^.;]*(?P<end>\.?)")
_SENTENCE_END = re.compile(r"(?<=\.) ")


class KeyValue(click.ParamType[object]):
    """The value of a configuration key, read and checked like a value in a configuration file.

    Args:
        keys: the keys of one path, one for each family that owns such a key.
    """

    name = "value"

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._path = keys[0].path
        self._is_plain = any(key.is_text or key.choices for key in keys)
        self._choices = [*dict.fromkeys(choice for key in keys for choice in key.choices)]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Return the value that a text stands for."""
        # Imported here, because help does not need the parser.
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
        """Return the choices that begin with the text, or all files if the key takes a file."""
        from click.shell_completion import CompletionItem

        if param.metavar == "FILE":
            return complete_files(ctx, param, incomplete)
        return [CompletionItem(choice) for choice in self._choices if choice.startswith(incomplete)]


class KeyOption(click.Option):
    """A flag that sets a configuration key.

    Args:
        declarations: the flag, such as `--epochs` or `--gate/--no-gate`.
        path: the key's path, such as `training.epochs`.
    """

    def __init__(self, declarations: Sequence[str], path: str) -> None:
        self._keys = keys = find_keys(path)
        meaning = _meaning(keys)
        if keys[0].core is bool:
            # The default is None, so that a flag that is not given sets nothing.
            super().__init__([*declarations, "flag"], is_flag=True, default=None, help=meaning)
        else:
            super().__init__([*declarations, "flag"], type=KeyValue(keys), metavar=keys[0].metavar, help=meaning)
        self.name = path

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag and its help, with what the key takes and its default."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        (path,) = {key.path for key in self._keys}
        if len(self._keys) == 1:
            parts = [*_range(self._keys[0]), *self._default(self._keys[0])]
        else:
            grouped = _families_by(lambda key: ", ".join([*_range(key), *self._default(key)]), self._keys)
            parts = [f"{owners}: {details}" for details, owners in grouped.items()]
        return record[0], f"{record[1]}  [{'; '.join([path, *parts])}]"

    def _default(self, key: Key) -> list[str]:
        """Return the default of a key in words; an empty list if it is null, which the description explains."""
        if key.default is None:
            return []
        default = str(key.default)
        if isinstance(key.default, bool):
            flags = (self.opts[0], *self.secondary_opts[:1]) if self.secondary_opts else ("on", "off")
            default = flags[0 if key.default else 1]
        # Presets are read only to show help.
        return [f"default {default} unless the preset sets it" if _is_set_by_preset(key) else f"default {default}"]


def key_option(path: str, *declarations: str) -> Callable[[F], F]:
    """Add a flag that sets a configuration key; see `KeyOption`."""
    return click.option(*declarations, cls=KeyOption, path=path)


def text_options(command: F) -> F:
    """Add the flags of the most used keys that decide a prepared corpus, and --jobs."""
    for option in reversed(
        [
            key_option("vocabulary.size", "--vocab-size"),
            key_option("vocabulary.min_count", "--min-count"),
            key_option("vocabulary.file", "--vocab"),
            *map(key_option, TOKENIZER_FLAGS.values(), TOKENIZER_FLAGS),
            key_option("text.stop_words", "--stop-words"),
            key_option("text.sentence_tags", "--sentence-tags"),
            key_option("text.line", "--line"),
            key_option("text.field", "--field"),
            key_option("text.column", "--column"),
            key_option("validation.file", "--valid"),
            key_option("validation.fraction", "--valid-fraction"),
            click.option(
                "--jobs",
                type=click.IntRange(min=1),
                metavar="N",
                help="Number of processes that read and cut text, and count n-grams in training.  "
                "[default: one for each core]",
            ),
            key_option("text.encoding", "--encoding"),
            key_option("text.errors", "--errors"),
        ]
    ):
        command = option(command)
    return command


def tokenizer_options(command: F) -> F:
    """Add the flags that decide how the text of a query is cut into words."""
    for flag, path in reversed(TOKENIZER_FLAGS.items()):
        command = key_option(path, flag)(command)
    return command


def family_key_options(command: F) -> F:
    """Add the flags that the families declare for their keys, except flags that the command has already."""
    taken = {name for option in getattr(command, "__click_params__", []) for name in option.opts}
    flags = {key.flag: key.path for key in reversed(all_keys()) if key.flag is not None and key.flag not in taken}
    for flag, path in flags.items():
        command = key_option(path, flag)(command)
    return command


def given_keys(flags: dict[str, object]) -> dict[str, object]:
    """Return the values of the keys whose flags were given, by path."""
    return {path: value for path, value in flags.items() if value is not None}


def _meaning(keys: Sequence[Key]) -> str:
    """Return the description of a key. If several families own such a key: the first sentence of each family."""
    if len(keys) == 1:
        return _description(keys[0])
    grouped = _families_by(lambda key: _SENTENCE_END.split(_description(key))[0].removesuffix("."), keys)
    return ". ".join(f"{meaning} ({owners})" for meaning, owners in grouped.items()) + "."


def _description(key: Key) -> str:
    """Return the description of a key without the word null: no flag can give null, but it may be the default."""
    if key.default is None:
        return _OF_NULL.sub(lambda found: found[0].replace("null", "the default"), key.description)
    return _OF_NULL.sub(lambda found: found["end"] if found[0].startswith(";") else "", key.description)


def _families_by(describe: Callable[[Key], str], keys: Sequence[Key]) -> dict[str, str]:
    """Return each description of keys of one path, with the names of the families that it describes."""
    owners: dict[str, list[str]] = {}
    for key in keys:
        owners.setdefault(describe(key), []).append(str(key.family))
    return {described: ", ".join(names) for described, names in owners.items()}


def _is_set_by_preset(key: Key) -> bool:
    """Return whether at least one preset sets a key: one of the key's family, or of any if all share the key."""
    owners = families.configurable() if key.family is None else [key.family]
    return any(key.path in _set_by_presets(name) for name in owners)


@families.memoized
def _set_by_presets(family: str) -> frozenset[str]:
    """Return the paths of the keys that the presets of a family set."""
    from lmctl.config.settings import read_preset

    found = families.find(family)
    paths = {path for name in found.presets for path in read_preset(name, found)}
    return frozenset(paths - {"preset"})


def _range(key: Key) -> list[str]:
    """Return the values that a key takes, in words; an empty list if its metavar shows them."""
    if key.core in (int, float):
        return [re.sub(r"^a (whole )?number( of)? ", "", key.expected)]
    if key.choices:
        return [] if "|" in key.metavar else [key.expected]
    says_more = key.is_text and key.metavar not in ("FILE", "NAME") and "|" not in key.metavar
    return [key.expected] if says_more else []
