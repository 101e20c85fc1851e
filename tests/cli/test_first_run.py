"""Messages about a model whose first run published nothing."""

import json

import pytest

NGRAM = ("--set", "model.family=ngram")
SAID = "models/news: nothing has been published there yet; the last run, at "
WHY = ", failed (empty.txt: nothing to train on; the text has no words)"


@pytest.fixture
def failed(call, tmp_path, monkeypatch):
    """The folder of a model whose only run failed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "text.txt").write_text("a b\nb a\n")
    assert call("train", "empty.txt", "-o", "models/news", *NGRAM).code == 65
    return "models/news"


@pytest.mark.parametrize(
    "command",
    [
        ("info",),
        ("predict", "a"),
        ("predict", "-m", "models/news", "a"),
        ("verify", "-m", "models/news"),
        ("rollback", "-m", "models/news"),
    ],
)
def test_a_command_that_needs_a_model_says_how_the_last_run_ended(call, failed, command):
    finished = call(*command)

    assert finished.code == 66
    assert finished.err.startswith(f"lmctl: {SAID}")
    assert finished.err.endswith(f"{WHY}\n")


def test_it_is_listed_as_unpublished(call, failed):
    table, lines = call("models"), call("models", "--json")

    assert table.code == lines.code == 0
    assert table.out.splitlines()[1:] == [f"{failed}\t\t\t\t\t\t\t\tunpublished\t\t"]
    assert table.err.startswith(f"lmctl: warning: {SAID}")
    listed = json.loads(lines.out)
    assert (listed["model"], listed["generation"], listed["fault"]) == (failed, None, "unpublished")
    assert listed["message"].startswith(SAID)


def test_the_next_run_publishes_the_first_generation(call, failed):
    assert call("train", "text.txt", "-o", failed, *NGRAM).out == f"{failed}/generations/000001\n"

    table = call("models")
    assert (len(table.out.splitlines()), table.err) == (2, "")
