"""A wrong command line: the message, and the suggestion."""

import pytest

from lmctl.cli import COMMANDS
from lmctl.cli.usage import COMMANDS as OTHER_COMMANDS
from lmctl.cli.usage import OTHER_NAMES
from lmctl.config import TrainingConfig, presets


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("frobnicate", "no such command 'frobnicate'; see lmctl --help"),
        ("trian x", "no such command 'trian'; did you mean lmctl train?"),
        ("fit x", "no such command 'fit'; did you mean lmctl train?"),
        ("help frobnicate", "no such command 'frobnicate'; see lmctl --help"),
        ("--verbose train x", "no such option --verbose before a command; options follow the command's name"),
        ("--helpp", "no such option --helpp; did you mean --help?"),
        ("train", "missing CORPUS (text files, - for standard input, or one folder that lmctl prepare wrote)"),
        ("prepare", "missing INPUT (text files, or - for standard input); see lmctl prepare --help"),
        ("prepare x", "missing -o DIR (or --stdout to print segmented text)"),
        ("mix a b -o x", "missing --valid FILE (text that the weights are tuned on); see lmctl mix --help"),
        (
            "import",
            "missing FILE (an ARPA file or - for standard input, a trie of KenLM, or a network of Keras or",
        ),
        ("import x", "missing -o MODEL (folder of the model); see lmctl import --help"),
        ("train x --epochs", "--epochs: a value is missing"),
        ("predict x --json=1", "--json: takes no value"),
        ("predict --zzz x", "no such option --zzz; see lmctl predict --help"),
        ("eval --formt tsv", "no such option --formt; did you mean --format?"),
        # Options of other programs with the meaning of an option of lmctl.
        ("train x --lr 1", "no such option --lr; did you mean --learning-rate?"),
        ("train x --lstm-units 9", "no such option --lstm-units; did you mean --hidden-units?"),
        ("train x --hidden 9", "no such option --hidden; did you mean --hidden-units?"),
        ("train x --dim 9", "no such option --dim; did you mean --embedding-dim?"),
        ("train x --batch 9", "no such option --batch; did you mean --batch-size?"),
        ("train x --num-layers 9", "no such option --num-layers; did you mean --layers?"),
        ("train x --vocabulary 9", "no such option --vocabulary; did you mean --vocab-size?"),
        ("train x --out y", "no such option --out; did you mean -o?"),
        ("train x --output-dir y", "no such option --output-dir; did you mean -o?"),
        ("train x -m y", "no such option -m; did you mean -o?"),
        ("train x --model y", "no such option --model; did you mean -o?"),
        ("train x --batch_size 9", "no such option --batch_size; did you mean --batch-size?"),
        ("predict --topk 9 x", "no such option --topk; did you mean -k?"),
        ("predict --top-k 9 x", "no such option --top-k; did you mean -k?"),
        ("predict --n 9 x", "no such option --n; did you mean -k?"),
        ("predict -n 9 x", "no such option -n; did you mean -k?"),
        # Keys without a flag, and texts that are given without an option.
        ("train x --steps 9", "no such option --steps; did you mean --set training.steps=VALUE?"),
        ("train x --dropout .2", "no such option --dropout; did you mean --set model.dropout=VALUE?"),
        ("train --file x", "no such option --file; CORPUS takes no option: lmctl train CORPUS"),
        ("eval -f x", "no such option -f; FILE takes no option: lmctl eval FILE"),
        # Values.
        ("predict -k 0 x", "-k: expected a whole number of at least 1, got 0"),
        ("predict -k many x", "-k: expected a whole number of at least 1, got 'many'"),
        ("predict --threshold 2 x", "--threshold: expected a number from 0 to 1, got 2"),
        ("predict --format xml x", "--format: expected table, plain, words, tsv or jsonl, got 'xml'"),
        ("train x --nice 30", "--nice: expected a whole number from 0 to 19, got 30"),
        (
            "train x --seed 99999999999999999999",
            "--seed: expected a whole number of at least 0 and at most 2147483647, got 99999999999999999999",
        ),
        ("train x --epochs 1e3", "--epochs: expected a whole number of at least 1, got 1e3"),
        (
            "prepare x --set vocabulary.size=00012345678901234567890",
            "vocabulary.size: expected a whole number of at least 3, got '00012345678901234567890'",
        ),
        ("train x --learning-rate fast", "--learning-rate: expected a number above 0, got 'fast'"),
        (
            "train x --preset huge",
            f"--preset: expected one of auto, {', '.join(presets.names())}, got",
        ),
        ("train x --time-limit soon", "--time-limit: expected a time such as 90s, 50m, 1.5h or 2d, got 'soon'"),
    ],
)
def test_a_command_line_that_is_wrong_is_answered_in_one_line(call, line, message):
    finished = call(*line.split())

    assert finished.code == 2
    assert finished.out == ""
    assert finished.err.startswith(f"lmctl: {message}")
    assert finished.err.count("\n") == 1


def test_what_a_message_quotes_is_short(call):
    assert len(call("predict", f"--{'x' * 5000}").err) < 200
    assert len(call("predict", "-k", "x" * 5000, "the").err) < 200


def test_no_command_prints_the_help_and_fails(call):
    finished = call()

    assert finished.code == 2
    assert finished.out == call("--help").out
    assert finished.out.startswith("Usage: lmctl [OPTIONS] COMMAND [ARGS]...")


def test_help_and_version_are_commands_too(call):
    assert call("help").out == call("--help").out
    assert call("version").out == call("--version").out == call("-V").out
    for command in COMMANDS:
        assert call("help", command).out == call(command, "--help").out, command


def test_help_states_what_keys_take_and_their_defaults(call):
    shown = " ".join(call("train", "--help").out.split())

    assert "[training.seed; at least 0 and at most 2147483647; default 1]" in shown
    assert f"[training.epochs; at least 1; default {TrainingConfig().epochs} unless the preset sets it]" in shown
    assert "[text.lowercase; default off]" in shown
    assert "[publishing.gate; default --gate]" in shown
    # If null is the default, the help describes it as the default, because a flag cannot give null.
    assert "; the default sets no limit. [training.time_limit; a time such as" in shown
    assert "null" not in shown


def test_every_suggestion_is_an_option_or_a_command_that_there_is(call):
    shown = "\n".join(call(command, "--help").out for command in COMMANDS)

    assert [option for option in OTHER_NAMES if option not in shown] == []
    assert set(OTHER_COMMANDS) <= set(COMMANDS)
    # No option of a command is in the list of names that are replaced.
    assert not any(option in others.split() for option, others in OTHER_NAMES.items())


def test_flags_of_a_network_mean_their_keys(call, tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\n" * 20)
    asked = ("--preset", "small", "--learning-rate", "1e-4", "--batch-size", "7", "--layers", "2")

    printed = call("train", tmp_path / "text.txt", *asked, "--dry-run").out

    assert "preset: small\n" in printed
    for line in ("learning_rate: 0.0001", "batch_size: 7", "layers: 2"):
        assert f"  {line}\n" in printed
