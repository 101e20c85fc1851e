import logging
import os

import pytest

from lmctl.errors import UsageError
from lmctl.jobs.train.overlap import warn_of_repeated, without_validation

LEFT_OUT = "is the validation text (--valid), so it is left out of the training text"


@pytest.fixture
def texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt", "valid.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "hard.txt").hardlink_to("valid.txt")
    (tmp_path / "soft.txt").symlink_to("valid.txt")
    return ["a.txt", "b.txt", "valid.txt", "hard.txt", "soft.txt"]


def test_the_validation_file_is_left_out_under_all_its_names(texts, caplog):
    with caplog.at_level(logging.WARNING):
        assert without_validation([*texts, "./valid.txt"], "valid.txt") == ["a.txt", "b.txt"]
    assert caplog.messages == [
        f"valid.txt {LEFT_OUT}",
        f"hard.txt, the same file as valid.txt, {LEFT_OUT}",
        f"soft.txt, the same file as valid.txt, {LEFT_OUT}",
        f"./valid.txt, the same file as valid.txt, {LEFT_OUT}",
    ]


def test_a_copy_is_another_file_and_sources_that_are_no_regular_files_are_kept(texts, tmp_path, caplog):
    (tmp_path / "copy.txt").write_bytes((tmp_path / "valid.txt").read_bytes())
    os.mkfifo(tmp_path / "pipe")
    sources = ["copy.txt", "-", "missing.txt", "pipe", "."]
    assert without_validation(sources, "valid.txt") == sources
    for validation in (None, "missing.txt", "pipe", "-"):
        assert without_validation(texts, validation) == texts
    assert not caplog.messages


def test_something_is_to_be_left_to_train_on(texts):
    with pytest.raises(UsageError, match=r"valid\.txt: the validation text is the only training text"):
        without_validation(["hard.txt", "valid.txt"], "valid.txt")


def test_a_file_that_is_named_twice_is_said_to_count_twice(texts, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_repeated(["a.txt", "b.txt", "-", "a.txt", "missing", "missing", "hard.txt", "soft.txt"])
    assert caplog.messages == [
        "a.txt is named twice: its text counts twice",
        "soft.txt is named twice, once as hard.txt: its text counts twice",
    ]
