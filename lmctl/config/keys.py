"""What the structs in `schema` say about each key, in a form for checks, messages and documents."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import msgspec.structs

from lmctl.config.schema import LARGEST_WHOLE_NUMBER, Config
from lmctl.errors import UsageError

# Line ends, terminal controls and halves of surrogate pairs: no path or name is meant to hold them.
_UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST_SHOWN = 60


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration key.

    Attributes:
        path: the key with its section, as in `training.epochs`.
        type: its annotated type, as msgspec reads it.
        is_text: whether any text is a value, as opposed to a number, a flag or a choice.
        is_nullable: whether null is a value.
        default: the built-in default.
        description: a sentence or two.
        expected: the values it takes, in words that fit after "expected"; null is not mentioned.
    """

    path: str
    type: Any
    is_text: bool
    is_nullable: bool
    default: Any
    description: str
    expected: str

    @property
    def section(self) -> str:
        """The section that the key stands in; empty for `preset`."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The key without its section."""
        return self.path.rpartition(".")[2]

    @property
    def allowed(self) -> str:
        """The values it takes, null included."""
        return f"{self.expected}, or null" if self.is_nullable else self.expected

    def check(self, value: object, where: str = "") -> object:
        """The value as this key's type.

        Args:
            value: what a YAML document, an assignment or a flag holds.
            where: what stands before the message, such as `"configs/x.yaml: "`.

        Returns:
            The value; a whole number becomes a float where the key is a float.

        Raises:
            UsageError: the value is of another type, out of range or not finite.
        """
        expected = self.expected
        try:
            checked: object = msgspec.convert(value, self.type, strict=True)
            if isinstance(checked, int) and checked > LARGEST_WHOLE_NUMBER:
                expected = f"a whole number of at most {LARGEST_WHOLE_NUMBER}"
            elif isinstance(checked, str) and _UNCLEAN.search(checked):
                expected = "text without control characters or broken Unicode"
            elif not isinstance(checked, float) or math.isfinite(checked):
                return checked
        except (msgspec.ValidationError, UnicodeEncodeError):
            # msgspec encodes text before it compares it with what a key may be; half a surrogate pair cannot be.
            pass
        hint = "; put it in quotes" if self.is_text and isinstance(value, bool | int | float) else ""
        raise UsageError(f"{where}{self.path}: expected {expected}, got {shown(value)}{hint}")


def _key(field: msgspec.structs.FieldInfo, section: str = "") -> Key:
    core, metas, is_nullable = _unwrapped(field.type)

    def said(attribute: str) -> Any:
        return next((value for meta in metas if (value := getattr(meta, attribute)) is not None), None)

    bounds = {bound: said(bound) for bound in ("ge", "gt", "le", "lt")}
    return Key(
        path=f"{section}.{field.name}" if section else field.name,
        type=field.type,
        is_text=core is str,
        is_nullable=is_nullable,
        default=field.default,
        description=said("description"),
        expected=(said("extra") or {}).get("expected") or _expected(core, bounds),
    )


def _unwrapped(annotation: Any) -> tuple[Any, list[msgspec.Meta], bool]:
    """What an annotation is about: the type at its core, all its Metas, and whether it allows None."""
    if get_origin(annotation) is Annotated:
        inner, *metas = get_args(annotation)
        core, inner_metas, is_nullable = _unwrapped(inner)
        return core, [*metas, *inner_metas], is_nullable
    if type(None) in get_args(annotation):
        (member,) = (arg for arg in get_args(annotation) if arg is not type(None))
        core, metas, _ = _unwrapped(member)
        return core, metas, True
    return annotation, [], False


def _expected(core: Any, bounds: dict[str, Any]) -> str:
    if get_origin(core) is Literal:
        choices = [str(choice) for choice in get_args(core)]
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    if core is bool:
        return "true or false"
    if core is str:
        return "text"
    low = [
        f"{word} {bounds[bound]}"
        for bound, word in (("ge", "at least"), ("gt", "above"))
        if bounds[bound] is not None
    ]
    high = [
        f"{word} {bounds[bound]}"
        for bound, word in (("le", "at most"), ("lt", "below"))
        if bounds[bound] is not None
    ]
    noun = "a whole number" if core is int else "a number"
    return f"{noun} {'of ' if bounds['ge'] is not None else ''}{' and '.join(low + high)}"


def shown(value: object) -> str:
    """A received value on one short line, for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, int) and abs(value) >= 10**_LONGEST_SHOWN:
        return "a huge number"  # repr() refuses those of more than 4,300 digits
    return _shortened(repr(value))


def one_line(name: str) -> str:
    """A file's name for a message: as it is where it can be printed, else quoted and escaped."""
    return name if name and name.isprintable() else repr(name)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


# A message that names more keys than this is no help any more.
MOST_NAMED = 20


def unknown_key(path: str, where: str = "") -> UsageError:
    """The error for a key that does not exist, with the key that was probably meant.

    Args:
        path: the key as it was written, with its section if it had one.
        where: what stands before the message.
    """
    nearest = _nearest(path[:200])
    section, _, name = path.partition(".")
    if nearest == path:
        advice = f"write {name} on a line of its own below {section}:"
    elif nearest is not None:
        advice = f"did you mean {nearest}?"
    else:
        known = [key.name for key in KEYS.values() if key.section == section] if section in SECTIONS else SECTIONS
        advice = (
            f"there are {', '.join(known)}" if len(known) <= MOST_NAMED else f"{section} has {len(known)} others"
        )
    return UsageError(f"{where}{_shortened(one_line(path))}: unknown key; {advice}")


def _nearest(path: str) -> str | None:
    """The key or section that an unknown one was probably meant to be; None if nothing is near."""
    # Slow to import, and needed only for this message.
    from difflib import get_close_matches

    path = path.lower()
    section, _, name = path.rpartition(".")
    if same_name := [key for key in KEYS if KEYS[key].name == name]:
        return get_close_matches(path, same_name, n=1, cutoff=0)[0]
    by_name = {KEYS[key].name: key for key in KEYS}
    neighbours = {KEYS[key].name: key for key in KEYS if section and KEYS[key].section == section}
    near = (
        [neighbours[match] for match in get_close_matches(name, neighbours, n=1)]
        or [by_name[match] for match in get_close_matches(name, by_name, n=1, cutoff=0.7)]
        or get_close_matches(section or name, [name for name in SECTIONS if name != section], n=1)
    )
    return near[0] if near else None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, for editors that complete and check YAML."""
    schema = msgspec.json.schema(Config)
    for name, described in schema["$defs"]["Config"]["properties"].items():
        if name in SECTIONS:
            described["description"] = SECTIONS[name]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


# Each section with its description, and each key by its path, in the order in which they are declared.
SECTIONS: dict[str, str] = {}
KEYS: dict[str, Key] = {}
for _field in msgspec.structs.fields(Config):
    if isinstance(_field.type, type) and issubclass(_field.type, msgspec.Struct):
        SECTIONS[_field.name] = str(_field.type.__doc__)
        KEYS.update(
            (key.path, key) for key in (_key(each, _field.name) for each in msgspec.structs.fields(_field.type))
        )
    else:
        KEYS[_field.name] = _key(_field)
