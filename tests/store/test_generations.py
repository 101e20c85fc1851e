import gzip
import os
import shutil
from pathlib import Path

import pytest

from lmctl.errors import DataError, InputMissingError, StorageError, UsageError
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder, is_model, remove_own
from lmctl.store.naming import find_bundle, open_model, opened


@pytest.fixture
def model(tmp_path):
    return ModelFolder.create(tmp_path / "news")


def finished(model, content):
    """A bundle, as far as publishing looks at one."""
    folder = model.work / "bundle"
    folder.mkdir()
    (folder / "model.json").write_text(content)
    return folder


def publish(model, count, keep=3):
    for _ in range(count):
        # Of lmctl, by its version, and no more.
        model.publish(finished(model, '{"format_version": 1}'), keep)


def test_generations_are_numbered_from_one(model):
    places = [model.publish(finished(model, content), keep=3) for content in "abc"]

    assert [place.name for place in places] == ["000001", "000002", "000003"]
    assert model.numbers() == [1, 2, 3]
    assert [model.generation(number) for number in (1, 2, 3)] == places
    assert [(place / "model.json").read_text() for place in places] == ["a", "b", "c"]
    assert list(model.work.iterdir()) == []


def test_current_leads_to_the_newest_by_a_relative_link(model, tmp_path):
    assert model.current() is None
    for number in (1, 2):
        publish(model, 1)
        assert (model.folder / "current").readlink() == Path(f"generations/00000{number}")
        assert model.current() == model.generation(number)

    moved = model.folder.rename(tmp_path / "moved")
    assert ModelFolder(moved).current() == moved / "generations" / "000002"
    assert (moved / "current" / "model.json").is_file()


def test_current_is_swapped_by_one_rename(model, monkeypatch):
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


def test_a_reader_who_resolved_current_keeps_its_generation(model):
    publish(model, 1)
    reader = model.current()
    publish(model, 1)

    assert reader.name == "000001"
    assert (reader / "model.json").is_file()


def test_a_reader_that_finds_its_generation_pruned_opens_the_new_one(model):
    publish(model, 1)
    looked_at = []

    def open_slowly(folder):
        looked_at.append(folder.name)
        if len(looked_at) == 1:
            publish(model, 1, keep=1)
        return (folder / "model.json").read_text()

    assert opened(str(model.folder), open_slowly) == (model.generation(2) / "model.json").read_text()
    assert looked_at == ["000001", "000002"]


def test_a_generation_that_is_damaged_and_current_is_refused_after_one_look(model):
    publish(model, 1)
    looked_at = []

    def fail(folder):
        looked_at.append(folder.name)
        raise DataError("damaged")

    with pytest.raises(DataError, match="damaged"):
        opened(str(model.folder), fail)
    assert looked_at == ["000001"]


@pytest.mark.parametrize(("keep", "left"), [(1, [5]), (2, [4, 5]), (3, [3, 4, 5]), (9, [1, 2, 3, 4, 5])])
def test_the_oldest_generations_go(model, keep, left):
    publish(model, 5, keep)

    assert model.numbers() == left
    assert model.current().name == "000005"
    assert list(model.work.iterdir()) == []


def test_a_number_is_never_used_twice(model):
    publish(model, 3, keep=1)
    assert model.numbers() == [3]

    # An older one was made current again: the next number is one more than the highest all the same.
    publish(model, 1, keep=2)
    model.roll_back(3)
    publish(model, 1, keep=2)
    assert model.numbers() == [3, 5]
    assert model.current().name == "000005"


def test_what_readers_had_open_a_moment_ago_is_pruned_last(model):
    publish(model, 3, keep=3)
    model.roll_back(1)
    reader = model.current()

    publish(model, 1, keep=2)

    assert model.numbers() == [1, 4]
    assert (reader / "model.json").is_file()
    publish(model, 1, keep=1)
    assert model.numbers() == [5]


def test_a_generation_that_cannot_be_removed_spoils_no_publication(model, monkeypatch, caplog):
    publish(model, 1, keep=1)

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    publish(model, 1, keep=1)

    assert model.current().name == "000002"
    assert "000001: could not be removed" in caplog.text


def test_a_bundle_that_was_published_already_takes_no_second_number(model, make_bundle, monkeypatch):
    """As after a kill before the last rename, or after it: the next run makes the same bundle again."""
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

    # What was damaged meanwhile is no publication, and what is older than the newest is published again.
    (model.generation(2) / "weights.safetensors").write_bytes(b"")
    assert model.publish(make_bundle(model.work / "finished", seed=2), keep=3).name == "000003"
    assert model.publish(make_bundle(model.work / "finished", seed=1), keep=3).name == "000004"


def test_a_publication_cut_off_before_its_last_rename_leaves_the_old_one_current(model, monkeypatch):
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


def test_what_is_not_a_generation_is_not_counted(model):
    for name in ("7", "00007x", "pruned-000009", ".000008"):
        (model.folder / "generations" / name).mkdir()
    publish(model, 1)

    assert model.numbers() == [1]


def test_numbers_may_outgrow_six_digits(model):
    (model.folder / "generations" / "999999").mkdir()
    publish(model, 1)

    assert model.numbers() == [999_999, 1_000_000]
    assert find_bundle(f"{model.folder}@1000000").name == "1000000"


def test_a_folder_that_is_not_there_has_no_generations(tmp_path):
    assert ModelFolder(tmp_path / "nowhere").numbers() == []
    assert not is_model(tmp_path / "nowhere")


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "a model"])
def test_create_makes_a_model_or_takes_one(tmp_path, before):
    folder = tmp_path / "models" / "news"
    if before != "nothing":
        folder.mkdir(parents=True)
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


def test_a_folder_of_models_and_a_prepared_corpus_are_named_for_what_they_are(make_bundle, tmp_path):
    for name in ("books", "news"):
        make_bundle(tmp_path / "models" / name)
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "corpus.json").write_text("{}")

    for name, message in (
        ("models", f"is a folder of models; name one of books, news, such as {tmp_path}/models/books"),
        ("prepared", f"is a prepared corpus; `lmctl train {tmp_path}/prepared` makes a model of it"),
    ):
        with pytest.raises(InputMissingError) as caught:
            find_bundle(str(tmp_path / name))
        assert str(caught.value) == f"{tmp_path / name}: {message}"


def test_create_refuses_a_bundle(tmp_path, make_bundle):
    bundle = make_bundle(tmp_path / "bundle")
    before = sorted(bundle.iterdir())

    with pytest.raises(UsageError, match="is a bundle, which never changes"):
        ModelFolder.create(bundle)

    assert sorted(bundle.iterdir()) == before


def test_create_refuses_a_file(tmp_path):
    place = tmp_path / "file"
    place.write_text("content")

    with pytest.raises(StorageError, match=f"{place}: is a file; expected a folder for the model"):
        ModelFolder.create(place)

    assert place.read_text() == "content"


@pytest.fixture
def published(model):
    publish(model, 3)
    return model


def test_a_model_means_its_current_generation(published):
    assert find_bundle(str(published.folder)) == published.generation(3)
    assert find_bundle(f"{published.folder}/") == published.generation(3)


def test_current_is_resolved_once(published):
    found = find_bundle(str(published.folder))
    publish(published, 1)

    assert found.name == "000003"


@pytest.mark.parametrize("number", ["2", "02", "000002"])
def test_a_generation_is_named_by_its_number(published, number):
    assert find_bundle(f"{published.folder}@{number}") == published.generation(2)


def test_a_generation_that_is_not_there_is_refused_with_those_that_are(published):
    with pytest.raises(InputMissingError, match=r"@7: no such generation; there are: 1, 2, 3$"):
        find_bundle(f"{published.folder}@7")


def test_an_at_sign_may_be_part_of_a_folders_name(tmp_path):
    model = ModelFolder.create(tmp_path / "me@example@2")
    publish(model, 2)

    assert find_bundle(str(model.folder)).name == "000002"
    assert find_bundle(f"{model.folder}@1").name == "000001"


def test_a_bare_bundle_means_itself(tmp_path, make_bundle):
    bundle = make_bundle(tmp_path / "bundle")

    assert find_bundle(str(bundle)) == bundle
    assert open_model(str(bundle)).vocabulary().words == open_bundle(bundle).vocabulary().words


def test_a_published_bundle_can_be_opened(model, make_bundle):
    model.publish(make_bundle(model.work / "bundle", words=("one", "two")), keep=1)

    assert open_model(str(model.folder)).vocabulary().words == ("<unk>", "</s>", "one", "two")


def test_a_name_that_leads_nowhere_is_a_missing_input(tmp_path):
    name = str(tmp_path / "nowhere")

    with pytest.raises(InputMissingError, match=f"{name}: no such model"):
        find_bundle(name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.arpa", b"", r"is an ARPA file; `lmctl import .*/x\.arpa -o MODEL` makes a model of it$"),
        ("x.txt", b"by some program\n\n\\data\\\nngram 1=3\n", "is an ARPA file; `lmctl import"),
        ("x.gz", gzip.compress(b"\\data\\\nngram 1=3\n", mtime=0), "is an ARPA file; `lmctl import"),
        (
            "x.bin",
            b"mmap lm http://kheafield.com/code format version 5\n\0",
            "is a KenLM binary; expected a model's",
        ),
        ("x.h5", b"\x89HDF\r\n\x1a\n", "is an HDF5 file, such as Keras weights; expected a model's folder$"),
        ("x.txt", b"the cat sat\n", "is a file; expected a model's folder$"),
    ],
)
def test_a_file_in_place_of_a_model_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(InputMissingError, match=message):
        find_bundle(str(tmp_path / name))


def test_a_file_of_a_model_names_its_folder(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")

    with pytest.raises(InputMissingError, match=f"is a file of a model; name its folder, {bundle}$"):
        find_bundle(str(bundle / "vocabulary.tsv"))


def test_a_pipe_in_place_of_a_model_is_not_opened(tmp_path):
    # Nobody writes to it: opening it would wait for ever.
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InputMissingError, match=r"is neither a file nor a folder; expected a model's folder$"):
        find_bundle(str(tmp_path / "pipe"))


def test_a_file_is_not_a_model(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(InputMissingError, match="is a file; expected a model's folder"):
        find_bundle(str(tmp_path / "file"))


def test_a_model_without_a_generation_is_a_missing_input(model):
    with pytest.raises(InputMissingError, match="nothing has been published there yet"):
        find_bundle(str(model.folder))


def test_a_reader_that_others_publish_faster_than_it_looks_finds_the_last(model, monkeypatch):
    publish(model, 1)
    look, looks = ModelFolder.current, []

    def current(folder):
        looks.append(look(folder))
        if len(looks) < 4:
            monkeypatch.setattr(ModelFolder, "current", look)
            publish(model, 1, keep=1)
            monkeypatch.setattr(ModelFolder, "current", current)
        return looks[-1]

    monkeypatch.setattr(ModelFolder, "current", current)

    assert find_bundle(str(model.folder)) == model.generation(4)
    assert [place.name for place in looks] == ["000001", "000002", "000003", "000004"]


def test_a_current_generation_that_is_gone_is_damage(published):
    shutil.rmtree(published.generation(3))

    with pytest.raises(DataError, match="current: leads to 000003, which is not there"):
        find_bundle(str(published.folder))


def test_the_environment_names_a_model(published):
    assert find_bundle(None, {"LMCTL_MODEL": str(published.folder)}) == published.generation(3)
    assert find_bundle(None, {"LMCTL_MODEL": f"{published.folder}@1"}) == published.generation(1)


def test_a_name_comes_before_the_environment(published, tmp_path):
    assert find_bundle(str(published.folder), {"LMCTL_MODEL": str(tmp_path / "nowhere")}) == published.generation(
        3
    )


@pytest.mark.parametrize("environment", [{}, {"LMCTL_MODEL": ""}])
def test_the_only_model_under_models_needs_no_name(tmp_path, monkeypatch, environment):
    monkeypatch.chdir(tmp_path)
    publish(ModelFolder.create(Path("models/news")), 1)
    Path("models/notes").mkdir()
    Path("models/README").write_text("")

    assert find_bundle(None, environment) == Path("models/news/generations/000001")


def test_the_only_bundle_under_models_needs_no_name(tmp_path, monkeypatch, make_bundle):
    monkeypatch.chdir(tmp_path)
    make_bundle(Path("models/bundle"))

    assert find_bundle(None, {}) == Path("models/bundle")


@pytest.mark.parametrize("names", [[], ["news", "wiki"]])
def test_without_a_name_there_must_be_exactly_one_model(tmp_path, monkeypatch, names):
    monkeypatch.chdir(tmp_path)
    for name in names:
        publish(ModelFolder.create(Path("models") / name), 1)

    with pytest.raises(UsageError, match="models/ has news, wiki; choose" if names else "no models yet"):
        find_bundle(None, {})


def test_files_of_others_in_a_model_are_never_removed(model, make_bundle):
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
            model.publish(make_bundle(model.making / "finished", seed=seed), keep=1)

    assert {name: (model.folder / name).read_text() for name in mine} == dict.fromkeys(mine, "mine")
    assert model.numbers() == [4]


@pytest.mark.parametrize("name", ["notes.txt", "members/0/notes.txt", "model.json"])
def test_a_generation_with_a_file_of_somebody_else_is_not_pruned(model, make_bundle, caplog, name):
    model.publish(make_bundle(model.work / "finished", seed=1), keep=3)
    (model.generation(1) / name).parent.mkdir(parents=True, exist_ok=True)
    (model.generation(1) / name).write_text('{"of": "another program"}')

    model.publish(make_bundle(model.work / "finished", seed=2), keep=1)

    assert (model.generation(1) / name).read_text() == '{"of": "another program"}'
    assert "in it is no file of lmctl" in caplog.text


def test_what_a_run_that_was_killed_left_is_removed_by_the_next(model):
    with model.working():
        # As a kill leaves it: the journal, and the folder that it names.
        shutil.copytree(model.work, model.folder / "aside")
    for path in (model.folder / "aside").iterdir():
        path.rename(model.work / path.name)
    assert not model.is_swept()
    assert len(list(model.work.iterdir())) == 2

    with model.working():
        pass

    assert list(model.work.iterdir()) == []


@pytest.mark.parametrize("name", ["pin", "request.json", "runs.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_in_the_place_of_one_is_refused_before_anything_is_done(model, name, make):
    publish(model, 2)
    make(model.folder / name)

    with pytest.raises(DataError, match=f"/{name}: expected a file, got a "), model.working():
        pytest.fail("the run began")

    assert list(model.work.iterdir()) == []
    assert model.current() == model.generation(2)


def test_a_folder_in_the_place_of_a_bundle_is_removed_only_if_all_of_it_is_lmctls(tmp_path, make_bundle):
    ours, theirs = make_bundle(tmp_path / "ours"), tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "notes.txt").write_text("theirs")

    for path in (ours, theirs, tmp_path / "nothing"):
        remove_own(path)

    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
    assert (theirs / "notes.txt").read_text() == "theirs"
