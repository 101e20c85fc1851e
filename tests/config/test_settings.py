from __future__ import annotations

from pathlib import Path

import pytest

from lmctl.config import Config, read_settings


def test_nothing_asked_for_gives_the_built_in_defaults():
    config = read_settings([], [], {}).resolve()

    assert config == Config()
    assert (config.preset, config.vocabulary.size, config.training.learning_rate) == ("auto", 50_000, 0.003)
    assert (config.validation.fraction, config.device.placement, config.publishing.keep) == (0.05, "auto", 3)


def test_a_configuration_cannot_be_changed_and_can_be_hashed():
    config = Config()

    with pytest.raises(AttributeError):
        config.model.layers = 3  # type: ignore[misc]
    assert hash(config) == hash(Config())


def test_later_files_win_then_assignments_then_flags(write):
    first = write("training: {epochs: 1, batch_size: 1, num_steps: 1, patience: 1}", "first.yaml")
    second = write("training: {batch_size: 2, num_steps: 2, patience: 2}", "second.yaml")
    assignments = ["training.num_steps=9", "training.num_steps=3", "training.patience=3"]

    training = read_settings([first, second], assignments, {"training.patience": 4}).resolve().training

    assert (training.epochs, training.batch_size, training.num_steps, training.patience) == (1, 2, 3, 4)


def test_explicit_values_win_over_the_preset_wherever_the_preset_is_named(write):
    path = write("training:\n  epochs: 3\n")

    config = read_settings([path], ["preset=tiny"], {}).resolve()

    assert (config.preset, config.training.epochs, config.training.optimizer) == ("tiny", 3, "adam")


def test_a_value_that_was_set_is_kept_also_if_it_is_the_default(write):
    path = write("model: {layers: 2}")
    asked = read_settings([path], ["training.epochs=10"], {"device.placement": "auto"})

    assert list(asked.explicit) == ["model.layers", "training.epochs", "device.placement"]


def test_settings_tell_the_preset_that_was_asked_for():
    assert read_settings([], [], {}).preset == "auto"
    assert read_settings([], ["preset=zh"], {}).preset == "zh"


def test_a_flag_may_be_a_path():
    assert read_settings([], [], {"validation.file": Path("a/b.txt")}).resolve().validation.file == "a/b.txt"


def test_an_assignment_may_set_several_keys_of_a_section(resolved):
    model = resolved("model={layers: 3, tied: true}").model

    assert (model.layers, model.tied) == (3, True)
