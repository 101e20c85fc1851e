"""Names of missing or damaged models, and a family that cannot be loaded: one line and an exit code."""

import shutil

import pytest
from refusals import assert_refused

from lmctl.store.model_record import FORMAT_VERSION

# Wrong values of -m, each with the exit code and the message. info reads neither weights nor vocabulary.
BAD_MODELS = {
    "nowhere": (66, "nowhere: no such model"),
    "good.txt": (66, "good.txt: is a file; expected a model folder"),
    "folder": (66, "folder: not a model"),
    "altered": (65, "altered/model.json: damaged"),
    "newer": (65, "newer/model.json: bundle format 99"),
    "damaged": (65, "damaged/weights.safetensors: damaged"),
    "cut": (65, "cut/vocabulary.tsv: damaged"),
    "incomplete": (65, "incomplete/vocabulary.tsv: expected a file of this bundle"),
}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (command, name)
        for command in ("predict", "eval", "verify", "info")
        for name in BAD_MODELS
        if command != "info" or name not in ("damaged", "cut", "incomplete")
    ],
)
def test_a_missing_or_damaged_model_is_refused_by_name(call, workplace, command, name):
    (workplace / "folder").mkdir()
    for copy in ("damaged", "cut", "altered", "newer", "incomplete"):
        shutil.copytree(workplace / "bundle", workplace / copy)
    weights = bytearray((workplace / "damaged/weights.safetensors").read_bytes())
    weights[-5] ^= 1
    (workplace / "damaged/weights.safetensors").write_bytes(weights)
    vocabulary = (workplace / "cut/vocabulary.tsv").read_bytes()
    (workplace / "cut/vocabulary.tsv").write_bytes(vocabulary[:-4])
    record = (workplace / "altered/model.json").read_text()
    (workplace / "altered/model.json").write_text(record.replace('"layers": 2', '"layers": 3'))
    newer = record.replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 99')
    (workplace / "newer/model.json").write_text(newer)
    (workplace / "incomplete/vocabulary.tsv").unlink()
    arguments = {
        "predict": ("predict", "-m", name, "the"),
        "eval": ("eval", "-m", name, "good.txt"),
        "info": ("info", name),
        "verify": ("verify", name),
    }

    assert_refused(call(*arguments[command]), *BAD_MODELS[name])


def test_an_empty_context_names_no_model_even_in_the_folder_of_one(call, workplace, monkeypatch):
    monkeypatch.chdir(workplace / "bundle")

    assert call("predict", "-m", ".", "").out == call("predict", "", "-m", ".").out
    assert_refused(call("predict", ""), 66, "no models yet")


def test_a_family_that_cannot_be_loaded_is_left_out_with_a_warning(lmctl, tmp_path):
    metadata = tmp_path / "broken-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[lmctl.families]\nbroken = no_such_package:FAMILY\n")

    finished = lmctl("export", "--help", env={"PYTHONPATH": str(tmp_path)})

    assert (finished.code, finished.err.count("\n")) == (0, 1)
    assert finished.err.startswith("lmctl: warning: family broken: no_such_package:FAMILY cannot be loaded: ")
    assert "arpa: models of family ngram or mixture;" in " ".join(finished.out.split())
