import importlib.util
import sys

import pytest

from lmctl.errors import MissingExtraError
from lmctl.training import loading


@pytest.fixture
def without_tensorflow(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


@pytest.mark.usefixtures("without_tensorflow")
def test_without_tensorflow_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(loading, "NEWEST_PYTHON", sys.version_info[:2])
    with pytest.raises(MissingExtraError, match=r"^training needs TensorFlow, .*: pip install 'lmctl\[train\]'$"):
        loading.require_tensorflow()


@pytest.mark.usefixtures("without_tensorflow")
def test_on_a_python_without_tensorflow_the_message_names_those_that_have_it(monkeypatch):
    monkeypatch.setattr(loading, "NEWEST_PYTHON", (3, 10))
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with pytest.raises(
        MissingExtraError, match=f"has no package for Python {running}: use Python 3.11 to 3.10, and pip install"
    ):
        loading.require_tensorflow("an export")
