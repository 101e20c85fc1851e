"""What the user asked for, merged, and the configuration that it resolves to."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from lmctl.config.documents import parse, read_document, scalar
from lmctl.config.keys import KEYS, SECTIONS, one_line, shown, unknown_key
from lmctl.config.schema import Config, TrainingConfig
from lmctl.errors import UsageError
from lmctl.files import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PRESET_DIRECTORY = Path(__file__).resolve().parents[1] / "configs"
PRESETS: tuple[str, ...] = tuple(name for name in get_args(get_args(KEYS["preset"].type)[0]) if name != "auto")

# The presets that `auto` chooses among, each with the most training tokens it is chosen for.
AUTOMATIC_PRESETS: dict[str, int | None] = {
    "tiny": 20_000,
    "small": 1_000_000,
    "medium": 19_999_999,
    "large": None,
}


NGRAM = "ngram"
# What may be set where n-grams are counted; a seed decides nothing then, and is no mistake.
KEYS_OF_NGRAMS = frozenset(
    {"model.family", "model.order", "model.smoothing", "model.pruning", "training.seed", "device.threads"}
)


OF_NETWORKS = ("model.", "training.", "device.", "publishing.checkpoint_every")


class Settings(msgspec.Struct, frozen=True):
    """What the user asked for: checked key by key, not yet joined with a preset and the defaults.

    Attributes:
        explicit: the value of each key that a file, an assignment or a flag gave.
    """

    explicit: dict[str, object]

    @property
    def preset(self) -> str:
        """The preset asked for; `auto` where none was."""
        return str(self.explicit.get("preset", "auto"))

    def as_asked(self) -> dict[str, str | int | float | bool | None]:
        """What the user asked for, as plain values that can be stored; paths that are not UTF-8 made printable."""
        return {
            key: value if isinstance(value, int | float | None) else printable(str(value))
            for key, value in self.explicit.items()
        }

    def resolve(self, training_tokens: int | None = None) -> Config:
        """The whole configuration: built-in defaults < preset < what the user set.

        Args:
            training_tokens: what preset `auto` chooses by. While it is not known, `model` and `training` hold the
                defaults and what the user set, and only the other sections mean something.

        Raises:
            UsageError: two settings cannot both hold.
        """
        preset = self.preset
        if preset == "auto" and training_tokens is not None:
            preset = NGRAM if self.explicit.get("model.family") == NGRAM else choose_preset(training_tokens)
        values = {} if preset == "auto" else read_preset(preset)
        values |= self.explicit
        values["preset"] = preset
        if self.explicit.get("training.baseline") is False and "training.with_ngram" not in self.explicit:
            # A preset's wish; what the user did not ask for is not to be refused.
            values["training.with_ngram"] = False
        config = _config(values)
        self._check_rate(config.training)
        self._check_warm_start(config.training)
        self._check_family(config)
        return config

    def _check_rate(self, training: TrainingConfig) -> None:
        """Refuse the rate of another optimizer where plain gradient descent was asked for."""
        asked = self.explicit.get("training.optimizer") == "sgd" and "training.learning_rate" not in self.explicit
        if asked and training.learning_rate < 0.1:
            raise UsageError(
                f"training.learning_rate: {training.learning_rate:g} does not suit sgd; set a rate such as 20"
            )

    def _check_family(self, config: Config) -> None:
        """Refuse what only a network has where n-grams are to be counted, and a mixture without its n-grams."""
        training = config.training
        counts = [int(count) for count in config.model.pruning.split()]
        if counts != sorted(counts):
            raise UsageError(f"model.pruning: expected counts that do not fall, got {config.model.pruning}")
        if config.model.order is not None and len(counts) > config.model.order:
            raise UsageError(f"model.pruning: {len(counts)} counts for n-grams of order {config.model.order}")
        if training.with_ngram and not training.baseline:
            raise UsageError("training.with_ngram: needs training.baseline, the n-gram model that is mixed in")
        if config.model.family != NGRAM:
            if config.preset == NGRAM:
                raise UsageError(f"preset: ngram, but model.family is {config.model.family}")
            return
        if config.preset not in ("auto", NGRAM):
            raise UsageError(f"model.family: ngram, but preset {config.preset} is that of a network")
        for key in self.explicit:
            of_networks = key.startswith(OF_NETWORKS) and key not in KEYS_OF_NGRAMS
            if of_networks and self.explicit[key] != KEYS[key].default:
                raise UsageError(f"{key}: has no effect with model.family ngram; leave it out")

    def _check_warm_start(self, training: TrainingConfig) -> None:
        """Refuse what means nothing where training starts from random weights."""
        for key in ("training.grow_vocabulary", "training.gone_words"):
            if training.init_from is None and self.explicit.get(key, KEYS[key].default) != KEYS[key].default:
                raise UsageError(f"{key}: needs training.init_from, the model whose words these are")


def read_settings(
    files: Sequence[str] = (), assignments: Sequence[str] = (), flags: Mapping[str, object] | None = None
) -> Settings:
    """Merge what the user asked for; later files win, then assignments, then flags.

    Args:
        files: paths of YAML files, as given with `-c`.
        assignments: `section.key=value` each, the value in YAML, as given with `--set`.
        flags: values of the named flags that were given, by key.

    Returns:
        The settings, each key known and each value of its type and in its range.

    Raises:
        UsageError: a document, a key or a value is not right.
        InputMissingError: there is no such file.
        StorageError: a file cannot be read.
    """
    explicit: dict[str, object] = {}
    for path in files:
        explicit |= read_file(path)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"--set: expected section.key=value, got {shown(assignment)}")
        explicit |= _checked(_nested(key, parse(text, f"--set {key}")))
    for key, value in (flags or {}).items():
        explicit |= _checked(_nested(key, os.fspath(value) if isinstance(value, os.PathLike) else value))
    return Settings(explicit)


def read_file(path: str) -> dict[str, object]:
    """The checked values in a YAML file, by key."""
    return _checked(parse(read_document(path), path), f"{one_line(path)}: ")


def read_preset(name: str) -> dict[str, object]:
    """The checked values that a preset sets, by key."""
    return read_file(str(PRESET_DIRECTORY / f"{name}.yaml"))


def choose_preset(training_tokens: int) -> str:
    """The preset that `auto` stands for, by the number of tokens there are to train on."""
    return next(name for name, most in AUTOMATIC_PRESETS.items() if most is None or training_tokens <= most)


def seconds_of(time: str) -> float:
    """Seconds in a time as the configuration has it, such as 90s, 50m, 1.5h or 2d."""
    return float(time[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[time[-1]]


def to_yaml(config: Config) -> str:
    """A configuration as YAML, every key with its value, which `config_from_yaml` reads back."""
    lines = [f"preset: {scalar(config.preset)}"]
    for section in SECTIONS:
        lines += ["", f"{section}:"]
        values = msgspec.structs.asdict(getattr(config, section))
        lines += [f"  {name}: {scalar(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def config_from_yaml(text: str, source: str = "config.yaml") -> Config:
    """The configuration that `to_yaml` wrote; a key that is missing has its built-in default, whatever the preset.

    Args:
        text: the YAML.
        source: what messages call it.

    Raises:
        UsageError: it is not a valid configuration.
    """
    return _config(_checked(parse(text, source), f"{one_line(source)}: "))


def _nested(key: str, value: object) -> dict[str, object]:
    """A dotted key and its value, in the shape of a document."""
    section, dot, name = key.partition(".")
    return {section: {name: value}} if dot else {key: value}


def _checked(document: object, where: str = "") -> dict[str, object]:
    """A document's values by key, each key known and each value checked."""
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
            # With its first key, a misspelt section tells more of what was meant.
            first = next(iter(content), "") if isinstance(content, dict) else ""
            raise unknown_key(f"{section}.{first}" if first else section, where)
        for path, value in entries.items():
            if path not in KEYS:
                raise unknown_key(path, where)
            values[path] = KEYS[path].check(value, where)
    return values


def _config(values: Mapping[str, object]) -> Config:
    """The configuration that holds these values, and the defaults; refused where they cannot hold together."""
    document: dict[str, Any] = {}
    for path, value in values.items():
        key = KEYS[path]
        (document.setdefault(key.section, {}) if key.section else document)[key.name] = value
    config = msgspec.convert(document, Config)
    _check_encoding(config.text.encoding)
    _check_inputs(config)
    # Before a preset is chosen, the rate may still be the default of another optimizer.
    if config.preset != "auto" or "training.learning_rate" in values:
        _check_optimizer(config.training)
    return config


def _check_encoding(name: str) -> None:
    try:
        codecs.lookup(name)
        "a".encode(name)  # refuses codecs that turn bytes into bytes, such as hex
    except (LookupError, ValueError):
        expected = KEYS["text.encoding"].expected
        raise UsageError(f"text.encoding: expected {expected}, got {shown(name)}") from None


def _check_optimizer(training: TrainingConfig) -> None:
    """Refuse a rate that only plain gradient descent can take: the others divide a gradient by its size."""
    if training.optimizer != "sgd" and training.learning_rate >= 1:
        raise UsageError(
            f"training.learning_rate: {training.learning_rate:g} suits sgd, not {training.optimizer}; "
            "set a rate below 1, such as 0.002"
        )


def _check_inputs(config: Config) -> None:
    """Refuse settings of which one would leave the other without effect."""
    text, vocabulary, validation = config.text, config.vocabulary, config.validation
    if text.segmenter in ("space", "char"):
        for name in ("engine", "user_dictionary"):
            if (value := getattr(text, name)) != KEYS[f"text.{name}"].default:
                raise UsageError(
                    f"text.{name}: needs text.segmenter auto or jieba, "
                    f"got {shown(value)} with text.segmenter {text.segmenter}"
                )
    if vocabulary.file is not None:
        for name in ("size", "min_count"):
            if (value := getattr(vocabulary, name)) != KEYS[f"vocabulary.{name}"].default:
                raise UsageError(
                    f"vocabulary.{name}: cannot be set together with vocabulary.file, which fixes the word list; "
                    f"got {shown(value)} and {shown(vocabulary.file)}"
                )
    if validation.file is not None and validation.fraction != KEYS["validation.fraction"].default:
        raise UsageError(
            "validation.fraction: cannot be set together with validation.file, which takes its place; "
            f"got {shown(validation.fraction)} and {shown(validation.file)}"
        )
