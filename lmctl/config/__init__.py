"""Typed configuration: YAML files, assignments and flags become frozen structs, checked before work starts.

`schema` declares the keys that all families of models share, each with its type, range, default and description;
a family declares its own keys. `keys` checks values, `unknown_keys` and `messages` make the error messages, and
`documents` reads and writes YAML as plain values. `settings` merges the values that the user gave with a preset of
`presets` and the defaults into a `Config`. `checks` refuses combinations of values that contradict each other.
`spaces` reads files whose values are ranges, for tuning.
"""

from lmctl.config.checks import with_segmenter
from lmctl.config.keys import FAMILY_KEY, SECTIONS, Key, all_keys, find_key, find_keys
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
    settings_to_yaml,
    to_yaml,
)
from lmctl.config.training_keys import TrainingConfig

__all__ = [
    "FAMILY_KEY",
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
    "settings_to_yaml",
    "to_yaml",
    "with_segmenter",
]
