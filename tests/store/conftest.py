"""For the tests of store/: a small bundle to damage, and a model with incomplete bundles."""

import shutil

import pytest

from lmctl.errors import DataError
from lmctl.store.generations import ModelFolder


@pytest.fixture(scope="module")
def sound(make_bundle, tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("sound") / "bundle", stop_words=["of", "a"])


@pytest.fixture
def bundle(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "bundle")


@pytest.fixture(scope="session")
def refused():
    """`refused(act, folder, name)`: the message with which `act(folder)` refuses the file `name`."""

    def refused(act, folder, name):
        with pytest.raises(DataError) as caught:
            act(folder)
        message = str(caught.value)
        assert message.startswith(f"{folder / name}: ")
        assert "\n" not in message
        return message

    return refused


@pytest.fixture
def model(tmp_path):
    return ModelFolder.create(tmp_path / "news")


@pytest.fixture(scope="session")
def finished():
    """`finished(model, content)`: a bundle in the work folder, with the files that publishing reads."""

    def finished(model, content):
        folder = model.work / "bundle"
        folder.mkdir()
        (folder / "model.json").write_text(content)
        return folder

    return finished


@pytest.fixture(scope="session")
def publish(finished):
    """`publish(model, count, keep=3)`: publish `count` bundles."""

    def publish(model, count, keep=3):
        for _ in range(count):
            # It has the format version of lmctl, and nothing else.
            model.publish(finished(model, '{"format_version": 1}'), keep)

    return publish
