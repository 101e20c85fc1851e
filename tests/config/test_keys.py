from __future__ import annotations

import pytest

from lmctl import families
from lmctl.config import find_keys, read_settings, seconds_of
from lmctl.errors import UsageError

PRESETS = [preset for family in families.configurable().values() for preset in family.presets]


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("vocabulary.size=lots", "a whole number of at least 3, got 'lots'"),
        ("vocabulary.size=2", "a whole number of at least 3, got 2"),
        ("model.embedding_dim=0", "a whole number of at least 1, got 0"),
        ("model.embedding_dim=", "a whole number of at least 1, got null"),
        ("model.layers=9", "a whole number of at least 1 and at most 8, got 9"),
        ("training.epochs=3.0", "a whole number of at least 1, got 3.0"),
        # The message quotes the number as the user wrote it, not as Python prints the float.
        ("training.epochs=1e3", "a whole number of at least 1, got 1e3"),
        ("training.epochs=99999999999999999999", "a whole number of at most 2147483647, got 99999999999999999999"),
        ("training.epochs=-9999999999999999999", "a whole number of at least 1, got -9999999999999999999"),
        ("model.dropout=+1.50", "a number of at least 0 and below 1, got +1.50"),
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
        ("training.learning_rate=1e999", "a number above 0, got 1e999"),
        ("training.decay_factor=1", "a number above 1, got 1"),
        ("model.dropout=1", "a number of at least 0 and below 1, got 1"),
        ("validation.fraction=0.6", "a number of at least 0 and at most 0.5, got 0.6"),
        ("model.tied=yes", "true or false, got 'yes'"),
        ("model.tied=off", "true or false, got 'off'"),
        ("model.tied=1", "true or false, got 1"),
        ("model.family=gru", f"one of {', '.join(families.configurable())}, got 'gru'"),
        ("training.optimizer=adamw", "one of sgd, adam, adagrad, rmsprop, got 'adamw'"),
        ("preset=huge", f"one of auto, {', '.join(PRESETS)}, got 'huge'"),
        ("device.placement=cuda", "auto, cpu, gpu, gpu:N or gpus, got 'cuda'"),
        ("device.placement=gpu:x", "auto, cpu, gpu, gpu:N or gpus, got 'gpu:x'"),
        ("training.steps=0", "a whole number of at least 1, got 0"),
        ('training.steps="\\ud800"', r"a whole number of at least 1, got '\ud800'"),
        ('model.softmax="\\udfff"', r"one of auto, full, adaptive, got '\udfff'"),
        ("training.time_limit=50", "a time such as 90s, 50m, 1.5h or 2d, got 50; put it in quotes"),
        ("training.time_limit=2x", "a time such as 90s, 50m, 1.5h or 2d, got '2x'"),
        ("training.time_limit=.s", "a time such as 90s, 50m, 1.5h or 2d, got '.s'"),
        ("validation.file=2024", "the path or address of a file, got 2024; put it in quotes"),
        ("validation.file=''", "the path or address of a file, got ''"),
        ('validation.file="a\\nb"', r"text without control characters or broken Unicode, got 'a\nb'"),
        ('validation.file="\\ud800"', r"text without control characters or broken Unicode, got '\ud800'"),
        ("text.encoding=utf-9", "the name of a text encoding, such as utf-8 or gb18030, got 'utf-9'"),
        ("text.encoding=hex", "the name of a text encoding, such as utf-8 or gb18030, got 'hex'"),
    ],
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_refused(assignment, expected, message):
    key = assignment.partition("=")[0]

    assert message(assignment) == f"{key}: expected {expected}"


def test_a_wrong_value_in_a_file_is_refused_with_the_files_name(write, file_message):
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
def test_a_value_is_read_as_yaml_1_2_has_it(assignment, value, resolved):
    key = find_keys(assignment.partition("=")[0])[0]
    read = getattr(getattr(resolved(assignment), key.section), key.name)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("time", "seconds"), [("90s", 90.0), ("50m", 3000.0), ("1.5h", 5400.0), (".5m", 30.0), ("2d", 172800.0)]
)
def test_a_time_is_a_number_and_its_unit(time, seconds, resolved):
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
def test_an_assignment_without_a_key_or_a_value_is_refused(assignment, message):
    assert message(assignment) == f"--set: expected section.key=value, got {assignment!r}"


def test_choices_that_do_not_fit_beside_a_flag_are_left_to_its_help():
    assert find_keys("training.optimizer")[0].metavar == "[sgd|adam|adagrad|rmsprop]"
    assert find_keys("preset")[0].metavar == "NAME"
