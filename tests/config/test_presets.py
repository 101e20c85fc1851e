from __future__ import annotations

import msgspec
import pytest

from lmctl import families
from lmctl.config import Config, choose_preset, find_key, find_keys, read_settings
from lmctl.config.presets import PRESET_DIRECTORY, automatic, names
from lmctl.config.settings import read_preset
from lmctl.config.training_keys import TrainingConfig

PRESETS = [(name, family) for family in families.configurable().values() for name in family.presets]
AUTOMATIC_PRESETS = [(name, family) for name, family in PRESETS if name in automatic(family)]


@pytest.mark.parametrize(
    ("training_tokens", "preset"),
    [
        (0, "tiny"),
        (20_000, "tiny"),
        (20_001, "small"),
        (1_000_000, "small"),
        (1_000_001, "medium"),
        (19_999_999, "medium"),
        (20_000_000, "large"),
        (10**12, "large"),
    ],
)
def test_auto_chooses_by_training_tokens(training_tokens, preset, resolved):
    assert choose_preset(families.find("lstm"), training_tokens) == preset
    assert resolved(tokens=training_tokens).preset == preset


@pytest.mark.parametrize(
    ("training_tokens", "limit", "preset"),
    [
        (1_000_000, "90s", "small"),
        (1_000_001, "10m", "brief"),
        (1_000_001, "601s", "medium"),
        (20_000_000, "0.1h", "brief"),
        (20_000_000, "1d", "large"),
    ],
)
def test_auto_chooses_by_the_time_limit_too(training_tokens, limit, preset, resolved):
    assert resolved(f"training.time_limit={limit}", tokens=training_tokens).preset == preset


@pytest.mark.parametrize(
    ("before", "preset"), [("medium", "medium"), ("auto", "medium"), ("brief", "brief"), (None, "brief")]
)
def test_a_warm_start_is_brief_only_if_the_model_before_was(before, preset):
    settings = read_settings(assignments=["training.time_limit=5m"])

    assert settings.resolve(2_000_000, preset_before=before).preset == preset


def test_a_time_limit_does_not_replace_the_preset_of_the_user(resolved):
    assert resolved("preset=medium", "training.time_limit=1m", tokens=2_000_000).preset == "medium"


def test_auto_with_a_number_of_tokens_takes_the_presets_values_below_the_explicit_ones(resolved):
    config = resolved("model.layers=2", tokens=100)

    assert (config.model.layers, config.training.optimizer) == (2, "adam")


def test_auto_before_the_tokens_are_counted_leaves_model_and_training_at_their_defaults(resolved):
    config = resolved("text.lowercase=true")

    assert (config.preset, config.text.lowercase, config.model) == ("auto", True, Config().model)


def test_a_named_preset_does_not_depend_on_the_tokens(resolved):
    assert resolved("preset=tiny", tokens=10**9) == resolved("preset=tiny")


def test_medium_is_narrower_than_the_defaults_and_has_larger_batches_a_higher_rate_and_weight_decay(resolved):
    training = msgspec.structs.replace(TrainingConfig(), batch_size=64, learning_rate=0.004, weight_decay=0.05)
    model = msgspec.structs.replace(Config().model, hidden_units=512, dropout=0.4, input_dropout=0.3)

    assert resolved("preset=medium") == msgspec.structs.replace(
        Config(), preset="medium", model=model, training=training
    )


def test_there_is_a_file_for_every_preset_and_no_other():
    files = {path.stem for path in PRESET_DIRECTORY.glob("*.yaml")}

    assert files == {*names(), "reference"}


@pytest.mark.parametrize(("name", "family"), PRESETS)
def test_a_preset_file_selects_itself_and_resolves_at_any_size(name, family, resolved):
    path = str(PRESET_DIRECTORY / f"{name}.yaml")

    assert read_settings([path], [], {}).resolve(100) == resolved(f"preset={name}")
    assert resolved(f"preset={name}").preset == name


@pytest.mark.parametrize(("name", "family"), PRESETS)
def test_a_preset_says_only_what_differs_from_the_defaults(name, family):
    repeated = [key for key, value in read_preset(name, family).items() if value == find_key(key, family).default]

    assert repeated == []


@pytest.mark.parametrize(("name", "family"), PRESETS)
def test_a_preset_starts_with_the_editors_line_and_a_comment_on_when_it_is_meant(name, family):
    lines = (PRESET_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8").splitlines()

    assert lines[0] == "# yaml-language-server: $schema=schema.json"
    assert lines[1].startswith("# ")


@pytest.mark.parametrize(("name", "family"), AUTOMATIC_PRESETS)
def test_a_preset_that_auto_may_choose_leaves_the_prepared_corpus_alone(name, family):
    sections = {find_keys(key)[0].section for key in read_preset(name, family)}

    assert sections & {"text", "vocabulary", "validation"} == set()
