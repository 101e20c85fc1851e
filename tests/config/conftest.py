"""For the tests of configuration: the result of assignments, or their error message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lmctl.config import Config, read_settings
from lmctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def resolve(*assignments: str, tokens: int | None = None) -> Config:
    return read_settings([], assignments, {}).resolve(tokens)


def refuse(*assignments: str) -> str:
    with pytest.raises(UsageError) as caught:
        resolve(*assignments)
    return str(caught.value)


def refuse_file(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_settings([path], [], {})
    return str(caught.value)


@pytest.fixture(scope="session")
def resolved() -> Callable[..., Config]:
    """`resolved("training.epochs=3", ..., tokens=None)`: the configuration."""
    return resolve


@pytest.fixture(scope="session")
def message() -> Callable[..., str]:
    """`message("training.epochs=0", ...)`: the error message."""
    return refuse


@pytest.fixture(scope="session")
def file_message() -> Callable[[str], str]:
    """`file_message(path)`: the error message for a file."""
    return refuse_file


@pytest.fixture
def write(tmp_path, monkeypatch):
    """`write(content, name="x.yaml")`: a file in the directory in which the test runs."""
    monkeypatch.chdir(tmp_path)

    def write_file(content: str | bytes, name: str = "x.yaml") -> str:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write_file
