"""Find a validation file among the training texts, and texts that are named twice."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lmctl.errors import UsageError
from lmctl.text.sources import identity

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

logger = logging.getLogger(__name__)


def without_validation(sources: Sequence[str], validation: str | None) -> list[str]:
    """The sources without the validation file, which a pattern such as `text/*.txt` may have matched.

    Two paths are the same file if their device and inode are the same, and two addresses if their file systems and
    their paths there are equal.

    Args:
        sources: paths or addresses of the training texts.
        validation: path or address of the validation text; None: there is none.

    Raises:
        UsageError: the validation file is the only source.
    """
    held_out = None if validation is None else identity(validation)
    if held_out is None:
        return list(sources)
    kept = [source for source in sources if identity(source) != held_out]
    if not kept and sources:
        raise UsageError(
            f"{validation}: the validation text is the only training text; name another training text"
        )
    for source in sources:
        if source not in kept:
            name = source if source == validation else f"{source}, the same file as {validation},"
            logger.warning("%s is the validation text (--valid), so it is left out of the training text", name)
    return kept


def warn_of_repeated(sources: Sequence[str]) -> None:
    """Warn of sources that are the same file."""
    first: dict[Hashable, str] = {}
    for source in sources:
        known = identity(source)
        if known is None:
            continue
        if known in first:
            logger.warning("%s is named twice%s: its text counts twice", source, _under(first[known], source))
        first.setdefault(known, source)


def _under(first: str, source: str) -> str:
    return "" if first == source else f", once as {first}"
