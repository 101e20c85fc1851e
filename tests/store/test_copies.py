"""A model that was copied without its link `current`, and a model that cannot be read beside others."""

import os
import shutil
from pathlib import Path

import pytest

from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.jobs.rollback import roll_back
from lmctl.store import copies
from lmctl.store.generations import ModelFolder
from lmctl.store.listing import list_generations
from lmctl.store.naming import find_bundle
from lmctl.store.runs import Run, RunLog

LINK = Path("generations/000002")


def repair(model):
    """As a run does."""
    with model.working():
        copies.repair(model)


@pytest.fixture
def model(tmp_path, make_bundle):
    """A model with two generations, the second one current."""
    folder = ModelFolder.create(tmp_path / "news")
    for seed in (1, 2):
        folder.publish(make_bundle(folder.work / "made", seed=seed), keep=3)
    return folder


def as_folder(link):
    content = link.resolve()
    link.unlink()
    shutil.copytree(content, link)


def as_text(link):
    target = str(link.readlink())
    link.unlink()
    link.write_text(target)


@pytest.mark.parametrize("copied", [as_folder, as_text])
def test_a_copy_of_the_current_generation_in_the_place_of_the_link_stands_for_it(model, copied):
    link = model.folder / "current"
    copied(link)

    assert model.current() == find_bundle(str(model.folder)) == model.generation(2)
    assert [each.current for each in list_generations(model.folder)] == [False, True]
    assert not link.is_symlink()
    repair(model)
    assert link.readlink() == LINK
    assert list(model.work.iterdir()) == []


def test_a_folder_with_a_file_of_its_own_is_not_replaced(model):
    link = model.folder / "current"
    as_folder(link)
    (link / "notes.txt").write_text("mine")

    with pytest.raises(DataError, match=r"notes\.txt: not a file of this bundle; `lmctl rollback .*news --to 2`"):
        repair(model)

    assert (link / "notes.txt").read_text() == "mine"


def test_a_sound_copy_of_a_generation_that_is_damaged_is_not_replaced(model):
    link = model.folder / "current"
    as_folder(link)
    (model.generation(2) / "vocabulary.tsv").write_bytes(b"")

    with pytest.raises(DataError, match=r"generations/000002/vocabulary\.tsv: damaged"):
        repair(model)

    assert (link / "vocabulary.tsv").stat().st_size


def nothing(link):
    link.unlink()


def another_folder(link):
    link.unlink()
    link.mkdir()
    (link / "mine").write_text("mine")


def another_text(link):
    link.unlink()
    link.write_text("../other/generations/000001")


def a_loop(link):
    link.unlink()
    link.symlink_to("current")


@pytest.mark.parametrize("copied", [nothing, another_folder, another_text, a_loop])
def test_a_current_that_is_no_generation_is_refused_with_the_command_that_repairs_it(model, copied):
    link = model.folder / "current"
    copied(link)
    command = f"`lmctl rollback {model.folder} --to 2` makes one current"

    for act in (lambda: repair(model), lambda: find_bundle(str(model.folder))):
        with pytest.raises(DataError) as caught:
            act()
        assert str(caught.value).endswith(command)
    assert roll_back(model.folder, 2) == model.generation(2)
    assert link.readlink() == LINK


def test_a_rollback_keeps_what_it_replaces_if_it_is_no_link(model):
    another_folder(model.folder / "current")

    roll_back(model.folder, 1)

    assert (model.folder / "current.kept-1/mine").read_text() == "mine"


def test_the_generation_that_was_rolled_back_to_is_the_one_to_come_back(model):
    roll_back(model.folder, 1)
    nothing(model.folder / "current")

    with pytest.raises(DataError, match="--to 1` makes one current"):
        repair(model)


def test_a_first_run_that_was_killed_before_its_last_step_is_no_copy(tmp_path, make_bundle, monkeypatch):
    model = ModelFolder.create(tmp_path / "news")
    made = make_bundle(model.work / "made")
    with monkeypatch.context() as killed:
        killed.setattr(ModelFolder, "make_current", None)
        with pytest.raises(TypeError):
            model.publish(made, keep=3)

    repair(model)
    with pytest.raises(InputMissingError, match="nothing has been published there yet"):
        find_bundle(str(model.folder))

    # Another text gives another bundle. Once it is published, nothing marks the folder.
    assert model.publish(make_bundle(model.work / "made", seed=2), keep=3) == model.generation(2)
    assert list(model.work.iterdir()) == []


def test_a_copy_of_a_single_generation_alone_is_refused_and_not_published_over(tmp_path, model, make_bundle):
    copy = tmp_path / "copy"
    shutil.copytree(model.generation(2), copy / "generations/000002")

    # Also after a run that failed there and has left its line in runs.jsonl.
    RunLog(ModelFolder.create(copy)).append(
        Run(start="2026-01-01T00:00:00+00:00", pid=1, outcome="failed", exit_code=65)
    )
    for act in (lambda: repair(ModelFolder(copy)), lambda: find_bundle(str(copy))):
        with pytest.raises(
            DataError, match=r"has no link current, as a copy without links; `lmctl rollback .* --to 2`"
        ):
            act()
    assert roll_back(copy, 2) == ModelFolder(copy).current()


def test_what_marks_a_first_generation_does_not_outlive_its_publication(model):
    # The state after a kill between the link and the removal.
    (model.work / "unpublished").write_text("000002\n")
    repair(model)
    nothing(model.folder / "current")

    with pytest.raises(DataError, match="has no link current"):
        repair(model)


# Beside other models
# ------------------------------------------------------------------------------------------------


@pytest.fixture
def models(model, tmp_path, monkeypatch):
    """models/ with one model, and many entries that are no models."""
    folder = tmp_path / "models"
    folder.mkdir()
    model.folder.rename(folder / "news")
    (folder / "notes.txt").write_text("mine")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "empty").mkdir()
    (folder / "tfjs").mkdir()
    (folder / "tfjs/model.json").write_text('{"format": "layers-model", "modelTopology": {}}')
    (folder / "torn").mkdir()
    (folder / "torn/model.json").write_bytes(b"\xff{")
    monkeypatch.chdir(tmp_path)
    return folder


def test_entries_that_are_no_models_do_not_count(models):
    assert find_bundle(None, {}) == Path("models/news/generations/000002")
    assert [each.generation for each in list_generations(Path("models"))] == [1, 2]


def test_a_folder_that_cannot_be_looked_into_does_not_fail_the_others(models, monkeypatch):
    # Such a folder is lost+found, which belongs to root. Permissions do not apply if root runs the tests.
    (models / "lost+found").mkdir()
    stat = os.stat

    def guarded(path, *args, **options):
        if not isinstance(path, int) and "lost+found/" in os.fsdecode(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **options)

    monkeypatch.setattr(os, "stat", guarded)

    assert find_bundle(None, {}) == Path("models/news/generations/000002")
    assert [each.generation for each in list_generations(Path("models"))] == [1, 2]


def test_generations_that_cannot_be_listed_are_left_out_with_a_line(models, monkeypatch, caplog):
    (models / "secret/generations").mkdir(parents=True)
    numbers = ModelFolder.numbers

    def guarded(model):
        if model.folder.name == "secret":
            raise PermissionError(13, "Permission denied", "models/secret/generations")
        return numbers(model)

    monkeypatch.setattr(ModelFolder, "numbers", guarded)

    assert [each.generation for each in list_generations(Path("models"))] == [1, 2]
    assert caplog.messages == ["models/secret/generations: left out: Permission denied"]


def test_a_generation_that_cannot_be_read_is_listed_as_unreadable(models, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("lmctl.store.listing.open_bundle", refuse)

    listed = list_generations(Path("models"))
    assert [each.fault for each in listed] == ["unreadable", "unreadable"]
    assert listed[0].message == "models/news/generations/000001: Permission denied"


def test_with_a_model_and_a_bundle_one_has_to_be_chosen(models, make_bundle):
    make_bundle(models / "bundle")

    with pytest.raises(UsageError, match="which model"):
        find_bundle(None, {})


@pytest.mark.parametrize("name", ["current/model.json", "generations/000002/model.json"])
def test_a_pipe_in_a_copy_is_not_waited_for(model, name):
    as_folder(model.folder / "current")
    place = model.folder / name
    place.unlink()
    os.mkfifo(place)

    assert model.current() is None
    assert "current: is a folder, not a link" in str(copies.fault_of(model))


def test_a_pipe_in_the_place_of_the_pin_is_not_waited_for(model):
    os.mkfifo(model.folder / "pin")

    assert copies.repair_command(model).endswith("--to 2")


@pytest.mark.parametrize("copied", [as_folder, as_text])
def test_a_current_that_is_no_link_is_refused_before_a_run_if_there_are_no_generations(model, copied):
    copied(model.folder / "current")
    shutil.rmtree(model.folder / "generations")
    (model.folder / "generations").mkdir()

    with pytest.raises(DataError, match="not a link to a generation, and there are no generations; move it away"):
        repair(model)
    with pytest.raises(DataError):
        find_bundle(str(model.folder))
    assert not (model.folder / "current").is_symlink()
