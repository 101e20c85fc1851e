"""Write the result of a training as a bundle, and check that the bundle answers a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError
from lmctl.families import load_language_model
from lmctl.store.draft import Draft, TextFiles, corpus_summary
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.store.bundle import Bundle
    from lmctl.training.events import Drift
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
            "train": {"perplexity": None if best is None else best.train_perplexity},
            "drift": drift,
        },
        weights=result.weights,
        history=result.history,
    )
    return draft.write(folder)


def verify_answers(folder: Path, corpus: PreparedCorpus) -> None:
    """Check the files of a bundle, and that its probabilities after a context sum to 1.

    Raises:
        DataError: a file is damaged, or the sum differs from 1 by 1e-4 or more.
    """
    language_model = load_language_model(verify_bundle(folder))
    context = corpus.train[:32].astype(np.int64)[:, None]
    log_probs = language_model.log_probs(language_model.advance(language_model.null_state(1), context))
    total = float(np.exp(log_probs.astype(np.float64)).sum())
    if not abs(total - 1.0) < 1e-4:
        raise DataError(f"{folder}: the model answers with probabilities that sum to {total}")
