"""`lmctl verify`."""

from __future__ import annotations

import shutil

import pytest

FILES = ("characters.tsv", "config.yaml", "history.jsonl", "metrics.json", "model.json", "vocabulary.tsv")


@pytest.fixture
def copy(bundle, tmp_path):
    """A bundle to damage."""
    return shutil.copytree(bundle, tmp_path / "copy")


def test_a_sound_model_is_ok(call, bundle):
    finished = call("verify", bundle)

    assert (finished.code, finished.out, finished.err) == (0, f"{bundle}: ok\n", "")


@pytest.mark.parametrize("name", [*FILES, "weights.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_to_any_file_is_found_and_the_file_named(call, copy, name, damage):
    content = (copy / name).read_bytes()
    if damage == "flip":
        middle = len(content) // 2
        (copy / name).write_bytes(content[:middle] + bytes([content[middle] ^ 2]) + content[middle + 1 :])
    elif damage == "cut":
        (copy / name).write_bytes(content[:-2])
    else:
        (copy / name).unlink()

    finished = call("verify", copy)

    assert finished.code == (66 if (name, damage) == ("model.json", "remove") else 65)
    assert finished.out == ""
    assert finished.err.count("\n") == 1
    assert name in finished.err


def test_a_file_that_does_not_belong_is_named(call, copy):
    (copy / "notes.txt").write_text("mine")

    finished = call("verify", copy)

    assert finished.code == 65
    assert finished.err == f"lmctl: {copy}/notes.txt: not a file of this bundle\n"


def test_a_link_in_place_of_a_file_is_refused(call, copy, tmp_path):
    (copy / "metrics.json").rename(tmp_path / "elsewhere.json")
    (copy / "metrics.json").symlink_to(tmp_path / "elsewhere.json")

    finished = call("verify", copy)

    assert finished.code == 65
    assert "metrics.json" in finished.err
