"""Write the result of a training as a bundle, and check that the bundle answers a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError
from lmctl.families import load_model
from lmctl.query.probing import sample_log_probs
from lmctl.store.draft import Draft, TextFiles, corpus_summary
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.store.bundle import Bundle
    from lmctl.training.events import Drift, EpochDone
    from lmctl.training.result import TrainingResult


def bundle_result(
    folder: Path, corpus: PreparedCorpus, config: Config, result: TrainingResult, drift: Drift | None = None
) -> Bundle:
    """Write the best weights, and the files that a query needs, into `folder`, which must not exist yet."""
    best = result.history[result.summary.best_epoch - 1] if result.summary.best_epoch else None
    draft = Draft(
        TextFiles.of_corpus(corpus),
        result.sizes,
        config,
        corpus=corpus_summary(corpus),
        training=result.summary,
        metrics={
            "valid": None,
            "train": _train_figure(config, best),
            "drift": drift,
        },
        weights=result.weights,
        moments=result.moments,
        history=result.history,
    )
    return draft.write(folder)


def _train_figure(config: Config, best: EpochDone | None) -> dict[str, float | None]:
    """The figure of the training text in the best epoch, by its name in metrics.json."""
    if config.family.predicts_next_word:
        return {"perplexity": None if best is None else best.train_perplexity}
    return {"masked_cross_entropy_nats": None if best is None else best.train_masked_cross_entropy_nats}


def verify_answers(folder: Path, corpus: PreparedCorpus) -> None:
    """Check the files of a bundle, and that its probabilities after a context, or in a gap, sum to 1.

    Raises:
        DataError: a file is damaged, or the sum differs from 1 by 1e-4 or more.
    """
    log_probs = sample_log_probs(load_model(verify_bundle(folder)), corpus.train[:32].astype(np.int64))
    total = float(np.exp(log_probs.astype(np.float64)).sum())
    if not abs(total - 1.0) < 1e-4:
        raise DataError(f"{folder}: the model answers with probabilities that sum to {total}")
