"""The configuration keys, as the structs of `schema` and of the families declare them.

Checks, messages, help and documents are made from these keys.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import msgspec
import msgspec.structs

from lmctl import families
from lmctl.config import presets
from lmctl.config.messages import families_named, is_large_whole_number, plain, shown
from lmctl.config.schema import DEFAULT_FAMILY, Config
from lmctl.config.training_keys import LARGEST_WHOLE_NUMBER
from lmctl.errors import UsageError
from lmctl.text.addresses import has_kept, known_name

if TYPE_CHECKING:
    from lmctl.families.family import Family

FAMILY_KEY = "model.family"
# A longer list of choices is not in the metavar, but in the help of the flag.
LONGEST_METAVAR = 40

# Line ends, terminal controls and halves of surrogate pairs. No path or name has them on purpose.
_UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration key.

    Attributes:
        path: the key with its section, as in `training.epochs`.
        family: the family of models that owns the key; None if all families share it.
        type: its annotated type, as msgspec reads it.
        core: its type without annotations and None: bool, int, float, str or a Literal.
        is_nullable: whether null is a value.
        default: the built-in default.
        description: a sentence or two.
        expected: its values in words that fit after "expected"; null is not mentioned.
        metavar: the name of a value in help; empty for a switch.
        flag: the flag of `lmctl train` that a family declares for the key; None if there is none.
    """

    path: str
    family: str | None
    type: Any
    core: Any
    is_nullable: bool
    default: Any
    description: str
    expected: str
    metavar: str
    flag: str | None

    @property
    def section(self) -> str:
        """The section of the key; empty for `preset`."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The key without its section."""
        return self.path.rpartition(".")[2]

    @property
    def is_text(self) -> bool:
        """Whether any text is a value, as opposed to a number, a switch or a choice."""
        return self.core is str

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that the key takes, if they are a few words; else empty."""
        return tuple(map(str, get_args(self.core))) if get_origin(self.core) is Literal else ()

    @property
    def allowed(self) -> str:
        """The values that the key takes in words, null included."""
        return f"{self.expected}, or null" if self.is_nullable else self.expected

    def check(self, value: object, where: str = "") -> object:
        """Convert a value to this key's type.

        Args:
            value: the value in a YAML document, an assignment or a flag.
            where: beginning of the message, such as `"configs/x.yaml: "`.

        Returns:
            The value. A whole number becomes a float if the key is a float, and the address of a text its public
            name.

        Raises:
            UsageError: the value is of another type, out of range or not finite.
        """
        expected = self.expected
        try:
            checked: object = msgspec.convert(plain(value), self.type, strict=True)
            if isinstance(checked, int) and checked > LARGEST_WHOLE_NUMBER:
                expected = f"a whole number of at most {LARGEST_WHOLE_NUMBER}"
            elif isinstance(checked, str) and _UNCLEAN.search(checked):
                expected = "text without control characters or broken Unicode"
            elif isinstance(checked, str) and self.metavar == "FILE":
                return checked if has_kept(checked) else known_name(checked)
            elif not isinstance(checked, float) or math.isfinite(checked):
                return checked
        except (msgspec.ValidationError, UnicodeEncodeError):
            # msgspec encodes text before it compares it with the choices. Half a surrogate pair cannot be encoded.
            if self.core is int and "at most" not in expected and is_large_whole_number(value):
                expected = f"a whole number of at most {LARGEST_WHOLE_NUMBER}"
        hint = "; put it in quotes" if self.is_text and isinstance(value, bool | int | float) else ""
        raise UsageError(f"{where}{self.path}: expected {expected}, got {shown(value)}{hint}")


def find_keys(path: str) -> tuple[Key, ...]:
    """Return the keys of a path: none, one that all families share, or one for each family that owns it."""
    return _by_path().get(path, ())


def find_key(path: str, family: Family, where: str = "") -> Key:
    """Return the key of a path for a family.

    Args:
        path: the key with its section.
        family: the family.
        where: beginning of the message.

    Raises:
        UsageError: only other families have such a key, or no family has.
    """
    found = find_keys(path)
    for key in found:
        if key.family in (None, family.name):
            return key
    owners = families_named([str(key.family) for key in found])
    raise UsageError(
        f"{where}{path}: is a key of {owners}, but {FAMILY_KEY} is {family.name}; leave it out"
        if found
        else f"{where}{path}: unknown key"
    )


def check_value(path: str, value: object, where: str = "") -> object:
    """Check a value of a key before the family is known.

    If several families own such a key, the value is returned unconverted, because the key of the family that is
    chosen later decides its type. If that key takes other values than those of the others, it also decides what is
    refused, or the message would name the bounds of another family.

    Raises:
        UsageError: no key of that path takes the value, for one and the same reason.
    """
    found = find_keys(path)
    refusals = []
    for key in found:
        try:
            checked = key.check(value, where)
        except UsageError as error:
            refusals.append(error)
        else:
            return checked if len(found) == 1 else plain(value)
    if len({str(refusal) for refusal in refusals}) > 1:
        return plain(value)
    raise refusals[0] if refusals else UsageError(f"{where}{path}: unknown key")


@families.memoized
def all_keys() -> tuple[Key, ...]:
    """Return all keys in the order of the reference; the keys of the families follow `model.family`."""
    found: list[Key] = []
    for field in msgspec.structs.fields(Config):
        if field.name == "model":
            found.append(_family_key())
            for family in families.configurable().values():
                owned: Any = family.config_type
                found += [_key(each, "model", family.name) for each in msgspec.structs.fields(owned)]
        elif field.name == "preset":
            found.append(_choice(_key(field), ("auto", *presets.names())))
        else:
            found += [_key(each, field.name) for each in msgspec.structs.fields(field.type)]
    return tuple(found)


@families.memoized
def _by_path() -> dict[str, tuple[Key, ...]]:
    paths: dict[str, tuple[Key, ...]] = {}
    for key in all_keys():
        paths[key.path] = (*paths.get(key.path, ()), key)
    return paths


def _family_key() -> Key:
    configurable = families.configurable()
    kinds = "; ".join(f"{family.name} is {family.title}" for family in configurable.values())
    key = Key(
        path=FAMILY_KEY,
        family=None,
        type=str,
        core=str,
        is_nullable=False,
        default=DEFAULT_FAMILY,
        description=f"Kind of model, which decides the other keys of this section: {kinds}. A preset of a family "
        "chooses that family.",
        expected="",
        metavar="",
        flag=None,
    )
    return _choice(key, tuple(configurable))


def _choice(key: Key, choices: tuple[str, ...]) -> Key:
    """Return a key whose values are choices from the registry of families."""
    kind: Any = Literal.__getitem__(choices)
    return msgspec.structs.replace(
        key,
        type=Annotated[kind, msgspec.Meta(description=key.description)],
        core=kind,
        expected=_expected(kind, {}),
        metavar=_metavar(kind),
    )


def _key(field: msgspec.structs.FieldInfo, section: str = "", family: str | None = None) -> Key:
    core, metas, is_nullable = _unwrapped(field.type)

    def said(attribute: str) -> Any:
        return next((value for meta in metas if (value := getattr(meta, attribute)) is not None), None)

    bounds = {bound: said(bound) for bound in ("ge", "gt", "le", "lt")}
    extra: dict[str, str] = {}
    for meta in reversed(metas):
        extra |= meta.extra or {}
    return Key(
        path=f"{section}.{field.name}" if section else field.name,
        family=family,
        type=field.type,
        core=core,
        is_nullable=is_nullable,
        default=field.default,
        description=said("description"),
        expected=extra.get("expected") or _expected(core, bounds),
        metavar=extra.get("metavar") or _metavar(core),
        flag=extra.get("flag"),
    )


def _metavar(core: Any) -> str:
    if get_origin(core) is Literal:
        choices = f"[{'|'.join(map(str, get_args(core)))}]"
        return choices if len(choices) <= LONGEST_METAVAR else "NAME"
    return {bool: "", int: "N", float: "NUMBER", str: "TEXT"}[core]


def _unwrapped(annotation: Any) -> tuple[Any, list[msgspec.Meta], bool]:
    """Return the type of an annotation without Metas and None, all its Metas, and whether it allows None."""
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
        if bounds.get(bound) is not None
    ]
    high = [
        f"{word} {bounds[bound]}"
        for bound, word in (("le", "at most"), ("lt", "below"))
        if bounds.get(bound) is not None
    ]
    noun = "a whole number" if core is int else "a number"
    return f"{noun} {'of ' if bounds.get('ge') is not None else ''}{' and '.join(low + high)}"


def _sections() -> dict[str, str]:
    found = {}
    for field in msgspec.structs.fields(Config):
        if field.name == "model":
            (meta,) = field.type.__metadata__
            found[field.name] = str(meta.description)
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found[field.name] = str(field.type.__doc__)
    return found


# Each section with its description, in the order in which they are declared.
SECTIONS: dict[str, str] = _sections()
