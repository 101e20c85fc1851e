"""A run is unnecessary if it would make the current generation again."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from lmctl.config import read_settings
from lmctl.jobs.prepare import prepare
from lmctl.jobs.rollback import roll_back
from lmctl.jobs.train import request
from lmctl.jobs.train.run import train


@pytest.mark.usefixtures("eagerly")
def test_the_same_run_again_has_nothing_to_do(published, monkeypatch, again):
    def fail(*_, **__):
        raise AssertionError

    monkeypatch.setattr("lmctl.jobs.train.run.opened_inputs", fail)

    found = again()

    assert found == msgspec.structs.replace(published, outcome="unchanged")


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["text.txt", "valid.txt"])
def test_a_file_that_was_only_touched_or_copied_has_not_changed(published, tmp_path, name, again):
    file = tmp_path / name
    os.utime(file, ns=(1, 1))
    assert again().outcome == "unchanged"
    content_before = file.read_bytes()
    file.unlink()
    file.write_bytes(content_before)

    assert again().outcome == "unchanged"


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["text.txt", "valid.txt"])
def test_a_file_of_the_same_size_and_another_content_has_changed(published, tmp_path, name, again):
    file = tmp_path / name
    file.write_text(file.read_text().replace("mat", "hat"))

    assert again().published.endswith("000002")


@pytest.mark.usefixtures("eagerly")
def test_other_settings_another_version_or_force_train_again(published, monkeypatch, again):
    assert again("training.seed=5").published.endswith("000002")
    assert again("training.seed=5", force=True).published.endswith("000003")
    assert again("training.seed=5").outcome == "unchanged"
    monkeypatch.setattr("lmctl.jobs.train.request.__version__", "99")
    assert again("training.seed=5").published.endswith("000004")


@pytest.mark.usefixtures("eagerly")
def test_a_generation_that_is_gone_is_made_again(published, tmp_path, again):
    shutil.rmtree(published.published)
    assert again().outcome == "published"

    (tmp_path / "model/request.json").write_text("{")
    assert again().outcome == "published"


@pytest.mark.usefixtures("eagerly")
def test_a_generation_that_was_rolled_back_is_not_made_again_from_the_same_texts(published, text, tmp_path, again):
    again("training.seed=2")
    roll_back(tmp_path / "model")

    found = again("training.seed=2")
    assert (found.outcome, found.published[-6:]) == ("unchanged", "000001")
    Path(text).write_text(Path(text).read_text() + "a cat\n")
    assert again("training.seed=2").published.endswith("000003")


@pytest.mark.usefixtures("eagerly")
def test_a_current_generation_that_is_damaged_is_made_again(published, caplog, again):
    (Path(published.published) / "model.json").write_bytes(b"{")

    assert again().published.endswith("000002")
    assert "model.json: damaged" in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_a_prepared_folder_is_unchanged_while_its_record_is(text, tmp_path, settings, tiny):
    prepare([text], tmp_path / "prepared", settings().resolve(), jobs=1)
    asked = read_settings(assignments=tiny)

    first, second = (train([str(tmp_path / "prepared")], tmp_path / "model", asked) for _ in range(2))

    assert (first.outcome, second.outcome) == ("published", "unchanged")


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, change_a_byte, Path.unlink])
@pytest.mark.parametrize("name", ["ngrams.2.words.npy", "vocabulary.tsv", "valid.txt", "model.json"])
def test_a_damaged_generation_is_made_again_and_that_is_said(text, known, tmp_path, caplog, damage, name):
    asked = read_settings(assignments=["preset=ngram", f"validation.file={known}"])
    first = Path(train([text], tmp_path / "model", asked).published)
    content = (first / name).read_bytes()
    assert train([text], tmp_path / "model", asked).outcome == "unchanged"
    damage(first / name)

    again = Path(train([text], tmp_path / "model", asked).published)

    assert (again.name, (again / name).read_bytes()) == ("000002", content)
    assert any(each.startswith(f"{first}") and each.endswith("; training again") for each in caplog.messages)
    assert train([text], tmp_path / "model", asked).outcome == "unchanged"


def test_a_new_version_of_the_splitter_trains_again_on_paragraphs_alone(monkeypatch):
    monkeypatch.setattr(request, "package_version", lambda name: f"{name} 2")
    assert "sentencex" not in request._versions(read_settings())
    settings = read_settings(assignments=["text.line=paragraph"])
    assert request._versions(settings)["sentencex"] == "sentencex 2"


def test_python_jieba_is_asked_for_only_if_it_cuts_the_text(monkeypatch):
    monkeypatch.setattr(request, "package_version", lambda name: f"{name} 2")
    assert request._versions(read_settings()).keys() == {"lmctl", "rjieba"}
    settings = read_settings(assignments=["text.engine=jieba"])
    assert request._versions(settings)["jieba"] == "jieba 2"
