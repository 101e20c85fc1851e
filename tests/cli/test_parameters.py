from __future__ import annotations

import os

import click
import pytest

from lmctl.cli.parameters import FiniteNumber

NO_NUMBERS = ["nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e400", "9" * 5000, "", "x", "0x10", "1_0", "１"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_value_that_is_no_finite_number_is_refused_in_a_short_line(text):
    for kind in (FiniteNumber(), FiniteNumber(0, 1), FiniteNumber(1)):
        with pytest.raises(click.BadParameter, match="expected a number") as caught:
            kind.convert(text, None, None)
        assert len(caught.value.message) < 120


def test_a_number_within_bounds_is_that_number():
    kind = FiniteNumber(0, 1)

    assert [kind.convert(text, None, None) for text in ("0", "1", " .25", "1e-3", "+0.5", "1.")] == [
        *(0.0, 1.0, 0.25, 1e-3, 0.5, 1.0)
    ]
    for text in ("-0.001", "1.001"):
        with pytest.raises(click.BadParameter, match="expected a number from 0 to 1, got"):
            kind.convert(text, None, None)
    with pytest.raises(click.BadParameter, match=r"expected a number of at least 1, got 0\.5"):
        FiniteNumber(1).convert("0.5", None, None)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "9" * 5000])
def test_no_option_and_no_key_takes_nan(call, bundle, tmp_path, value):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat\n")
    config = tmp_path / "config.yaml"
    config.write_text(f"training:\n  learning_rate: {value}\n")
    dotted = tmp_path / "dotted.yaml"
    dotted.write_text(f"training:\n  learning_rate: .{value.lstrip('-')}\n")

    for arguments in (
        ("predict", "-m", bundle, "--threshold", value, "the"),
        ("eval", "-m", bundle, "--max-perplexity", value, text),
        ("prepare", text, "-o", tmp_path / "corpus", "--valid-fraction", value),
        ("train", text, "-o", tmp_path / "model", "--valid-fraction", value),
        ("train", text, "-o", tmp_path / "model", "--set", f"training.learning_rate={value}"),
        ("train", text, "-o", tmp_path / "model", "--set", f"publishing.gate_tolerance={value}"),
        ("train", text, "-o", tmp_path / "model", "--set", f"training.epochs={value}"),
        ("train", text, "-o", tmp_path / "model", "--time-limit", value),
        ("train", text, "-o", tmp_path / "model", "--time-limit", f"{value}h"),
        ("train", text, "-o", tmp_path / "model", "--epochs", value),
        ("train", text, "-o", tmp_path / "model", "--seed", value),
        ("train", text, "-o", tmp_path / "model", "-c", config),
        ("predict", "-m", bundle, "-k", value, "the"),
        ("eval", "-m", bundle, "--accuracy-at", value, text),
    ):
        done = call(*arguments)
        assert done.code == 2, arguments
        assert done.err.count("\n") == 1, arguments
        assert len(done.err) < 2100, arguments
    # `.999` is a number.
    assert value.isdigit() or call("train", text, "-o", tmp_path / "model", "-c", dotted).code == 2
    assert not (tmp_path / "model").exists()


def test_a_generation_of_five_thousand_digits_is_none(call, counted):
    done = call("predict", "-m", f"{counted}@{'9' * 5000}", "the")

    # No file system allows such a long name.
    assert (done.code, done.err.count("\n")) == (74, 1)
    assert call("predict", "-m", f"{counted}@{'9' * 200}", "the").code == 66


def test_a_configuration_that_is_a_pipe_in_a_folder_is_refused_and_one_of_the_shell_is_read(lmctl, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text.txt").write_text("the cat sat\n")

    refused = lmctl("train", "text.txt", "-c", "pipe", "--dry-run", cwd=tmp_path)
    read = lmctl("train", "text.txt", "-c", "/dev/stdin", "--dry-run", cwd=tmp_path, stdin=b"preset: ngram\n")

    assert (refused.code, refused.err) == (66, "lmctl: pipe: expected a configuration file, got a named pipe\n")
    assert (read.code, read.lines[0]) == (0, "preset: ngram")
