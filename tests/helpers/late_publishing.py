"""The command as a program that publishes nothing before a test lets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """
import pathlib, time
from lmctl.store import lock
from lmctl.store.generations import ModelFolder
# The one that holds the lock may take a while to name itself.
lock.HOLDER_TRIES = 10**5
def publish(*arguments, before=ModelFolder.publish, **options):
    while not pathlib.Path({permission!r}).exists():
        time.sleep(0.05)
    return before(*arguments, **options)
ModelFolder.publish = publish
from lmctl.cli import main
main()
"""


def publishing_after(permission: Path) -> str:
    """The program; it publishes when a file exists. Its arguments are those of `lmctl`."""
    return _PROGRAM.format(permission=str(permission))
