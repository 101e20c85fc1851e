"""Estimate a model from a prepared corpus, without a network, and write its bundle."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import families
from lmctl.config import config_of
from lmctl.jobs.spreading import estimation_workers
from lmctl.jobs.train.disk_space import check_room_to_estimate
from lmctl.store.draft import Draft, TextFiles, corpus_summary

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.families.family import Family
    from lmctl.store.bundle import Bundle


def estimate_bundle(
    folder: Path,
    corpus: PreparedCorpus,
    config: Config,
    scratch: Path,
    *,
    jobs: int = 0,
    scheduler: str | None = None,
) -> Bundle:
    """Estimate the model that is configured, or the baseline beside a network, and write its bundle.

    Args:
        folder: folder of the bundle; it must not exist yet.
        corpus: the corpus to estimate from.
        config: the resolved configuration. If `model` is a network, the baseline has its default keys.
        scratch: folder for data that does not fit in memory.
        jobs: number of processes for a long text; 0: `device.threads`, or the number of cores if that is 0. The
            model does not depend on it.
        scheduler: name of a cluster in place of them, which sees the corpus and `scratch`; None: none.

    Raises:
        UnavailableError: the cluster does not answer, or a worker cannot do the work.
        UsageError: the keys of the model do not fit together.
        LmctlError: a process was killed or ran out of memory.
        StorageError: there is not enough room on the disk.
    """
    family, keys = estimated_family(config), estimation_config(config, len(corpus.train))
    check_room_to_estimate(scratch, family, len(corpus.train))
    folder.mkdir(parents=True)
    processes = jobs or config.device.threads or len(os.sched_getaffinity(0))
    spread = estimation_workers(processes, scheduler, scratch.absolute())
    estimated = family.estimate(corpus.train, len(corpus.vocabulary), folder, keys, scratch, spread)
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
    """The keys of the model that is estimated: those that are configured, or those of the baseline.

    Args:
        config: the resolved configuration.
        training_tokens: number of training tokens, which may decide a key.
    """
    family = estimated_family(config)
    # The baseline of a network has the default keys of its family.
    model = config.model if config.family is family else config_of(family)
    return family.settle_config(model, training_tokens)


def estimated_family(config: Config) -> Family:
    """The configured family if its models are estimated; the family of the baseline if it is a network."""
    return config.family if config.family.estimates else families.baseline()
