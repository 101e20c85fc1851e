import gzip
import os
import shutil
from pathlib import Path

import pytest

from lmctl.errors import DataError, InputMissingError, UsageError
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.naming import find_bundle, open_model, opened
from lmctl.store.published import PublishedModel


@pytest.fixture
def published(model, publish):
    publish(model, 3)
    return model


def test_a_reader_that_finds_its_generation_pruned_opens_the_new_one(model, publish):
    publish(model, 1)
    looked_at = []

    def open_slowly(folder):
        looked_at.append(folder.name)
        if len(looked_at) == 1:
            publish(model, 1, keep=1)
        return (folder / "model.json").read_text()

    assert opened(str(model.folder), open_slowly) == (model.generation(2) / "model.json").read_text()
    assert looked_at == ["000001", "000002"]


def test_a_generation_that_is_damaged_and_current_is_refused_after_one_look(model, publish):
    publish(model, 1)
    looked_at = []

    def fail(folder):
        looked_at.append(folder.name)
        raise DataError("damaged")

    with pytest.raises(DataError, match="damaged"):
        opened(str(model.folder), fail)
    assert looked_at == ["000001"]


def test_the_message_for_a_folder_of_models_and_for_a_prepared_corpus(make_bundle, tmp_path):
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


def test_a_model_means_its_current_generation(published):
    assert find_bundle(str(published.folder)) == published.generation(3)
    assert find_bundle(f"{published.folder}/") == published.generation(3)


def test_current_is_resolved_once(published, publish):
    found = find_bundle(str(published.folder))
    publish(published, 1)

    assert found.name == "000003"


@pytest.mark.parametrize("number", ["2", "02", "000002"])
def test_a_generation_is_named_by_its_number(published, number):
    assert find_bundle(f"{published.folder}@{number}") == published.generation(2)


def test_a_generation_that_is_not_there_is_refused_with_those_that_are(published):
    with pytest.raises(InputMissingError, match=r"@7: no such generation; there are: 1, 2, 3$"):
        find_bundle(f"{published.folder}@7")


def test_an_at_sign_may_be_part_of_a_folders_name(tmp_path, publish):
    model = ModelFolder.create(tmp_path / "me@example@2")
    publish(model, 2)

    assert find_bundle(str(model.folder)).name == "000002"
    assert find_bundle(f"{model.folder}@1").name == "000001"


def test_a_bare_bundle_means_itself(tmp_path, make_bundle):
    bundle = make_bundle(tmp_path / "bundle")

    assert find_bundle(str(bundle)) == bundle
    assert open_model(str(bundle)).vocabulary().words == open_bundle(bundle).vocabulary().words


def test_a_published_bundle_can_be_opened(model, make_bundle, publish):
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
            "is a KenLM binary; expected a model",
        ),
        (
            "x.h5",
            b"\x89HDF\r\n\x1a\n",
            "is an HDF5 file, such as Keras weights; expected a model folder; lmctl import --from keras",
        ),
        ("x.txt", b"the cat sat\n", "is a file; expected a model folder$"),
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

    with pytest.raises(InputMissingError, match=r"is neither a file nor a folder; expected a model folder$"):
        find_bundle(str(tmp_path / "pipe"))


def test_a_file_is_not_a_model(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(InputMissingError, match="is a file; expected a model folder"):
        find_bundle(str(tmp_path / "file"))


def test_a_model_without_a_generation_is_a_missing_input(model):
    with pytest.raises(InputMissingError, match="nothing has been published there yet"):
        find_bundle(str(model.folder))


def test_a_reader_that_others_publish_faster_than_it_looks_finds_the_last(model, monkeypatch, publish):
    publish(model, 1)
    look, looks = PublishedModel.current, []

    def current(folder):
        looks.append(look(folder))
        if len(looks) < 4:
            monkeypatch.setattr(PublishedModel, "current", look)
            publish(model, 1, keep=1)
            monkeypatch.setattr(PublishedModel, "current", current)
        return looks[-1]

    monkeypatch.setattr(PublishedModel, "current", current)

    assert find_bundle(str(model.folder)) == model.generation(4)
    assert [place.name for place in looks] == ["000001", "000002", "000003", "000004"]


def test_a_current_generation_that_is_gone_is_damage(published):
    shutil.rmtree(published.generation(3))

    with pytest.raises(DataError, match="current: leads to generation 000003, which is missing"):
        find_bundle(str(published.folder))


def test_the_environment_names_a_model(published):
    assert find_bundle(None, {"LMCTL_MODEL": str(published.folder)}) == published.generation(3)
    assert find_bundle(None, {"LMCTL_MODEL": f"{published.folder}@1"}) == published.generation(1)


def test_a_name_comes_before_the_environment(published, tmp_path):
    assert find_bundle(str(published.folder), {"LMCTL_MODEL": str(tmp_path / "nowhere")}) == published.generation(
        3
    )


@pytest.mark.parametrize("environment", [{}, {"LMCTL_MODEL": ""}])
def test_the_only_model_under_models_needs_no_name(tmp_path, monkeypatch, environment, publish):
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
def test_without_a_name_there_must_be_exactly_one_model(tmp_path, monkeypatch, names, publish):
    monkeypatch.chdir(tmp_path)
    for name in names:
        publish(ModelFolder.create(Path("models") / name), 1)

    message = "models/ has news, wiki; choose" if names else "no models yet"
    with pytest.raises(UsageError if names else InputMissingError, match=message):
        find_bundle(None, {})
