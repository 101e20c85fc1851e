"""`lmctl models` and `lmctl rollback`."""

from __future__ import annotations

import json

import pytest

from lmctl import families
from lmctl.store.generations import ModelFolder
from lmctl.store.model_record import FORMAT_VERSION
from lmctl.version import __version__


@pytest.fixture
def folder(make_bundle, tmp_path, monkeypatch):
    """./models with two models: one of two generations, one of one generation."""
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
    assert rows[0][6:] == ["9", "31", "lstm", "tiny", ""]


def test_json_is_an_object_for_each_generation(call, folder):
    found = [json.loads(line) for line in call("models", "models/news", "--json").lines]

    assert [(each["generation"], each["current"], each["fault"]) for each in found] == [
        (1, False, None),
        (2, True, None),
    ]


def test_rollback_prints_the_path_of_the_generation_that_is_current_now(call, folder):
    finished = call("rollback", "models/news")

    assert (finished.code, finished.out, finished.err) == (0, "models/news/generations/000001\n", "")
    assert ["models/news", "1", "* pinned"] in [row[:3] for row in call("models").rows]
    assert call("rollback", "models/news", "--to", "2").out == "models/news/generations/000002\n"


def test_a_generation_that_cannot_be_opened_is_listed_with_its_fault(call, folder):
    """Bundles of older and newer formats, of a family that is not installed, and damaged bundles."""
    faults = {
        ("books", 1): ("older format", {"format_version": FORMAT_VERSION - 1}),
        ("news", 1): ("newer format", {"format_version": FORMAT_VERSION + 1}),
        ("news", 2): ("unknown family", {"sizes": {"family": "gpt"}}),
    }
    for (model, number), (_, changes) in faults.items():
        place = folder / "models" / model / "generations" / f"{number:06d}" / "model.json"
        place.write_text(json.dumps(json.loads(place.read_text()) | changes))
    (folder / "models/news/current").unlink()
    (folder / "models/news/current").symlink_to("generations/000001")

    listed, as_json = call("models"), call("models", "--json")

    assert (listed.code, as_json.code, as_json.err) == (0, 0, "")
    assert [row[8] for row in listed.rows[1:]] == [fault for fault, _ in faults.values()]
    assert [json.loads(line)["fault"] for line in as_json.lines] == [fault for fault, _ in faults.values()]
    older, newer, unknown = listed.err.splitlines()
    assert older == (
        "lmctl: warning: models/books/generations/000001/model.json: "
        f"bundle format {FORMAT_VERSION - 1} is older than format {FORMAT_VERSION}, "
        f"which lmctl {__version__} reads; make the model again with lmctl train, import or mix"
    )
    assert newer.endswith("; upgrade lmctl")
    assert f"model.json: family 'gpt': expected one that is installed: {', '.join(families.BUILT_IN)}" in unknown


def test_a_folder_without_models_is_an_input_that_is_missing(call, folder, make_bundle, monkeypatch):
    (folder / "empty").mkdir()
    make_bundle(folder / "bundle")

    for arguments, message in (
        (("models", "empty"), "empty: no models in it"),
        (("models", "typo"), "typo: no such folder"),
        (("models", "bundle"), "bundle: is a bundle, which has no generations; `lmctl info bundle` shows it"),
    ):
        finished = call(*arguments)
        assert (finished.code, finished.err) == (66, f"lmctl: {message}\n")


@pytest.mark.parametrize("has_folder", [False, True])
def test_without_any_model_every_command_ends_with_the_same_code(call, tmp_path, monkeypatch, has_folder):
    monkeypatch.chdir(tmp_path)
    if has_folder:
        (tmp_path / "models").mkdir()
    (tmp_path / "text.txt").write_text("the cat\n")

    for arguments in (
        ("models",),
        ("info",),
        ("verify",),
        ("rollback",),
        ("predict", "the cat"),
        ("eval", "text.txt"),
        ("export", "--to", "arpa", "-o", "model.arpa"),
    ):
        finished = call(*arguments)
        assert (finished.code, finished.err) == (66, "lmctl: no models yet; `lmctl train CORPUS` makes one\n")


def test_a_file_in_place_of_a_folder_of_models_is_named_as_one(call, folder):
    (folder / "four.txt").write_text("the cat sat\n")

    finished = call("models", "four.txt")

    assert (finished.code, finished.err) == (66, "lmctl: four.txt: is a file; expected a model folder\n")


def test_a_generation_or_model_that_is_not_there_is_missing(call, folder):
    for arguments, message in (
        (("models/news", "--to", "7"), "models/news: no generation 7; there are: 1, 2"),
        (("models/typo",), "models/typo: not a model folder; it has no generations"),
    ):
        finished = call("rollback", *arguments)
        assert (finished.code, finished.err) == (66, f"lmctl: {message}\n")
    assert call("models", "typo").code == 66


def test_rollback_takes_one_generation_also_if_the_variable_names_one(call, folder, monkeypatch):
    monkeypatch.setenv("LMCTL_MODEL", "models/news@1")

    finished = call("rollback", "--to", "2")

    assert finished.code == 2
    assert finished.err == "lmctl: models/news@1 and --to 2 both name a generation; use one of them\n"
