"""`lmctl tune` as a user runs it."""

import json

import pytest

NGRAM = ("--set", "model.family=ngram")
TEXT = "".join(
    f"{subject} {verb} {place} .\n"
    for subject in ("the cat", "a dog", "the bird", "she")
    for verb in ("sat", "slept", "sang")
    for place in ("on the mat", "by the fire", "in a tree", "at home")
)


@pytest.fixture
def texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "valid.txt").write_text("".join(line for line in TEXT.splitlines(keepends=True)[::3]))


@pytest.mark.usefixtures("texts")
def test_the_path_alone_is_printed_and_the_yaml_on_request(call, tmp_path):
    command = (
        "tune",
        "text.txt",
        "--valid",
        "valid.txt",
        "-o",
        "model",
        "--time-limit",
        "1h",
        "--trials",
        "2",
        *NGRAM,
    )

    first = call(*command)
    again = call(*command, "--yaml")
    summary = json.loads(call(*command, "--json").out)

    assert (first.code, first.out) == (0, "model/generations/000001\n")
    assert again.out == (tmp_path / "model" / "tuning" / "best.yaml").read_text()
    assert again.out.startswith("# The best of 2 trials of lmctl tune: trial ")
    assert summary["yaml"] == again.out
    assert (summary["trials"], summary["trained"]["outcome"]) == ({"done": 2}, "unchanged")


@pytest.mark.usefixtures("texts")
def test_plain_lines_say_what_was_tried_and_how_to_repeat_the_best(call):
    finished = call(
        *("tune", "text.txt", "--valid", "valid.txt", "-o", "model", "--time-limit", "1h", "--trials", "1"),
        *NGRAM,
        "-v",
    )

    lines = finished.err.splitlines()
    # The preset: 5-grams, none of which is left out. Their length follows from the text, so it is drawn.
    assert any("space ngram: 2 keys; " in line for line in lines)
    assert any(line.startswith("lmctl: trial 0: done, perplexity ") for line in lines)
    assert "lmctl: to repeat it: lmctl train CORPUS -c model/tuning/best.yaml" in lines


@pytest.mark.usefixtures("texts")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--time-limit"),
        (("--time-limit", "10"), 2, "--time-limit: expected a time such as 90s, 50m, 1.5h or 2d, got '10'"),
        (("--time-limit", "0s"), 2, "--time-limit: expected a time such as 90s, 50m, 1.5h or 2d, got '0s'"),
        (("--time-limit", "30s"), 1, "no trial fits into --time-limit: 30 s less 7.5 s for the last training"),
        (("--time-limit", "1h", "--at-most", "p50"), 2, "--at-most: expected a limit such as parameters=5M"),
        (("--time-limit", "1h", "--yaml", "--json"), 2, "--yaml and --json exclude each other"),
        (("--time-limit", "1h", "--space", "none.yaml"), 66, "none.yaml: no such configuration file"),
        (
            ("--time-limit", "1h", "--space", "bad.yaml"),
            2,
            "bad.yaml: model.droput: unknown key; did you mean model.dropout?",
        ),
        (
            ("--time-limit", "1h", "--set", "model.family=baumwelch", "--set", "model.states=9", *("--set",),
             "model.iterations=2", "--set", "model.added=0.1"),
            2,
            "nothing is left to tune",
        ),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_in_one_line(call, tmp_path, arguments, code, message):
    (tmp_path / "bad.yaml").write_text("model: {droput: {min: 0.1, max: 0.3}}")

    finished = call("tune", "text.txt", "-o", "model", *arguments)

    assert (finished.code, finished.out) == (code, "")
    assert message in finished.err.splitlines()[-1]
    assert not (tmp_path / "model" / "generations" / "000001").exists()


@pytest.mark.usefixtures("texts")
def test_without_optuna_the_message_names_the_extra(call, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "optuna" else found(name, *more)
    )
    finished = call("tune", "text.txt", "-o", "model", "--time-limit", "1h", *NGRAM)
    assert (finished.code, finished.err) == (
        2,
        "lmctl: tuning needs Optuna, which is not installed: pip install 'lmctl[tune]'\n",
    )
