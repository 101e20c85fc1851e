from __future__ import annotations

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.config import SECTIONS, Config, all_keys, config_from_yaml, read_settings, to_yaml
from lmctl.config.documents import parse, scalar
from lmctl.config.presets import names
from lmctl.errors import UsageError


@pytest.mark.parametrize("name", names())
def test_yaml_of_a_configuration_reads_back_to_an_equal_one(name, write, resolved):
    rate = ["training.learning_rate=1e-05"] if resolved(f"preset={name}").family.trains_network else []
    config = resolved(f"preset={name}", *rate, "vocabulary.size=null")

    assert config_from_yaml(to_yaml(config)) == config
    assert read_settings([write(to_yaml(config))], [], {}).resolve(7) == config
    # Another YAML reader reads the same values.
    assert yaml.safe_load(to_yaml(config))["model"] == msgspec.to_builtins(config.model)


def test_an_undecided_configuration_reads_back_too(resolved):
    config = resolved("model.tied=true", "model.embedding_dim=200", "model.hidden_units=200")

    assert config.preset == "auto"
    assert config_from_yaml(to_yaml(config)) == config


def test_yaml_of_a_configuration_holds_every_key_once():
    document = yaml.safe_load(to_yaml(Config()))

    assert list(document) == ["preset", *SECTIONS]
    assert [f"{section}.{name}" for section in SECTIONS for name in document[section]] == [
        key.path for key in all_keys() if key.family in (None, "lstm") and key.path != "preset"
    ]


def test_config_from_yaml_fills_missing_keys_from_the_defaults_and_names_its_source():
    assert config_from_yaml("preset: tiny\nmodel: {layers: 3}") == msgspec.structs.replace(
        Config(), preset="tiny", model=msgspec.structs.replace(Config().model, layers=3)
    )
    with pytest.raises(UsageError, match=r"^models/a/config\.yaml: model\.layer: unknown key"):
        config_from_yaml("model: {layer: 3}", "models/a/config.yaml")


@settings(max_examples=300, deadline=None)
@given(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20))
def test_any_scalar_reads_back_to_itself(value):
    # Halves of surrogate pairs are Unicode category Cs, which st.text() leaves out.
    text = scalar(value)
    read = parse(f"a: {text}", "x")

    assert read == {"a": value}
    assert "\n" not in text


@pytest.mark.parametrize(
    "text", ["yes", "1e-3", "0x1f", "null", "~", "", "- a", "a: b", "a #b", "é", "2024-01-01"]
)
def test_text_that_could_be_something_else_reads_back_as_text_in_other_readers_too(text):
    assert yaml.safe_load(f"a: {scalar(text)}") == {"a": text}
    assert parse(f"a: {scalar(text)}", "x") == {"a": text}
