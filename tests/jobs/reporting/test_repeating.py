import shutil

import msgspec
import pytest

from lmctl.jobs.reporting.repeating import command_to_repeat
from lmctl.jobs.train.request import InputFile, Request
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import REQUEST
from lmctl.store.notes import write_note
from lmctl.store.writing import amend_bundle


@pytest.fixture
def repeated(make_bundle, tmp_path):
    """The command that repeats a training of 1,234 planned steps with preset brief, which had these settings."""

    def command(**settings):
        model = tmp_path / "model"
        shutil.rmtree(model, ignore_errors=True)
        bundle = open_bundle(make_bundle(model / "generations" / "000001"))
        training = msgspec.structs.replace(bundle.record.training, preset="brief", planned_steps=1_234)
        text = InputFile(path="/srv/text.txt", bytes=1, inode=1, modified_ns=1, sha256="0" * 64)
        write_note(model / REQUEST, Request(generation="000001", settings=settings, versions={}, inputs=[text]))
        return command_to_repeat(amend_bundle(bundle, training=training), model).replace(str(model), "MODEL")

    return command


def test_steps_replace_a_time_limit_and_the_preset_that_it_chose_is_named(repeated):
    assert repeated(**{"training.time_limit": "5m", "training.seed": 7}) == (
        "lmctl train /srv/text.txt -o MODEL --set training.seed=7 --set training.steps=1234 --set preset=brief"
    )


def test_a_warm_start_is_repeated_without_a_preset_so_that_it_inherits_sizes(repeated):
    assert repeated(**{"training.time_limit": "5m", "training.init_from": "current"}) == (
        "lmctl train /srv/text.txt -o MODEL --set training.init_from=current --set training.steps=1234"
    )


def test_without_a_time_limit_the_settings_are_as_they_were(repeated):
    assert repeated(**{"training.steps": 1_234}) == "lmctl train /srv/text.txt -o MODEL --set training.steps=1234"
