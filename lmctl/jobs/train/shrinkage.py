"""Whether the text to train on is much smaller than the one before: a delivery that broke off, most often."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lmctl.errors import LmctlError, QualityGateError
from lmctl.store.bundle import open_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus, SourceRecord, SplitCounts

logger = logging.getLogger(__name__)


def check_size(published: Path | None, corpus: PreparedCorpus, config: Config) -> None:
    """Refuse a corpus that has shrunk by more than `publishing.shrink_tolerance`.

    Sizes are characters of the text as it was normalized, which no segmenter changes. Lines that a hash holds out
    count: how many there are of them is a setting.

    Args:
        published: the current generation; None if there is none. One that does not say what it was trained on, as
            an imported model, is no measure.
        corpus: to train on.
        config: fully resolved; without `publishing.gate` nothing is refused.

    Raises:
        QualityGateError: it has.
    """
    if published is None or not config.publishing.gate:
        return
    try:
        before = open_bundle(published).record.corpus
    except LmctlError as error:
        logger.debug("no size to compare with: %s", error)
        return
    if before is None:
        return
    record, tolerance = corpus.record, config.publishing.shrink_tolerance
    old = _characters(before.train, before.valid, before.sources)
    new = _characters(record.train, record.valid, record.sources)
    if new < old * (1 - tolerance):
        raise QualityGateError(
            f"not trained: the text shrank by {100 * (1 - new / old):.0f} %, from {old:,} to {new:,} characters "
            f"({100 * tolerance:g} % is allowed); if that is all of it, --force trains on it"
        )


def _characters(train: SplitCounts, valid: SplitCounts, sources: Sequence[SourceRecord]) -> int:
    """Length of a text; a file of its own to validate on is no part of it."""
    return train.characters + (0 if any(source.split == "valid" for source in sources) else valid.characters)
