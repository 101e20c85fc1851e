"""`lmctl models` and `lmctl rollback`."""

from __future__ import annotations

import json

import pytest

from lmctl.store.generations import ModelFolder


@pytest.fixture
def folder(make_bundle, tmp_path, monkeypatch):
    """./models with two models, of two generations and of one."""
    monkeypatch.chdir(tmp_path)
    for name, seeds in (("news", (1, 2)), ("books", (3,))):
        model = ModelFolder.create(tmp_path / "models" / name)
        for seed in seeds:
            model.publish(make_bundle(model.work / "finished", seed=seed), keep=3)
    return tmp_path


def test_a_line_for_each_generation_the_current_one_marked(call, folder):
    finished = call("models")

    assert (finished.code, finished.err) == (0, "")
    headings, *rows = finished.rows
    assert headings[:4] == ["model", "generation", "current", "valid_perplexity"]
    assert [row[:3] for row in rows] == [
        ["models/books", "1", "*"],
        ["models/news", "1", ""],
        ["models/news", "2", "*"],
    ]
    assert rows[0][6:] == ["9", "31", "lstm", "tiny"]


def test_json_is_an_object_for_each_generation(call, folder):
    found = [json.loads(line) for line in call("models", "models/news", "--json").lines]

    assert [(each["generation"], each["current"], each["damage"]) for each in found] == [
        (1, False, None),
        (2, True, None),
    ]


def test_rollback_prints_the_path_of_what_is_current_now(call, folder):
    finished = call("rollback", "models/news")

    assert (finished.code, finished.out, finished.err) == (0, "models/news/generations/000001\n", "")
    assert ["models/news", "1", "* pinned"] in [row[:3] for row in call("models").rows]
    assert call("rollback", "models/news", "--to", "2").out == "models/news/generations/000002\n"


def test_a_file_in_place_of_a_folder_of_models_is_named_as_one(call, folder):
    (folder / "four.txt").write_text("the cat sat\n")

    finished = call("models", "four.txt")

    assert (finished.code, finished.err) == (66, "lmctl: four.txt: is a file; expected a model's folder\n")


def test_a_generation_or_model_that_is_not_there_is_missing(call, folder):
    for arguments, message in (
        (("models/news", "--to", "7"), "models/news: no generation 7; there are: 1, 2"),
        (("models/typo",), "models/typo: not a model's folder; it has no generations"),
    ):
        finished = call("rollback", *arguments)
        assert (finished.code, finished.err) == (66, f"lmctl: {message}\n")
    assert call("models", "typo").code == 66
