"""A model that is estimated from a prepared corpus, as a bundle: for itself, or beside a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import families
from lmctl.config import config_of
from lmctl.jobs.train.disk_space import check_room_to_estimate
from lmctl.store.draft import Draft, TextFiles, corpus_summary

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.families.family import Family
    from lmctl.store.bundle import Bundle


def estimate_bundle(folder: Path, corpus: PreparedCorpus, config: Config, scratch: Path) -> Bundle:
    """Estimate the model that is configured, or the baseline beside a network, and write its bundle.

    Args:
        folder: where the bundle goes; not there yet.
        corpus: what is counted.
        config: `model` matters if it is that of n-grams, and `validation.state`.
        scratch: for what does not fit in memory.

    Raises:
        UsageError: pruning thresholds that do not fit the order.
        StorageError: there is not enough room on the disk.
    """
    family, keys = estimated_family(config), estimation_config(config, len(corpus.train))
    check_room_to_estimate(scratch, family, len(corpus.train))
    folder.mkdir(parents=True)
    estimated = family.estimate(corpus.train, len(corpus.vocabulary), folder, keys, scratch)
    draft = Draft(
        TextFiles.of_corpus(corpus),
        estimated.sizes,
        msgspec.structs.replace(config, model=estimated.config),
        corpus=corpus_summary(corpus),
        weights=estimated.weights,
        tables=estimated.files,
    )
    return draft.write(folder)


def estimation_config(config: Config, training_tokens: int) -> Any:
    """The keys of the model that is estimated from so many tokens, for itself or beside a network."""
    family = estimated_family(config)
    # Beside a network, the baseline has its defaults.
    model = config.model if config.family is family else config_of(family)
    return family.settle_config(model, training_tokens)


def estimated_family(config: Config) -> Family:
    """The family that is configured, or the baseline beside a network."""
    return config.family if config.family.estimates else families.baseline()
