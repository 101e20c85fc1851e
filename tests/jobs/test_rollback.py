from pathlib import Path

import msgspec
import pytest

from lmctl.errors import DataError, InputMissingError, LockedError
from lmctl.jobs.rollback import roll_back
from lmctl.jobs.train import journal
from lmctl.jobs.train.request import Request
from lmctl.store.generations import ModelFolder
from lmctl.store.listing import list_generations
from lmctl.store.lock import locked


@pytest.fixture
def model(make_bundle, tmp_path):
    """A model of three generations; the third one is current."""
    folder = ModelFolder.create(tmp_path / "news")
    for seed in (1, 2, 3):
        folder.publish(make_bundle(folder.work / "finished", seed=seed), keep=3)
    return folder


def test_the_one_before_is_current_again_and_pinned(model):
    assert roll_back(model.folder) == model.generation(2)
    assert (model.folder / "current").readlink() == Path("generations/000002")
    assert model.is_pinned()

    assert roll_back(model.folder) == model.generation(1)
    with pytest.raises(InputMissingError, match="no generation before the current one, 1"):
        roll_back(model.folder)
    assert model.current() == model.generation(1)


def test_any_generation_that_is_there_can_be_named_a_newer_one_too(model):
    assert roll_back(model.folder, 1) == model.generation(1)
    assert roll_back(model.folder, 3) == model.generation(3)
    with pytest.raises(InputMissingError, match="no generation 9; there are: 1, 2, 3"):
        roll_back(model.folder, 9)


def test_publishing_takes_the_pin_away_and_goes_on_counting(model, make_bundle):
    roll_back(model.folder, 1)

    published = model.publish(make_bundle(model.work / "finished", seed=4), keep=3)

    assert published.name == "000004"
    assert model.current() == published
    assert not model.is_pinned()
    assert not (model.folder / "pin").exists()
    # The generation that was current a moment ago stays, because readers may have it open, although it is the
    # oldest.
    assert model.numbers() == [1, 3, 4]


def test_a_run_that_was_killed_after_it_published_is_recorded_first(model, make_bundle):
    """Else the same command would make its generation again, and publish it over the one that was gone back to."""
    request = Request(generation="", settings={"training.seed": 7}, versions={"lmctl": "1"}, inputs=[])
    finished = make_bundle(model.work / "finished", seed=4)
    journal.begin(model, request, finished)
    model.publish(finished, keep=4)

    assert roll_back(model.folder) == model.generation(3)

    assert not journal.is_begun(model)
    saved = msgspec.json.decode((model.folder / "request.json").read_bytes(), type=Request)
    assert saved == msgspec.structs.replace(request, generation="000004")
    assert model.is_pinned()
    # No generation is removed by going back.
    assert model.numbers() == [1, 2, 3, 4]


def test_a_damaged_generation_is_not_gone_back_to(model):
    weights = model.generation(2) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])

    with pytest.raises(DataError, match=r"weights\.safetensors: damaged"):
        roll_back(model.folder)
    assert model.current() == model.generation(3)
    assert not model.is_pinned()


def test_a_folder_that_is_no_model_is_not_rolled_back(tmp_path, make_bundle):
    for place in (tmp_path / "nothing", make_bundle(tmp_path / "bundle")):
        with pytest.raises(InputMissingError, match="not a model folder"):
            roll_back(place)
    with pytest.raises(InputMissingError, match="nothing has been published"):
        roll_back(ModelFolder.create(tmp_path / "empty").folder)


def test_a_run_in_progress_is_not_disturbed(model):
    with locked(model.folder), pytest.raises(LockedError):
        roll_back(model.folder)
    assert model.current() == model.generation(3)


def test_generations_are_listed_with_their_properties(model, tmp_path):
    roll_back(model.folder, 2)
    (model.generation(3) / "model.json").write_text("{")

    listed = list_generations(tmp_path)

    assert listed == list_generations(model.folder)
    assert [(each.generation, each.current, each.pinned) for each in listed] == [
        (1, False, False),
        (2, True, True),
        (3, False, False),
    ]
    assert [each.vocabulary_size for each in listed] == [9, 9, None]
    assert [each.fault for each in listed] == [None, None, "damaged"]
    assert "model.json: damaged" in listed[2].message
    with pytest.raises(InputMissingError, match="no such folder"):
        list_generations(tmp_path / "typo")
