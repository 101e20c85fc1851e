"""Spaces of configurations for tuning: YAML with the keys of a configuration, and a range in place of a value.

    model:
      hidden_units: {min: 256, max: 1024, step: 128}
      layers: {choices: [1, 2]}
    training:
      learning_rate: {min: 0.0005, max: 0.01, log: true}
      batch_size: 32

A value that is no range is a setting of all trials. Both ends of a range belong to it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from lmctl.config.documents import parse, read_document
from lmctl.config.keys import FAMILY_KEY, SECTIONS, find_key, find_keys
from lmctl.config.messages import plain, shown
from lmctl.config.presets import PRESET_DIRECTORY, choose_preset
from lmctl.config.settings import Settings, check_document, place_of
from lmctl.config.unknown_keys import unknown_key
from lmctl.errors import UsageError, joined
from lmctl.files import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmctl.config.keys import Key
    from lmctl.families.family import Family

Value = bool | int | float | str | None

PARTS = ("min", "max", "log", "step", "choices")
EXPECTED = "min and max, with log or step if needed, or choices"
SPACES = "spaces"
# More steps of a number are no grid that anybody means, and Optuna computes them with a limited number of digits.
MOST_STEPS = 1_000_000
# Only these sections have keys that can differ between trials, apart from the keys below.
TUNED_SECTIONS = ("model", "training")
NOT_TUNED = {
    FAMILY_KEY: "a study tunes models of one family; set it",
    "training.seed": "the best of several seeds is luck; set it",
    "training.time_limit": "it is the same for all trials; set it",
    "training.init_from": "trials start from random weights",
    "training.grow_vocabulary": "trials start from random weights",
    "training.gone_words": "trials start from random weights",
    "training.rehearsal": "trials start from random weights",
    "training.baseline": "trials are compared without n-grams beside them; set it",
    "training.with_ngram": "trials are compared without n-grams beside them; set it",
}


class Dimension(msgspec.Struct, frozen=True, kw_only=True):
    """A key that differs between trials, and its values.

    Attributes:
        path: the key.
        kind: "whole" or "number": from `low` to `high`, both included; "choice": one of `choices`.
        low: lowest value.
        high: highest value; with a step, the last one that whole steps reach.
        log: whether the logarithm is spread evenly, not the number.
        step: distance of two neighbouring values, counted from `low`; None: every number (of whole numbers, 1).
    """

    path: str
    kind: Literal["whole", "number", "choice"]
    low: int | float = 0
    high: int | float = 0
    log: bool = False
    step: int | float | None = None
    choices: tuple[Value, ...] = ()

    def contains(self, value: object) -> bool:
        """Return whether a value of the key is one of these."""
        if self.kind == "choice":
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-8)


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that a study varies, in the order of their names; `name` is a file, or a preset of the family."""

    name: str
    dimensions: tuple[Dimension, ...]


def read_space(path: str, settings: Settings) -> tuple[Space, Settings]:
    """Read a space file of the user.

    Args:
        path: of the file.
        settings: the other settings of the user, which win over plain values in the file.

    Returns:
        The space, and the settings with the plain values of the file.

    Raises:
        UsageError: the document is not valid, a key cannot be tuned or is also set by `settings`, or a range is
            not within the range of its key.
        InputMissingError: there is no such file.
        StorageError: the file cannot be read.
    """
    where = place_of(path)
    ranges, values = _divided(parse(read_document(path), path), where)
    places = {key: where for key in values if key not in settings.explicit}
    merged = Settings({**values, **settings.explicit}, {**places, **settings.places})
    for key in ranges:
        if key in settings.explicit:
            raise UsageError(
                f"{where}{key}: cannot be tuned and also be set to {shown(settings.explicit[key])}; leave one out"
            )
    if not ranges:
        raise UsageError(f"{where}expected a range such as model.dropout: {{min: 0.1, max: 0.5}}, got none")
    return _space(printable(path), ranges, merged.family, where), merged


def built_in_space(settings: Settings, training_tokens: int) -> Space:
    """Return the space around the preset for a family and a size of text, without the keys that the user has set.

    Raises:
        UsageError: the family has no spaces, or the user has set every key of this one.
    """
    family = settings.family
    names = [settings.preset, choose_preset(family, training_tokens)]
    file = next((file for name in names if (file := _space_file(name, family)).is_file()), None)
    if file is None:
        raise UsageError(f"family {family.name} has no built-in space; name a space file with --space")
    where = place_of(str(file))
    ranges, _ = _divided(parse(read_document(str(file)), str(file)), where)
    left = {key: content for key, content in ranges.items() if key not in settings.explicit}
    if not left:
        raise UsageError(
            f"nothing is left to tune: the settings fix {joined([*ranges])}, which are all keys of the built-in "
            "space; leave one out, or name another space with --space"
        )
    return _space(file.stem, left, family, where)


def _space_file(preset: str, family: Family) -> Path:
    return (family.preset_folder or PRESET_DIRECTORY) / SPACES / f"{preset}.yaml"


def _divided(document: object, where: str) -> tuple[dict[str, dict[str, Any]], dict[str, object]]:
    """Return the ranges of a document, and its checked values, both by key."""
    if not isinstance(document, dict):
        return {}, check_document(document, where)
    ranges: dict[str, dict[str, Any]] = {}
    values: dict[str, object] = {}
    for section, content in document.items():
        if section not in SECTIONS or not isinstance(content, dict):
            values[section] = content
            continue
        values[section] = {name: value for name, value in content.items() if not isinstance(value, dict)}
        for name, value in content.items():
            if isinstance(value, dict):
                ranges[f"{section}.{name}"] = value
    for key in ranges:
        if not find_keys(key):
            raise unknown_key(key, where)
        if key in NOT_TUNED:
            raise UsageError(f"{where}{key}: cannot be tuned: {NOT_TUNED[key]}")
        if key.partition(".")[0] not in TUNED_SECTIONS:
            raise UsageError(f"{where}{key}: cannot be tuned: only keys of {joined(TUNED_SECTIONS)} can")
    return ranges, check_document(values, where)


def _space(name: str, ranges: Mapping[str, dict[str, Any]], family: Family, where: str) -> Space:
    found = [_dimension(find_key(path, family, where), ranges[path], where) for path in sorted(ranges)]
    return Space(name=name, dimensions=tuple(found))


def _dimension(key: Key, parts: Mapping[str, Any], where: str) -> Dimension:
    """Check a range, and return it."""
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"{where}{key.path}: {shown(part)}: unknown; {_advice(part)}")
    if "choices" in parts:
        return _choices(key, parts, where)
    if key.core not in (int, float):
        raise UsageError(f"{where}{key.path}: takes no numbers between two ends; expected choices: [...]")
    if "min" not in parts or "max" not in parts:
        given = joined(list(parts)) or "nothing"
        raise UsageError(f"{where}{key.path}: expected {EXPECTED}; got {given}")
    low, high = (_number(key, parts[end], f"{where}{end} of ") for end in ("min", "max"))
    if low >= high:
        raise UsageError(f"{where}{key.path}: expected a min below max, got {low} and {high}")
    log, step = parts.get("log", False), _step(key, parts, low, high, where)
    if not isinstance(log, bool):
        raise UsageError(f"{where}{key.path}: log: expected true or false, got {shown(log)}")
    if log and low <= 0:
        raise UsageError(f"{where}{key.path}: expected a min above 0 with log: true, got {low}")
    if log and step is not None:
        raise UsageError(f"{where}{key.path}: log and step exclude each other; leave one out")
    if step is not None:
        # The last value is the highest one that whole steps reach.
        high = low + math.floor((high - low) / step + 1e-9) * step
    kind: Literal["whole", "number"] = "whole" if key.core is int else "number"
    return Dimension(path=key.path, kind=kind, low=low, high=high, log=log, step=step)


def _step(key: Key, parts: Mapping[str, Any], low: float, high: float, where: str) -> int | float | None:
    step: Any = plain(parts.get("step"))
    if step is None:
        return None
    is_number = isinstance(step, int if key.core is int else int | float) and not isinstance(step, bool)
    if is_number and 0 < step <= high - low:
        if key.core is float and (high - low) / step > MOST_STEPS:
            raise UsageError(
                f"{where}{key.path}: step: expected at most {MOST_STEPS:,} steps from min to max, got "
                f"{shown(parts['step'])}; leave it out, or make it larger"
            )
        return step  # type: ignore[no-any-return]
    expected = f"{'a whole number' if key.core is int else 'a number'} above 0 and at most max - min"
    raise UsageError(f"{where}{key.path}: step: expected {expected}, got {shown(parts['step'])}")


def _choices(key: Key, parts: Mapping[str, Any], where: str) -> Dimension:
    if len(parts) > 1:
        others = joined([part for part in parts if part != "choices"])
        raise UsageError(f"{where}{key.path}: choices exclude {others}; leave one of the two out")
    given = parts["choices"]
    if not isinstance(given, list) or len(given) < 2:
        raise UsageError(f"{where}{key.path}: choices: expected a list of two values or more, got {shown(given)}")
    values: list[Any] = [key.check(value, f"{where}choices of ") for value in given]
    for number, value in enumerate(values):
        if value in values[:number]:
            raise UsageError(f"{where}{key.path}: choices: {shown(value)} is given twice")
    return Dimension(path=key.path, kind="choice", choices=tuple(values))


def _number(key: Key, value: object, where: str) -> Any:
    """Return an end of a range, which must be a value of the key; null is none."""
    number = key.check(value, where)
    if number is None:
        raise UsageError(f"{where}{key.path}: expected {key.expected}, got null")
    return number


def _advice(part: object) -> str:
    # Imported here, because it is slow to import and only this message needs it.
    from difflib import get_close_matches

    near = get_close_matches(str(part), PARTS, n=1)
    return f"did you mean {near[0]}?" if near else f"expected {EXPECTED}"
