"""For the tests of `lmctl train`: a text of four sentences."""

import shutil

import pytest


@pytest.fixture
def text(corpora, tmp_path, monkeypatch):
    """A copy of a text in the current directory, which is the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return shutil.copy(corpora / "four-sentences.txt", tmp_path)
