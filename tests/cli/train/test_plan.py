"""`lmctl train --dry-run`: the configuration and the plan, without training."""

from __future__ import annotations

import json

import pytest
from short_training import QUICK

from lmctl.config import config_from_yaml, to_yaml


def plan(call, *arguments):
    """The document of `train --dry-run --json`."""
    finished = call("train", "--dry-run", "--json", *arguments)
    assert finished.code == 0, finished.err
    return json.loads(finished.out)


def test_dry_run_prints_yaml_that_reads_back_to_the_same_configuration(call, text):
    finished = call("train", text, "--dry-run", "-q", *QUICK)
    found = plan(call, text, "-q", *QUICK)

    config = config_from_yaml(finished.out)
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.startswith(to_yaml(config))
    assert config.model.hidden_units == 16
    assert config.text.segmenter == "jieba"
    assert json.loads(json.dumps(found["config"])) == as_document(config)


def as_document(config):
    import msgspec

    return msgspec.to_builtins(config)


def test_dry_run_output_is_a_configuration_to_train_with(call, text, write):
    first = call("train", text, "--dry-run", "-q", *QUICK)
    resolved = write("resolved.yaml", first.out.encode())

    again = call("train", text, "--dry-run", "-q", "-c", resolved)

    assert (again.code, again.out) == (0, first.out)


def test_dry_run_states_the_plan_and_writes_nothing(call, text, tmp_path):
    found = plan(call, text, "-q", *QUICK)
    lines = call("train", text, "--dry-run", "-q", *QUICK).lines

    assert {name: value for name, value in found.items() if name != "config"} == {
        "model": "models/four-sentences",
        "preset": "tiny",
        "parameters": 13 * 16 + 2 * 16 * 64 + 64 + 13 * (0 if found["config"]["model"]["tied"] else 16) + 13,
        "vocabulary_size": 13,
        "training_tokens": 25,
        "valid_tokens": 0,
    }
    assert lines[-6:] == [
        f"# {name.replace('_', ' ')}: {value}" for name, value in found.items() if name != "config"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["four-sentences.txt"]


@pytest.mark.parametrize(
    ("flags", "assignment"),
    [
        (("--embedding-dim", "24", "--hidden-units", "24"), "model={embedding_dim: 24, hidden_units: 24}"),
        (("--epochs", "7"), "training.epochs=7"),
        (("--seed", "11"), "training.seed=11"),
        (("--device", "cpu"), "device.placement=cpu"),
        (("--threads", "1"), "device.threads=1"),
        (("--vocab-size", "9"), "vocabulary.size=9"),
        (("--segmenter", "char"), "text.segmenter=char"),
    ],
)
def test_a_flag_means_exactly_its_key(call, text, flags, assignment):
    by_flag, by_key = plan(call, text, "-q", *flags), plan(call, text, "-q", "--set", assignment)

    assert by_flag == by_key
    assert by_flag != plan(call, text, "-q")


def test_a_plan_has_no_events(call, text):
    finished = call("train", text, "--dry-run", "--log-json", "-")

    assert finished.code == 2
    assert "--dry-run starts no run" in finished.err


def test_a_curve_needs_a_file_that_gets_its_points(call, text):
    finished = call("train", text, "-o", "model", "--curve-points", "4")

    assert (finished.code, finished.out) == (2, "")
    assert "--curve-points needs --log-json, which has the scores" in finished.err


def test_a_prepared_corpus_is_trained_on_as_it_is(call, text):
    assert call("prepare", text, "-o", "prepared", "--segmenter", "char", "-q").code == 0

    found = plan(call, "prepared", "-o", "model", "-q")
    finished = call("train", "prepared", "-o", "model", "--vocab-size", "5")

    assert found["config"]["text"]["segmenter"] == "char"
    assert finished.code == 2
    assert finished.err.startswith("lmctl: vocabulary.size: prepared is prepared already")
