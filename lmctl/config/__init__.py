"""Typed configuration: YAML files, assignments and flags become frozen structs, checked before work starts.

`schema` declares every key with its type, range, default and description; `keys` checks values against it and
words the messages. `documents` reads and writes YAML as plain values. `settings` merges what
the user asked for and resolves it, with a preset, into a `Config`.
"""

from lmctl.config.keys import KEYS, SECTIONS, Key, json_schema
from lmctl.config.schema import (
    Config,
    DeviceConfig,
    ModelConfig,
    PublishingConfig,
    TextConfig,
    TrainingConfig,
    ValidationConfig,
    VocabularyConfig,
)
from lmctl.config.settings import (
    AUTOMATIC_PRESETS,
    PRESETS,
    Settings,
    choose_preset,
    config_from_yaml,
    read_settings,
    seconds_of,
    to_yaml,
)

__all__ = [
    "AUTOMATIC_PRESETS",
    "KEYS",
    "PRESETS",
    "SECTIONS",
    "Config",
    "DeviceConfig",
    "Key",
    "ModelConfig",
    "PublishingConfig",
    "Settings",
    "TextConfig",
    "TrainingConfig",
    "ValidationConfig",
    "VocabularyConfig",
    "choose_preset",
    "config_from_yaml",
    "json_schema",
    "read_settings",
    "seconds_of",
    "to_yaml",
]
