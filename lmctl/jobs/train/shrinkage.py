"""Refuse a training text that is much smaller than the last one: most often, its delivery was cut off."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lmctl.errors import LmctlError, QualityGateError
from lmctl.store.bundle import open_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.counts import SourceRecord, SplitCounts
    from lmctl.corpus.prepared import PreparedCorpus

logger = logging.getLogger(__name__)


def check_size(published: Path | None, corpus: PreparedCorpus, config: Config) -> None:
    """Refuse a corpus that has shrunk by more than `publishing.shrink_tolerance`.

    The size of a text is its number of characters after normalization, which does not depend on the segmenter.
    Held-out lines of the text count, because their share is a setting. A validation file does not count.

    Args:
        published: the current generation; None if there is none. If it does not record its text (an imported model
            does not), nothing is refused.
        corpus: the training corpus.
        config: the resolved configuration; without `publishing.gate` nothing is refused.

    Raises:
        QualityGateError: the text has shrunk by more than that.
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
            f"({100 * tolerance:g} % is allowed); if the text is complete, --force trains on it"
        )


def _characters(train: SplitCounts, valid: SplitCounts, sources: Sequence[SourceRecord]) -> int:
    """Number of characters of a text; a separate validation file is not part of it."""
    return train.characters + (0 if any(source.split == "valid" for source in sources) else valid.characters)
