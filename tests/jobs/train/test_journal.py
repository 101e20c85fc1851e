"""The journal of publishing: it names the generation of a run that was killed after publishing."""

from __future__ import annotations

import pytest

from lmctl.jobs.train import journal
from lmctl.jobs.train.request import Request
from lmctl.store.generations import ModelFolder

REQUEST = Request(generation="", settings={"training.seed": 7}, versions={"lmctl": "1"}, inputs=[])


@pytest.fixture
def folder(tmp_path, make_bundle) -> ModelFolder:
    """A model with a finished bundle in its work folder."""
    model = ModelFolder.create(tmp_path / "model")
    make_bundle(model.work / "finished")
    return model


def test_a_bundle_that_was_published_is_found_with_its_request(folder):
    journal.begin(folder, REQUEST, folder.work / "finished")
    published = folder.publish(folder.work / "finished", keep=2)

    assert journal.find_published(folder) == (REQUEST, published)
    journal.end(folder)
    assert not journal.is_begun(folder)
    assert journal.find_published(folder) is None


def test_a_bundle_that_was_only_about_to_be_published_is_not_found(folder):
    journal.begin(folder, REQUEST, folder.work / "finished")

    assert journal.is_begun(folder)
    assert journal.find_published(folder) is None


def test_another_bundle_that_is_current_is_not_found(folder, make_bundle):
    make_bundle(folder.work / "other", words=("one", "two", "three", "four", "five", "six"))
    folder.publish(folder.work / "other", keep=2)
    journal.begin(folder, REQUEST, folder.work / "finished")

    assert journal.find_published(folder) is None


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b'{"request": 1}'])
def test_a_damaged_journal_is_warned_of_and_the_model_is_made_again(folder, caplog, content):
    folder.publish(folder.work / "finished", keep=2)
    (folder.work / "publishing.json").write_bytes(content)

    assert journal.find_published(folder) is None
    assert "publishing.json" in caplog.text
