"""A training result becomes a bundle, and the bundle is asked as a query would ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl.config import to_yaml
from lmctl.errors import DataError
from lmctl.families import load_language_model
from lmctl.store.bundle import (
    CorpusSummary,
    ModelRecord,
    TrainingSummary,
    open_bundle,
    verify_bundle,
    weights_file,
    write_bundle,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.store.bundle import Bundle
    from lmctl.training.events import Drift
    from lmctl.training.trainer import TrainingResult


def bundle_result(
    folder: Path, corpus: PreparedCorpus, config: Config, result: TrainingResult, drift: Drift | None = None
) -> Bundle:
    """Write the best weights, and all that answers with them, into `folder`, which is not there yet."""
    best = result.history[result.best_epoch - 1] if result.best_epoch else None
    record = ModelRecord(
        sizes=result.sizes,
        recipe=corpus.record.recipe,
        corpus=CorpusSummary(train=corpus.record.train, valid=corpus.record.valid, sources=corpus.record.sources),
        training=TrainingSummary(
            preset=config.preset,
            seed=config.training.seed,
            epochs=len(result.history),
            best_epoch=result.best_epoch,
            steps=result.steps,
            planned_steps=result.planned_steps,
            tokens=result.tokens,
            parameters=result.parameters,
            device=result.device,
        ),
    )
    contents = {
        "vocabulary.tsv": corpus.vocabulary.to_tsv().encode(),
        "characters.tsv": corpus.characters.to_tsv().encode(),
        "weights.safetensors": weights_file(result.weights),
        "config.yaml": to_yaml(config).encode(),
        "metrics.json": encode_metrics(
            {
                "valid": None,
                "train": {"perplexity": None if best is None else best.train_perplexity},
                "drift": drift,
            }
        ),
        "history.jsonl": b"".join(msgspec.json.encode(epoch) + b"\n" for epoch in result.history),
    }
    write_bundle(folder, record, contents | corpus.recipe_files())
    return open_bundle(folder)


def encode_metrics(metrics: dict[str, Any]) -> bytes:
    """The content of metrics.json."""
    return msgspec.json.format(msgspec.json.encode(metrics)) + b"\n"


def verify_answers(folder: Path, corpus: PreparedCorpus) -> None:
    """Open the bundle as a query would and ask it something: every file sound, the distribution normalised."""
    language_model = load_language_model(verify_bundle(folder))
    context = corpus.train[:32].astype(np.int64)[:, None]
    log_probs = language_model.log_probs(language_model.advance(language_model.null_state(1), context))
    total = float(np.exp(log_probs.astype(np.float64)).sum())
    if not abs(total - 1.0) < 1e-4:
        raise DataError(f"{folder}: the model answers with probabilities that sum to {total}")
