"""The n-gram model of a prepared corpus, as a bundle: for itself, or to compare and mix a network with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from lmctl.families.ngram.estimation import estimate
from lmctl.jobs.train.disk_space import check_room_to_count
from lmctl.store.draft import Draft, TextFiles, corpus_summary

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

# What an order of 5 takes grows with the text, and what it brings over 3 does not.
FULL_ORDER, FULL_ORDER_TOKENS, SMALLER_ORDER = 5, 100_000_000, 3


def count_bundle(folder: Path, corpus: PreparedCorpus, config: Config, scratch: Path) -> Bundle:
    """Estimate the n-gram model that is configured, and write its bundle.

    Args:
        folder: where the bundle goes; not there yet.
        corpus: what is counted.
        config: of which `model` and `validation.state` matter.
        scratch: for what does not fit in memory.

    Raises:
        UsageError: pruning thresholds that do not fit the order.
        StorageError: there is not enough room on the disk.
    """
    check_room_to_count(scratch, len(corpus.train))
    folder.mkdir(parents=True)
    order = order_of(config, len(corpus.train))
    model = msgspec.structs.replace(config.model, family="ngram", order=order)
    sizes = estimate(
        corpus.train,
        len(corpus.vocabulary),
        folder,
        order=order,
        smoothing=model.smoothing,
        # Where the order follows from the text, there may be more thresholds than orders.
        pruning=[int(count) for count in model.pruning.split()][: model.order],
        scratch=scratch,
    )
    logger.info("n-grams of order 1 to %d: %s", order, " + ".join(map("{:,}".format, sizes.ngrams)))
    draft = Draft(
        TextFiles.of_corpus(corpus),
        sizes,
        msgspec.structs.replace(config, model=model),
        corpus=corpus_summary(corpus),
        tables=sizes.table_names(),
    )
    return draft.write(folder)


def order_of(config: Config, training_tokens: int) -> int:
    """The order of the n-grams: what is configured, or what so many tokens are counted with in little time."""
    if config.model.order is not None:
        return config.model.order
    return FULL_ORDER if training_tokens <= FULL_ORDER_TOKENS else SMALLER_ORDER
