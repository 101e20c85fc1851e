"""Merges the settings of the user, and resolves them to a configuration."""

from __future__ import annotations

import os
from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import families
from lmctl.config import checks, presets
from lmctl.config.documents import parse, read_document, scalar
from lmctl.config.keys import FAMILY_KEY, SECTIONS, check_value, find_key, find_keys
from lmctl.config.messages import one_line, shown
from lmctl.config.presets import AUTO, automatic, choose_preset, preset_file
from lmctl.config.schema import DEFAULT_FAMILY, Config, config_of
from lmctl.config.unknown_keys import unknown_key
from lmctl.errors import UsageError
from lmctl.files import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.families.family import Family


class Settings(msgspec.Struct, frozen=True):
    """The settings of the user: checked key by key, and not merged with a preset and the defaults yet.

    Attributes:
        explicit: the values of the keys that a file, an assignment or a flag set, by path.
        places: the beginning of a message about the value of a key that a file set, such as `"x.yaml: "`, by path.
    """

    explicit: dict[str, object]
    places: dict[str, str] = {}

    @property
    def preset(self) -> str:
        """The preset that the user chose; `auto` if none."""
        return str(self.explicit.get("preset", AUTO))

    def plain_values(self) -> dict[str, str | int | float | bool | None]:
        """Return the settings as plain values that can be stored. Paths that are not UTF-8 are made printable."""
        return {
            key: value if isinstance(value, int | float | None) else printable(str(value))
            for key, value in self.explicit.items()
        }

    @property
    def family(self) -> Family:
        """The family that the user chose by name or by a preset; the default family if none."""
        return _family_of(self.explicit)

    def resolve(self, training_tokens: int | None = None, *, preset_before: str | None = None) -> Config:
        """Return the whole configuration: built-in defaults < preset < settings of the user.

        Args:
            training_tokens: number of training tokens, by which preset `auto` chooses, together with the time
                limit. None if it is not known yet: then `auto` adds no values to `model` and `training`, and only
                the other sections are final.
            preset_before: the preset of the model whose weights training starts from; None: there is none.

        Raises:
            UsageError: two settings contradict each other.
        """
        preset, family = self.preset, self.family
        if preset == AUTO and training_tokens is not None:
            limit = self.explicit.get("training.time_limit")
            seconds = None if limit is None else seconds_of(str(limit))
            preset = choose_preset(family, training_tokens, seconds, preset_before)
        values = {} if preset == AUTO else read_preset(preset, family)
        values |= self.explicit
        values["preset"] = preset
        if self.explicit.get("training.baseline") is False and "training.with_ngram" not in self.explicit:
            # A preset may have set it. Only a contradiction between two settings of the user is an error.
            values["training.with_ngram"] = False
        config = _config(values, self.places)
        checks.check_rate(config.training, self.explicit)
        checks.check_warm_start(config)
        checks.check_baseline(config.training)
        checks.check_effects(config, self.explicit)
        return config


def read_settings(
    files: Sequence[str] = (), assignments: Sequence[str] = (), flags: Mapping[str, object] | None = None
) -> Settings:
    """Merge the settings of the user: later files win over earlier ones, assignments over files, flags over both.

    Args:
        files: paths of YAML files, the values of `-c`.
        assignments: `section.key=value` each, with the value in YAML: the values of `--set`.
        flags: values of the flags that were given, by key.

    Returns:
        The settings. Each key exists, and each value has its type and is in its range.

    Raises:
        UsageError: a document is not valid, a key does not exist, or a key does not take its value.
        InputMissingError: there is no such file.
        StorageError: a file cannot be read.
    """
    explicit: dict[str, object] = {}
    places: dict[str, str] = {}
    for path in files:
        values = read_file(path)
        explicit |= values
        places |= dict.fromkeys(values, place_of(path))
    on_command_line: dict[str, object] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"--set: expected section.key=value, got {shown(assignment)}")
        on_command_line |= check_document(_nested(key, parse(text, f"--set {key}")))
    for key, value in (flags or {}).items():
        plain_value = os.fspath(value) if isinstance(value, os.PathLike) else value
        on_command_line |= check_document(_nested(key, plain_value))
    explicit |= on_command_line
    return Settings(explicit, {key: place for key, place in places.items() if key not in on_command_line})


def place_of(path: str) -> str:
    """Return the beginning of a message about a file."""
    return f"{one_line(path)}: "


def read_file(path: str) -> dict[str, object]:
    """Return the checked values in a YAML file, by key."""
    return check_document(parse(read_document(path), path), place_of(path))


def read_preset(name: str, family: Family) -> dict[str, object]:
    """Return the checked values of a family's preset, by key.

    Raises:
        UsageError: the family has no such preset.
    """
    return read_file(str(preset_file(name, family)))


def seconds_of(time: str) -> float:
    """Return the seconds of a time in a configuration, such as 90s, 50m, 1.5h or 2d."""
    return float(time[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[time[-1]]


def settings_to_yaml(values: Mapping[str, object]) -> str:
    """Return the values of some keys as YAML, which `-c` reads."""
    lines = [f"preset: {scalar(values['preset'])}"] if "preset" in values else []
    for section in SECTIONS:
        entries = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        if entries:
            lines += [f"{section}:", *(f"  {name}: {scalar(value)}" for name, value in entries.items())]
    return "".join(f"{line}\n" for line in lines)


def to_yaml(config: Config) -> str:
    """Return a configuration as YAML, with the values of all keys; `config_from_yaml` reads it."""
    lines = [f"preset: {scalar(config.preset)}"]
    for section in SECTIONS:
        lines += ["", f"{section}:"]
        values = msgspec.to_builtins(getattr(config, section))
        lines += [f"  {name}: {scalar(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def config_from_yaml(text: str, source: str = "config.yaml") -> Config:
    """Return the configuration that `to_yaml` wrote. A missing key gets its built-in default, not one of a preset.

    Args:
        text: the YAML.
        source: name of the YAML in messages.

    Raises:
        UsageError: it is not a valid configuration.
    """
    place = place_of(source)
    values = check_document(parse(text, source), place)
    return _config(values, dict.fromkeys(values, place))


def _nested(key: str, value: object) -> dict[str, object]:
    """Return a dotted key and its value in the form of a document."""
    section, dot, name = key.partition(".")
    return {section: {name: value}} if dot else {key: value}


def check_document(document: object, where: str = "") -> dict[str, object]:
    """Return the values of a document by key. Each key exists, and each value is checked."""
    if document is None:  # empty, or comments alone
        return {}
    if not isinstance(document, dict):
        raise UsageError(f"{where}expected sections such as training:, got {shown(document)}")
    values: dict[str, object] = {}
    for section, content in document.items():
        if section in SECTIONS:
            # A section whose keys are all commented out is null.
            if not isinstance(content, dict | NoneType):
                raise UsageError(f"{where}{section}: expected a mapping of keys, got {shown(content)}")
            entries = {f"{section}.{name}": value for name, value in (content or {}).items()}
        elif section == "preset":
            entries = {section: content}
        else:
            # The first key of a misspelt section helps to find the section that was meant.
            first = next(iter(content), "") if isinstance(content, dict) else ""
            raise unknown_key(f"{section}.{first}" if first else section, where)
        for path, value in entries.items():
            if not find_keys(path):
                raise unknown_key(path, where)
            values[path] = check_value(path, value, where)
    return values


def _family_of(values: Mapping[str, object]) -> Family:
    """Return the family that is named, or the family of the preset that is named; else the default."""
    if (name := values.get(FAMILY_KEY)) is not None:
        return families.find(str(name))
    return next(iter(presets.owners(str(values.get("preset")))), families.find(DEFAULT_FAMILY))


def _config(values: Mapping[str, object], places: Mapping[str, str]) -> Config:
    """Return the configuration with these values and the defaults; refuse values that contradict each other.

    Args:
        values: by key.
        places: see `Settings`.
    """
    family = _family_of(values)
    if not family.predicts_next_word:
        values = {**values, **checks.WITHOUT_NEXT_WORD}
    sections = _by_section(values, family, places)
    model = config_of(family, **sections.pop("model"))
    whole = sections.pop("")
    config = msgspec.structs.replace(msgspec.convert(whole | sections, Config), model=model)
    checks.check_encoding(config.text.encoding)
    checks.check_inputs(config)
    if config.preset == AUTO and family.automatic_presets:
        _check_with_presets(family, values, places)
    else:
        family.check_config(model)
    # Before a preset is chosen, the rate may still be the default of another optimizer.
    if config.preset != AUTO or "training.learning_rate" in values:
        checks.check_optimizer(config.training)
    return config


def _by_section(
    values: Mapping[str, object], family: Family, places: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return values by the name of their key, for each section; the name of the family is left out."""
    sections: dict[str, dict[str, Any]] = {section: {} for section in ("", *SECTIONS)}
    for path, value in values.items():
        place = places.get(path, "")
        key = find_key(path, family, place)
        sections[key.section][key.name] = key.check(value, place) if key.family is not None else value
    sections["model"].pop("family", None)
    return sections


def _check_with_presets(family: Family, values: Mapping[str, object], places: Mapping[str, str]) -> None:
    """Refuse values that contradict each other with every preset that `auto` may still choose.

    The defaults of the family decide nothing: none of them may be left when the preset is chosen. Presets do not
    contradict themselves, so they are not read, and the parser of YAML not imported, for values of other sections.
    """
    if not any(key.startswith("model.") and key != FAMILY_KEY for key in values):
        return
    problems = []
    names = automatic(family)
    for name in names:
        model = _by_section({**read_preset(name, family), **values}, family, places)["model"]
        try:
            family.check_config(config_of(family, **model))
        except UsageError as error:
            problems.append(error)
    if len(problems) == len(names):
        raise problems[0]
