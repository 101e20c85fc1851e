"""A model of every family, made by the command, once for all processes of the test run."""

from __future__ import annotations

import os
import sys

import pytest
from family_contract import NEXT_WORD, ROOT, TOY, lmctl, settings
from filelock import FileLock

from lmctl import families


@pytest.fixture(scope="module", autouse=True)
def _toy_is_installed():
    """Put the package of the toy family on Python's path, as if pip had installed it."""
    sys.path.insert(0, str(TOY))
    families.clear_caches()
    yield
    sys.path.remove(str(TOY))
    families.clear_caches()


@pytest.fixture(scope="module")
def make_once(tmp_path_factory):
    """`make_once(name, make)`: a folder that `make(folder)` makes once for all processes of the test run."""
    base = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has its own folder in the folder of the test run.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "contract"
    folder.mkdir(exist_ok=True)

    def made(name, make):
        done = folder / f"{name}.done"
        with FileLock(folder / f"{name}.lock"):
            if not done.exists():
                make(folder / name)
                done.touch()
        return folder / name

    return made


@pytest.fixture(scope="module")
def corpus(make_once):
    """A prepared corpus. Models of several families that are made from it may be mixed."""
    return make_once("corpus", lambda folder: lmctl("prepare", ROOT / "corpora/en.txt", "-o", folder))


@pytest.fixture(scope="module")
def models(corpus, make_once):
    """`models(name)`: the folder of a model of a family, made by the command."""

    def mix(folder):
        members = [model(each) for each in NEXT_WORD if not families.find(each).combines]
        valid = folder.with_name("valid.txt")
        valid.write_text("".join((ROOT / "corpora/en.txt").read_text().splitlines(keepends=True)[::7]))
        lmctl("mix", *members, "-o", folder, "--valid", valid)

    def model(name):
        train = lambda folder: lmctl("train", corpus, "-o", folder, *settings(name))  # noqa: E731
        return make_once(name, mix if families.find(name).combines else train)

    return model
