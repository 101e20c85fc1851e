"""Text that would be trained on and validated on, or trained on twice."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import UsageError
from lmctl.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)


def without_validation(sources: Sequence[str], validation: str | None) -> list[str]:
    """The sources but for the validation file, which a pattern such as `text/*.txt` may have matched.

    A file is known by its device and inode, whatever it is called.

    Args:
        sources: texts to train on.
        validation: the text to validate on; None: there is none.

    Raises:
        UsageError: there is nothing else.
    """
    held_out = None if validation is None else _identity(validation)
    if held_out is None:
        return list(sources)
    kept = [source for source in sources if _identity(source) != held_out]
    if not kept and sources:
        raise UsageError(f"{validation}: the text to validate on is all there is to train on; name another text")
    for source in sources:
        if source not in kept:
            name = source if source == validation else f"{source} is {validation}, and"
            logger.warning("%s validates (--valid), so it is left out of the training text", name)
    return kept


def warn_of_repeated(sources: Sequence[str]) -> None:
    """Say which sources are one file."""
    first: dict[tuple[int, int], str] = {}
    for source in sources:
        known = _identity(source)
        if known is None:
            continue
        if known in first:
            logger.warning("%s is named twice%s: its text counts twice", source, _under(first[known], source))
        first.setdefault(known, source)


def _under(first: str, source: str) -> str:
    return "" if first == source else f", once as {first}"


def _identity(source: str) -> tuple[int, int] | None:
    """Device and inode of a regular file; None: it is none, or cannot be found."""
    if source == STDIN:
        return None
    try:
        path = Path(source)
        found = path.stat()
        return (found.st_dev, found.st_ino) if path.is_file() else None
    except (OSError, ValueError):
        return None
