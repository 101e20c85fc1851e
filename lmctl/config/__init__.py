"""Typed configuration: YAML files, assignments and flags become frozen structs, checked before work starts.

`schema` declares the keys that all families of models share, each with its type, range, default and description;
a family declares its own. `keys` checks values against them, and `unknown_keys` and `messages` word what is wrong.
`documents` reads and writes YAML as plain values. `settings` merges what the user asked for and resolves it, with
a preset of `presets`, into a `Config`, of which `checks` refuses what cannot hold together.
"""

from lmctl.config.keys import SECTIONS, Key, all_keys, find_key, find_keys
from lmctl.config.presets import choose_preset
from lmctl.config.schema import (
    Config,
    DeviceConfig,
    PublishingConfig,
    TextConfig,
    ValidationConfig,
    VocabularyConfig,
    config_of,
)
from lmctl.config.settings import (
    Settings,
    config_from_yaml,
    read_settings,
    seconds_of,
    to_yaml,
)
from lmctl.config.training_keys import TrainingConfig

__all__ = [
    "SECTIONS",
    "Config",
    "DeviceConfig",
    "Key",
    "PublishingConfig",
    "Settings",
    "TextConfig",
    "TrainingConfig",
    "ValidationConfig",
    "VocabularyConfig",
    "all_keys",
    "choose_preset",
    "config_from_yaml",
    "config_of",
    "find_key",
    "find_keys",
    "read_settings",
    "seconds_of",
    "to_yaml",
]
