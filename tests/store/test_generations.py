import os
import shutil
import tempfile
from pathlib import Path

import pytest

from lmctl.errors import DataError, StorageError, UsageError
from lmctl.store.generations import ModelFolder
from lmctl.store.naming import find_bundle
from lmctl.store.published import is_model


def test_generations_are_numbered_from_one(model, publish, finished):
    places = [model.publish(finished(model, content), keep=3) for content in "abc"]

    assert [place.name for place in places] == ["000001", "000002", "000003"]
    assert model.numbers() == [1, 2, 3]
    assert [model.generation(number) for number in (1, 2, 3)] == places
    assert [(place / "model.json").read_text() for place in places] == ["a", "b", "c"]
    assert list(model.work.iterdir()) == []


def test_current_leads_to_the_newest_by_a_relative_link(model, tmp_path, publish):
    assert model.current() is None
    for number in (1, 2):
        publish(model, 1)
        assert (model.folder / "current").readlink() == Path(f"generations/00000{number}")
        assert model.current() == model.generation(number)

    moved = model.folder.rename(tmp_path / "moved")
    assert ModelFolder(moved).current() == moved / "generations" / "000002"
    assert (moved / "current" / "model.json").is_file()


def test_current_is_swapped_by_one_rename(model, monkeypatch, publish):
    publish(model, 1)
    seen, rename = [], Path.rename

    def watched(path, target):
        before = (model.folder / "current").readlink().name
        result = rename(path, target)
        seen.append((Path(target).name, before, (model.folder / "current").readlink().name))
        return result

    monkeypatch.setattr(Path, "rename", watched)
    publish(model, 1)

    assert seen == [("000002", "000001", "000001"), ("current", "000001", "000002")]


def test_a_reader_who_resolved_current_keeps_its_generation(model, publish):
    publish(model, 1)
    reader = model.current()
    publish(model, 1)

    assert reader.name == "000001"
    assert (reader / "model.json").is_file()


@pytest.mark.parametrize(("keep", "left"), [(1, [5]), (2, [4, 5]), (3, [3, 4, 5]), (9, [1, 2, 3, 4, 5])])
def test_the_oldest_generations_go(model, keep, left, publish):
    publish(model, 5, keep)

    assert model.numbers() == left
    assert model.current().name == "000005"
    assert list(model.work.iterdir()) == []


def test_a_number_is_never_used_twice(model, publish):
    publish(model, 3, keep=1)
    assert model.numbers() == [3]

    # An older generation was made current again. The next number is still the highest number plus one.
    publish(model, 1, keep=2)
    model.roll_back(3)
    publish(model, 1, keep=2)
    assert model.numbers() == [3, 5]
    assert model.current().name == "000005"


def test_the_generation_that_was_current_before_is_pruned_last(model, publish):
    publish(model, 3, keep=3)
    model.roll_back(1)
    reader = model.current()

    publish(model, 1, keep=2)

    assert model.numbers() == [1, 4]
    assert (reader / "model.json").is_file()
    publish(model, 1, keep=1)
    assert model.numbers() == [5]


def test_a_generation_that_cannot_be_removed_spoils_no_publication(model, monkeypatch, caplog, publish):
    publish(model, 1, keep=1)

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    publish(model, 1, keep=1)

    assert model.current().name == "000002"
    assert "000001: could not be removed" in caplog.text


def test_a_bundle_that_was_published_already_takes_no_second_number(model, make_bundle, monkeypatch, publish):
    """The state after a kill before or after the last rename: the next run makes the same bundle again."""
    model.publish(make_bundle(model.work / "finished", seed=1), keep=3)
    with monkeypatch.context() as cut_off:
        cut_off.setattr(ModelFolder, "make_current", None)
        with pytest.raises(TypeError):
            model.publish(make_bundle(model.work / "finished", seed=2), keep=3)
    assert (model.numbers(), model.current().name) == ([1, 2], "000001")

    for _ in range(2):
        published = model.publish(make_bundle(model.work / "finished", seed=2), keep=3)
        assert (model.numbers(), model.current(), published) == ([1, 2], published, model.generation(2))
        assert list(model.work.iterdir()) == []

    # A damaged generation counts as unpublished, and a generation older than the newest one is published again.
    (model.generation(2) / "weights.safetensors").write_bytes(b"")
    assert model.publish(make_bundle(model.work / "finished", seed=2), keep=3).name == "000003"
    assert model.publish(make_bundle(model.work / "finished", seed=1), keep=3).name == "000004"


def test_a_publication_cut_off_before_its_last_rename_leaves_the_old_one_current(model, monkeypatch, publish):
    publish(model, 1)
    rename = Path.rename

    def cut_off(path, target):
        if Path(target).name == "current":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", cut_off)
        with pytest.raises(KeyboardInterrupt):
            publish(model, 1)
    assert model.current().name == "000001"
    assert find_bundle(str(model.folder)).name == "000001"

    publish(model, 1)
    assert model.current().name == "000003"


def test_a_folder_that_is_no_generation_is_not_counted(model, publish):
    for name in ("7", "00007x", "pruned-000009", ".000008"):
        (model.folder / "generations" / name).mkdir()
    publish(model, 1)

    assert model.numbers() == [1]


def test_numbers_may_outgrow_six_digits(model, publish):
    (model.folder / "generations" / "999999").mkdir()
    publish(model, 1)

    assert model.numbers() == [999_999, 1_000_000]
    assert find_bundle(f"{model.folder}@1000000").name == "1000000"


def test_a_folder_that_is_not_there_has_no_generations(tmp_path):
    assert ModelFolder(tmp_path / "nowhere").numbers() == []
    assert not is_model(tmp_path / "nowhere")


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "a lock", "a model"])
def test_create_makes_a_model_or_takes_one(tmp_path, before, publish):
    folder = tmp_path / "models" / "news"
    if before != "nothing":
        folder.mkdir(parents=True)
    if before == "a lock":
        # As a failed import may leave it that is killed while it removes the folder.
        (folder / "lock").touch()
    if before == "a model":
        publish(ModelFolder.create(folder), 2)

    model = ModelFolder.create(folder)

    assert is_model(folder)
    assert model.work.is_dir()
    assert model.numbers() == ([1, 2] if before == "a model" else [])


def test_create_refuses_a_folder_of_other_things(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(UsageError, match="exists and is not a model"):
        ModelFolder.create(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_create_refuses_a_bundle(tmp_path, make_bundle):
    bundle = make_bundle(tmp_path / "bundle")
    before = sorted(bundle.iterdir())

    with pytest.raises(UsageError, match="is a bundle, which never changes"):
        ModelFolder.create(bundle)

    assert sorted(bundle.iterdir()) == before


def test_create_refuses_a_file(tmp_path):
    place = tmp_path / "file"
    place.write_text("content")

    with pytest.raises(StorageError, match=f"{place}: is a file; expected a model folder"):
        ModelFolder.create(place)

    assert place.read_text() == "content"


def test_files_of_others_in_a_model_are_never_removed(model, make_bundle, publish):
    mine = [
        "work/notes.txt",
        "work/.checkpoint.swp",
        "work/corpus/mine",
        ".pin.bak",
        ".request.json.old",
        ".holder.json.x",
    ]
    mine += ["generations/notes.txt", "generations/000001.bak/x", "work/pruned-000001/x"]
    for name in mine:
        (model.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (model.folder / name).write_text("mine")

    for seed in range(4):
        with model.working():
            model.publish(make_bundle(model.scratch / "finished", seed=seed), keep=1)

    assert {name: (model.folder / name).read_text() for name in mine} == dict.fromkeys(mine, "mine")
    assert model.numbers() == [4]


@pytest.mark.parametrize("name", ["notes.txt", "members/0/notes.txt", "model.json"])
def test_a_generation_with_a_file_of_somebody_else_is_not_pruned(model, make_bundle, caplog, name, publish):
    model.publish(make_bundle(model.work / "finished", seed=1), keep=3)
    (model.generation(1) / name).parent.mkdir(parents=True, exist_ok=True)
    (model.generation(1) / name).write_text('{"of": "another program"}')

    model.publish(make_bundle(model.work / "finished", seed=2), keep=1)

    assert (model.generation(1) / name).read_text() == '{"of": "another program"}'
    assert "in it is no file of lmctl" in caplog.text


def test_the_next_run_removes_the_files_of_a_killed_run(model):
    with model.working():
        # The state after a kill: the journal, and the folder that it names.
        shutil.copytree(model.work, model.folder / "aside")
    for path in (model.folder / "aside").iterdir():
        path.rename(model.work / path.name)
    assert not model.is_swept()
    assert len(list(model.work.iterdir())) == 2

    with model.working():
        pass

    assert list(model.work.iterdir()) == []


@pytest.mark.parametrize("part", ["generations", "work"])
def test_a_part_on_another_file_system_is_refused_before_anything_is_done(model, tmp_path, part):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if Path(elsewhere).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is one file system alone")
        (model.folder / part).rmdir()
        (model.folder / part).symlink_to(elsewhere)

        with pytest.raises(StorageError, match=r"is on another file system than .*/news/work"), model.working():
            pytest.fail("the run began")


@pytest.mark.parametrize("name", ["pin", "request.json", "runs.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_folder_or_pipe_in_the_place_of_a_file_is_refused_before_anything_is_done(model, name, make, publish):
    publish(model, 2)
    make(model.folder / name)

    with pytest.raises(DataError, match=f"/{name}: expected a file, got a "), model.working():
        pytest.fail("the run began")

    assert list(model.work.iterdir()) == []
    assert model.current() == model.generation(2)


def test_a_folder_in_the_place_of_a_bundle_is_removed_only_if_all_of_it_is_lmctls(model, make_bundle):
    ours, theirs = make_bundle(model.work / "ours"), model.work / "theirs"
    theirs.mkdir()
    (theirs / "notes.txt").write_text("theirs")

    for path in (ours, theirs, model.work / "nothing"):
        model.discard(path)

    assert [path.name for path in model.work.iterdir()] == ["theirs"]
    assert (theirs / "notes.txt").read_text() == "theirs"


def test_the_bundle_that_the_gate_refused_is_kept_until_a_generation_is_published(model, make_bundle, publish):
    make_bundle(model.work / "rejected")
    (model.work / "rejected.json").write_text("{}")
    publish(model, 1)

    assert list(model.work.iterdir()) == []


def test_a_kill_while_a_refused_bundle_is_removed_leaves_nothing_that_the_next_run_keeps(
    model, make_bundle, monkeypatch
):
    make_bundle(model.work / "rejected")
    with monkeypatch.context() as killed:
        # The record goes first, and without it the rest looks like files of another program.
        killed.setattr(shutil, "rmtree", lambda path: (path / "model.json").unlink())
        with model.working():
            model.remove_rejected()
            # The state after a kill: the journal, and the folder that it names.
            shutil.copytree(model.work, model.folder / "aside")
    shutil.rmtree(model.work)
    (model.folder / "aside").rename(model.work)

    with model.working():
        model.remove_rejected()

    assert list(model.work.iterdir()) == []
