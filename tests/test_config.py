from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.config import (
    AUTOMATIC_PRESETS,
    KEYS,
    PRESETS,
    SECTIONS,
    Config,
    choose_preset,
    config_from_yaml,
    json_schema,
    read_settings,
    seconds_of,
    to_yaml,
)
from lmctl.config.documents import LARGEST_DOCUMENT_BYTES, parse, scalar
from lmctl.config.settings import PRESET_DIRECTORY, read_preset
from lmctl.errors import InputMissingError, LmctlError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def resolved(*assignments: str, tokens: int | None = None) -> Config:
    return read_settings([], assignments, {}).resolve(tokens)


def message(*assignments: str) -> str:
    with pytest.raises(UsageError) as caught:
        resolved(*assignments)
    return str(caught.value)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write_file(content: str | bytes, name: str = "x.yaml") -> str:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write_file


def file_message(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_settings([path], [], {})
    return str(caught.value)


# Defaults and layers


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


def test_what_was_set_is_kept_even_where_it_is_the_default(write):
    path = write("model: {layers: 2}")
    asked = read_settings([path], ["training.epochs=10"], {"device.placement": "auto"})

    assert list(asked.explicit) == ["model.layers", "training.epochs", "device.placement"]


def test_settings_tell_the_preset_that_was_asked_for():
    assert read_settings([], [], {}).preset == "auto"
    assert read_settings([], ["preset=zh"], {}).preset == "zh"


def test_a_flag_may_be_a_path():
    assert read_settings([], [], {"validation.file": Path("a/b.txt")}).resolve().validation.file == "a/b.txt"


def test_an_assignment_may_set_several_keys_of_a_section():
    model = resolved("model={layers: 3, tied: true}").model

    assert (model.layers, model.tied) == (3, True)


# Presets


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
def test_auto_chooses_by_training_tokens(training_tokens, preset):
    assert choose_preset(training_tokens) == preset
    assert resolved(tokens=training_tokens).preset == preset


def test_auto_with_a_number_of_tokens_takes_the_presets_values_below_the_explicit_ones():
    config = resolved("model.layers=2", tokens=100)

    assert (config.model.layers, config.training.optimizer) == (2, "adam")


def test_auto_before_the_tokens_are_counted_leaves_model_and_training_at_their_defaults():
    config = resolved("text.lowercase=true")

    assert (config.preset, config.text.lowercase, config.model) == ("auto", True, Config().model)


def test_a_named_preset_does_not_depend_on_the_tokens():
    assert resolved("preset=tiny", tokens=10**9) == resolved("preset=tiny")


def test_medium_is_the_built_in_defaults():
    assert resolved("preset=medium") == msgspec.structs.replace(Config(), preset="medium")


def test_there_is_a_file_for_every_preset_and_no_other():
    names = {path.stem for path in PRESET_DIRECTORY.glob("*.yaml")}

    assert names == {*PRESETS, "reference"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_file_selects_itself_and_resolves_at_any_size(name):
    path = str(PRESET_DIRECTORY / f"{name}.yaml")

    assert read_settings([path], [], {}).resolve(100) == resolved(f"preset={name}")
    assert resolved(f"preset={name}").preset == name


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_only_what_differs_from_the_defaults(name):
    repeated = [key for key, value in read_preset(name).items() if value == KEYS[key].default]

    assert repeated == []


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_starts_with_the_editors_line_and_a_comment_on_when_it_is_meant(name):
    lines = (PRESET_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8").splitlines()

    assert lines[0] == "# yaml-language-server: $schema=schema.json"
    assert lines[1].startswith("# ")


@pytest.mark.parametrize("name", AUTOMATIC_PRESETS)
def test_a_preset_that_auto_may_choose_leaves_the_prepared_corpus_alone(name):
    sections = {KEYS[key].section for key in read_preset(name)}

    assert sections & {"text", "vocabulary", "validation"} == set()


# Unknown keys


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("training.batch_sise", "did you mean training.batch_size?"),
        ("training.dropout", "did you mean model.dropout?"),
        ("trainning.epochs", "did you mean training.epochs?"),
        ("Training.Epochs", "did you mean training.epochs?"),
        ("embedding_dim", "did you mean model.embedding_dim?"),
        ("hiden_units", "did you mean model.hidden_units?"),
        ("vocab.size", "did you mean vocabulary.size?"),
        ("validation.path", "there are file, fraction, state"),
        ("training.training.epochs", "did you mean training.epochs?"),
        ("xyzzy", "there are text, vocabulary, model, training, validation, device, publishing"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key, expected):
    assert message(f"{key}=1") == f"{key}: unknown key; {expected}"


def test_an_unknown_key_in_a_file_is_refused_with_the_files_name(write):
    path = write("training:\n  batch_sise: 3\n")

    assert file_message(path) == "x.yaml: training.batch_sise: unknown key; did you mean training.batch_size?"


def test_a_dotted_key_in_a_file_is_refused_with_the_way_to_write_it(write):
    path = write("training.epochs: 3")

    assert (
        file_message(path)
        == "x.yaml: training.epochs: unknown key; write epochs on a line of its own below training:"
    )


def test_an_unknown_flag_is_refused():
    with pytest.raises(UsageError, match=r"^training\.epoch: unknown key; did you mean training\.epochs\?$"):
        read_settings([], [], {"training.epoch": 1})


# Types and ranges


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("vocabulary.size=lots", "a whole number of at least 3, got 'lots'"),
        ("vocabulary.size=2", "a whole number of at least 3, got 2"),
        ("model.embedding_dim=0", "a whole number of at least 1, got 0"),
        ("model.embedding_dim=", "a whole number of at least 1, got null"),
        ("model.layers=9", "a whole number of at least 1 and at most 8, got 9"),
        ("training.epochs=3.0", "a whole number of at least 1, got 3.0"),
        ("training.epochs=true", "a whole number of at least 1, got true"),
        ("training.epochs=017", "a whole number of at least 1, got '017'"),
        ("training.epochs=0x11", "a whole number of at least 1, got '0x11'"),
        ("training.epochs=0b11", "a whole number of at least 1, got '0b11'"),
        ("training.epochs=1:30", "a whole number of at least 1, got '1:30'"),
        ("training.epochs=1_000", "a whole number of at least 1, got '1_000'"),
        ("training.epochs='3'", "a whole number of at least 1, got '3'"),
        ("training.epochs=[3]", "a whole number of at least 1, got a list"),
        ("training.epochs={a: 3}", "a whole number of at least 1, got a mapping"),
        ("training.epochs=2147483648", "a whole number of at most 2147483647, got 2147483648"),
        ("training.seed=2147483648", "a whole number of at least 0 and at most 2147483647, got 2147483648"),
        ("training.learning_rate=true", "a number above 0, got true"),
        ("training.learning_rate=.inf", "a number above 0, got '.inf'"),
        ("training.learning_rate=.nan", "a number above 0, got '.nan'"),
        ("training.learning_rate=1e999", "a number above 0, got inf"),
        ("training.decay_factor=1", "a number above 1, got 1"),
        ("model.dropout=1", "a number of at least 0 and below 1, got 1"),
        ("validation.fraction=0.6", "a number of at least 0 and at most 0.5, got 0.6"),
        ("model.tied=yes", "true or false, got 'yes'"),
        ("model.tied=off", "true or false, got 'off'"),
        ("model.tied=1", "true or false, got 1"),
        ("model.family=gru", "one of lstm, ngram, got 'gru'"),
        ("training.optimizer=adamw", "one of sgd, adam, adagrad, rmsprop, got 'adamw'"),
        ("preset=huge", "one of auto, tiny, small, medium, large, zh, gpu, ngram, got 'huge'"),
        ("device.placement=cuda", "auto, cpu, gpu, gpu:N or gpus, got 'cuda'"),
        ("device.placement=gpu:x", "auto, cpu, gpu, gpu:N or gpus, got 'gpu:x'"),
        ("training.steps=0", "a whole number of at least 1, got 0"),
        ('training.steps="\\ud800"', r"a whole number of at least 1, got '\ud800'"),
        ('model.softmax="\\udfff"', r"one of auto, full, adaptive, got '\udfff'"),
        ("training.time_limit=50", "a time such as 90s, 50m, 1.5h or 2d, got 50; put it in quotes"),
        ("training.time_limit=2x", "a time such as 90s, 50m, 1.5h or 2d, got '2x'"),
        ("training.time_limit=.s", "a time such as 90s, 50m, 1.5h or 2d, got '.s'"),
        ("validation.file=2024", "the path of a file, got 2024; put it in quotes"),
        ("validation.file=''", "the path of a file, got ''"),
        ('validation.file="a\\nb"', r"text without control characters or broken Unicode, got 'a\nb'"),
        ('validation.file="\\ud800"', r"text without control characters or broken Unicode, got '\ud800'"),
        ("text.encoding=utf-9", "the name of a text encoding, such as utf-8 or gb18030, got 'utf-9'"),
        ("text.encoding=hex", "the name of a text encoding, such as utf-8 or gb18030, got 'hex'"),
    ],
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_refused(assignment, expected):
    key = assignment.partition("=")[0]

    assert message(assignment) == f"{key}: expected {expected}"


def test_a_wrong_value_in_a_file_is_refused_with_the_files_name(write):
    path = write("vocabulary: {size: lots}")

    assert file_message(path) == "x.yaml: vocabulary.size: expected a whole number of at least 3, got 'lots'"


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("training.learning_rate=1e-3", 0.001),
        ("training.learning_rate=1E-3", 0.001),
        ("training.learning_rate=.5", 0.5),
        ("training.clip_norm=+2.", 2.0),
        ("training.clip_norm=1E3", 1000.0),
        ("training.clip_norm=20", 20.0),
        ("training.clip_norm=100000000000000000000", 1e20),
        ("training.clip_norm=null", None),
        ("training.clip_norm=~", None),
        ("vocabulary.size=", None),
        ("vocabulary.size=3", 3),
        ("training.seed=2147483647", 2**31 - 1),
        ("model.tied=True", True),
        ("device.placement=gpu:12", "gpu:12"),
        ("validation.file=no", "no"),
        ("validation.file=2024-01-31", "2024-01-31"),
        ("validation.file='2024'", "2024"),
        ("validation.file=文本/新　闻.txt", "文本/新　闻.txt"),
        ("text.encoding=gb18030", "gb18030"),
    ],
)
def test_a_value_is_read_as_yaml_1_2_has_it(assignment, value):
    key = KEYS[assignment.partition("=")[0]]
    read = getattr(getattr(resolved(assignment), key.section), key.name)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("time", "seconds"), [("90s", 90.0), ("50m", 3000.0), ("1.5h", 5400.0), (".5m", 30.0), ("2d", 172800.0)]
)
def test_a_time_is_a_number_and_its_unit(time, seconds):
    assert resolved(f"training.time_limit={time}").training.time_limit == time
    assert seconds_of(time) == seconds


@pytest.mark.parametrize("key", ["training.epochs", "training.learning_rate"])
@pytest.mark.parametrize(
    "value",
    [10**5000, -(10**5000), float("inf"), float("nan"), b"3", object(), (1,)],
    ids=["huge", "minus huge", "inf", "nan", "bytes", "object", "tuple"],
)
def test_a_flag_of_a_wrong_value_is_refused_on_one_line(key, value):
    with pytest.raises(UsageError, match=rf"^{key}: expected .*, got .{{1,60}}$"):
        read_settings([], [], {key: value})


@pytest.mark.parametrize("assignment", ["training.epochs", "", "=", "=3", " = 3"])
def test_an_assignment_without_a_key_or_a_value_is_refused(assignment):
    assert message(assignment) == f"--set: expected section.key=value, got {assignment!r}"


# Documents


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("training: [", "line 1, column 12: not valid YAML: expected the node content, but found '<stream end>'"),
        ("a: b: c", "line 1, column 5: not valid YAML: mapping values are not allowed here"),
        (
            "model:\n\tlayers: 1",
            r"line 2, column 1: not valid YAML: found character '\t' that cannot start any token",
        ),
        ("model:\n  layers: \x07", "line 2, column 11: not valid YAML: character U+0007 is not allowed"),
        ('text:\n  encoding: "\\UFFFFFFFF"', "not valid YAML: a number or an escape is out of range"),
        (f"%YAML 1.{'1' * 5000}\n---\n", "not valid YAML: a number or an escape is out of range"),
        ("training:\n  epochs: 3\n  epochs: 4", "line 3, column 3: key 'epochs' is given twice"),
        ("model: {}\nmodel: {}", "line 2, column 1: key 'model' is given twice"),
        ("- model", "expected sections such as training:, got a list"),
        ("model", "expected sections such as training:, got 'model'"),
        ("model: 3", "model: expected a mapping of keys, got 3"),
        ("model: [layers]", "model: expected a mapping of keys, got a list"),
        ("? [a]\n: 3", "line 1, column 3: expected a name as a key"),
        ("preset: tiny\n---\npreset: zh", "line 2, column 1: expected one YAML document, got another after ---"),
        (
            "model: &a {layers: 1}",
            "line 1, column 8: anchors (&) and aliases (*) are not supported; write the value out",
        ),
        ("model: *a", "line 1, column 8: anchors (&) and aliases (*) are not supported; write the value out"),
        (
            "preset: !!python/object/apply:os.getcwd []",
            "line 1, column 9: tags (!) are not supported; write the value alone",
        ),
        ("model: {layers: !!int '1'}", "line 1, column 17: tags (!) are not supported; write the value alone"),
        ("!!str preset: tiny", "line 1, column 1: tags (!) are not supported; write the value alone"),
        (f"model: {'[' * 5000}", "line 1, column 15: nested too deeply"),
        (b"model:\n  layers: \xff1", "line 2: expected UTF-8 text, got byte 0xff"),
        ("model: {}".encode("utf-16"), "line 1: expected UTF-8 text, got byte 0xff"),
        (
            b"#" * (LARGEST_DOCUMENT_BYTES + 1),
            "expected a configuration of at most 200000 bytes, got a larger file",
        ),
    ],
)
def test_a_document_that_is_no_configuration_is_refused_on_one_line(write, content, expected):
    assert file_message(write(content)) == f"x.yaml: {expected}"


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "---\n", "training:\n  # epochs: 3\n", "{}"])
def test_an_empty_document_or_section_sets_nothing(write, content):
    assert read_settings([write(content)], [], {}).explicit == {}


def test_a_byte_order_mark_and_crlf_are_no_trouble(write):
    path = write(b"\xef\xbb\xbfmodel:\r\n  layers: 3\r\n")

    assert read_settings([path], [], {}).resolve().model.layers == 3


def test_an_assignment_that_is_not_yaml_is_refused():
    assert message("model.layers={").startswith("--set model.layers: line 1, column 2: not valid YAML: ")


def test_a_missing_file_and_a_folder_are_missing_input(tmp_path, write):
    write("", "plain.yaml")
    for path, expected in [
        ("absent.yaml", "absent.yaml: no such configuration file"),
        ("plain.yaml/x.yaml", "plain.yaml/x.yaml: no such configuration file"),
        (".", ".: expected a configuration file, got a folder"),
    ]:
        with pytest.raises(InputMissingError) as caught:
            read_settings([path], [], {})
        assert str(caught.value) == expected


def test_a_file_that_cannot_be_read_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read the configuration: File name too long$"):
        read_settings([str(tmp_path / ("x" * 300))], [], {})


def test_a_file_name_that_no_file_can_have_is_a_usage_error():
    with pytest.raises(UsageError, match=r"^'a\\x00b': expected the path of a configuration file$"):
        read_settings(["a\0b"], [], {})


# What cannot hold together


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (
            ["vocabulary.file=words.txt", "vocabulary.size=100"],
            (
                "vocabulary.size: cannot be set together with vocabulary.file, which fixes the word list; "
                "got 100 and 'words.txt'"
            ),
        ),
        (
            ["vocabulary.file=words.txt", "vocabulary.min_count=2"],
            (
                "vocabulary.min_count: cannot be set together with vocabulary.file, which fixes the word list; "
                "got 2 and 'words.txt'"
            ),
        ),
        (
            ["validation.file=valid.txt", "validation.fraction=0.1"],
            (
                "validation.fraction: cannot be set together with validation.file, which takes its place; "
                "got 0.1 and 'valid.txt'"
            ),
        ),
        (
            ["text.segmenter=space", "text.engine=jieba"],
            "text.engine: needs text.segmenter auto or jieba, got 'jieba' with text.segmenter space",
        ),
        (
            ["text.segmenter=char", "text.user_dictionary=d.txt"],
            "text.user_dictionary: needs text.segmenter auto or jieba, got 'd.txt' with text.segmenter char",
        ),
    ],
)
def test_settings_that_cannot_hold_together_are_refused(assignments, expected):
    assert message(*assignments) == expected


# Families


def test_counting_is_a_family_with_a_preset_of_its_own():
    config = resolved("model.family=ngram", "model.order=3", "model.pruning='0 0 1'", "training.seed=7")

    assert read_settings([], ["model.family=ngram"], {}).resolve(10).preset == "ngram"
    assert (config.model.order, config.model.pruning) == (3, "0 0 1")
    assert resolved("preset=ngram").model.family == "ngram"


@pytest.mark.parametrize(
    "assignment", ["model.hidden_units=3", "training.epochs=2", "device.placement=gpu", "training.time_limit=5m"]
)
def test_what_only_a_network_has_is_refused_for_ngrams(assignment):
    with pytest.raises(UsageError, match=rf"^{assignment.split('=')[0]}: has no effect with model.family ngram"):
        resolved("model.family=ngram", assignment)


def test_a_networks_preset_is_refused_for_ngrams():
    with pytest.raises(UsageError, match=r"^model.family: ngram, but preset tiny is that of a network"):
        resolved("model.family=ngram", "preset=tiny")


def test_a_mixture_needs_the_model_that_is_mixed_in():
    with pytest.raises(UsageError, match=r"^training.with_ngram: needs training.baseline"):
        resolved("training.with_ngram=true", "training.baseline=false")


@pytest.mark.parametrize("pruning", ["1", "0 x", "", "0  1", "'0 -1'"])
def test_pruning_is_counts_for_each_order(pruning):
    with pytest.raises(UsageError, match=r"^model.pruning: expected "):
        resolved(f"model.pruning={pruning}")


# Round trips


@pytest.mark.parametrize("name", PRESETS)
def test_yaml_of_a_configuration_reads_back_to_an_equal_one(name, write):
    rate = [] if name == "ngram" else ["training.learning_rate=1e-05"]
    config = resolved(f"preset={name}", *rate, "vocabulary.size=null")

    assert config_from_yaml(to_yaml(config)) == config
    assert read_settings([write(to_yaml(config))], [], {}).resolve(7) == config
    # Another YAML reader sees the same.
    assert yaml.safe_load(to_yaml(config))["model"] == msgspec.structs.asdict(config.model)


def test_an_undecided_configuration_reads_back_too():
    config = resolved("model.tied=true", "model.embedding_dim=200", "model.hidden_units=200")

    assert config.preset == "auto"
    assert config_from_yaml(to_yaml(config)) == config


def test_yaml_of_a_configuration_holds_every_key_once():
    document = yaml.safe_load(to_yaml(Config()))

    assert list(document) == ["preset", *SECTIONS]
    assert [f"{section}.{name}" for section in SECTIONS for name in document[section]] == list(KEYS)[1:]


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


# Schema


def test_the_schema_describes_every_key_and_admits_no_other():
    definitions = json_schema()["$defs"]

    described = {
        name: value["description"]
        for name, value in definitions["Config"]["properties"].items()
        if name in SECTIONS
    }
    for section in SECTIONS:
        definition = definitions[definitions["Config"]["properties"][section]["$ref"].rpartition("/")[2]]
        assert definition["required"] == []
        assert definition["additionalProperties"] is False
        described |= {
            f"{section}.{name}": value["description"] for name, value in definition["properties"].items()
        }
    assert definitions["Config"]["additionalProperties"] is False
    assert described == SECTIONS | {path: key.description for path, key in KEYS.items() if path != "preset"}


def test_the_schema_holds_ranges_and_defaults():
    properties = json_schema()["$defs"]["TrainingConfig"]["properties"]

    assert properties["reset_probability"]["minimum"] == 0
    assert properties["reset_probability"]["maximum"] == 1
    assert properties["learning_rate"]["exclusiveMinimum"] == 0
    assert properties["epochs"]["default"] == 20


# Robustness


SPLINTERS = [
    *"\t\n :-?[]{},&*!|>'\"%@`#~\\\0\x85\ufeff漢",
    *("!!int", "*a", "&a ", "<<: ", "---\n", "...\n", "\\x", '"\\ud800"', "%YAML 9.9\n", "? ", "|2\n"),
    *("9" * 5000, "1e999", ".nan", "null", "{" * 50, "[" * 3000, "training:\n"),
]


def mutated(document: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(document) + 1)
        end = min(len(document), start + rng.choice([0, 0, 1, 5, 40]))
        document = document[:start] + rng.choice([*SPLINTERS, document[end : end + 30]]) + document[end:]
    return document


def refusal(ask: Callable[[], object]) -> str | None:
    """The message of the LmctlError that a call ends with; anything else that it raises is a bug."""
    try:
        ask()
    except LmctlError as error:
        return str(error)
    return None


def test_mutated_documents_are_read_or_refused_on_one_line(write):
    rng = random.Random(20240229)  # noqa: S311
    seeds = [to_yaml(resolved(f"preset={name}")) for name in ("tiny", "zh")]
    seeds += [(PRESET_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8") for name in ("tiny", "small", "gpu")]

    messages = []
    for _ in range(700):
        path = write(mutated(rng.choice(seeds), rng))
        messages.append(refusal(lambda path=path: read_settings([path], [], {}).resolve(10**7)))

    refused = [text for text in messages if text is not None]
    assert [text for text in refused if not text.isprintable() or len(text) > 300] == []
    assert 300 < len(refused) < 700


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(KEYS)), st.text(max_size=12))
def test_any_assignment_is_taken_or_refused_on_one_line(key, text):
    assert (refusal(lambda: resolved(f"{key}={text}")) or "taken").isprintable()


def test_importing_config_imports_neither_yaml_nor_anything_heavy():
    unwanted = {"yaml", "numpy", "click", "difflib", "tensorflow"}
    code = f"import sys, lmctl.config; print({unwanted} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert output.stdout == "set()\n"


def test_plain_gradient_descent_needs_a_rate_of_its_own():
    with pytest.raises(
        UsageError, match=r"^training.learning_rate: 0.003 does not suit sgd; set a rate such as 20"
    ):
        read_settings([], ["preset=medium", "training.optimizer=sgd"], {}).resolve()
    asked = ["preset=medium", "training.optimizer=sgd", "training.learning_rate=0.01"]
    assert read_settings([], asked, {}).resolve().training.learning_rate == 0.01


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "rmsprop"])
def test_a_rate_that_only_plain_gradient_descent_can_take_is_refused(optimizer):
    asked = read_settings(
        [], ["preset=medium", f"training.optimizer={optimizer}", "training.learning_rate=20"], {}
    )

    with pytest.raises(
        UsageError, match=rf"^training.learning_rate: 20 suits sgd, not {optimizer}; set a rate below 1"
    ):
        asked.resolve()
    with_a_rate = ["preset=medium", f"training.optimizer={optimizer}", "training.learning_rate=0.002"]
    assert read_settings([], with_a_rate, {}).resolve().training.learning_rate == 0.002
