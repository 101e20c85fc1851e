"""The n-gram model of a prepared corpus, as a bundle: for itself, or to compare and mix a network with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl.config import to_yaml
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.counting.estimation import estimate
from lmctl.jobs.disk_space import check_room_to_count
from lmctl.query.scoring import token_log_probs
from lmctl.runtime import load_language_model
from lmctl.store.bundle import CorpusSummary, ModelRecord, open_bundle, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.runtime.base import Float64Array
    from lmctl.store.bundle import Bundle

# What an order of 5 takes grows with the text, and what it brings over 3 does not.
FULL_ORDER, FULL_ORDER_TOKENS, SMALLER_ORDER = 5, 100_000_000, 3


@dataclass(frozen=True, slots=True)
class ValidScores:
    """How a model predicts the validation text.

    Attributes:
        log_probs: natural logs, of the tokens that count, (N,).
        includes_oov: whether OOVs count; they do not where `<unk>` was never seen in training.
    """

    log_probs: Float64Array
    includes_oov: bool

    @property
    def cross_entropy_nats(self) -> float:
        """Mean nats per token."""
        return float(-self.log_probs.mean())

    @property
    def perplexity(self) -> float:
        """Infinite where a token is impossible."""
        return float(np.exp(self.cross_entropy_nats))


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
    model = msgspec.structs.replace(config.model, family="ngram", order=order_of(config, len(corpus.train)))
    sizes = estimate(
        corpus.train,
        len(corpus.vocabulary),
        folder,
        order=model.order or FULL_ORDER,
        smoothing=model.smoothing,
        pruning=[int(count) for count in model.pruning.split()],
        scratch=scratch,
    )
    record = ModelRecord(
        sizes=sizes,
        recipe=corpus.record.recipe,
        corpus=CorpusSummary(train=corpus.record.train, valid=corpus.record.valid, sources=corpus.record.sources),
        training=None,
    )
    contents = {
        "vocabulary.tsv": corpus.vocabulary.to_tsv().encode(),
        "characters.tsv": corpus.characters.to_tsv().encode(),
        "config.yaml": to_yaml(msgspec.structs.replace(config, model=model)).encode(),
        "metrics.json": b'{"valid": null}\n',
    }
    write_bundle(folder, record, contents | corpus.recipe_files(), there=sizes.table_names())
    return open_bundle(folder)


def describe_valid(scores: ValidScores, corpus: PreparedCorpus, config: Config) -> dict[str, Any]:
    """The figures of the validation text, as metrics.json has them."""
    return {
        "cross_entropy_nats": scores.cross_entropy_nats,
        "perplexity": scores.perplexity,
        "includes_oov": scores.includes_oov,
        "state": config.validation.state,
        "vocabulary_size": len(corpus.vocabulary),
        "oov_rate": corpus.record.valid.oov_rate,
    }


def order_of(config: Config, training_tokens: int) -> int:
    """The order of the n-grams: what is configured, or what so many tokens are counted with in little time."""
    if config.model.order is not None:
        return config.model.order
    return FULL_ORDER if training_tokens <= FULL_ORDER_TOKENS else SMALLER_ORDER


def score_valid(bundle: Bundle, corpus: PreparedCorpus, config: Config) -> ValidScores | None:
    """How a model predicts the validation text; None where there is none."""
    token_ids = corpus.valid.astype(np.int64)
    includes_oov = corpus.record.train.oov > 0
    counts = slice(None) if includes_oov else token_ids != UNKNOWN_ID
    if not len(token_ids[counts]):
        return None
    log_probs = token_log_probs(
        load_language_model(bundle), token_ids, state=config.validation.state, threads=config.device.threads
    )
    return ValidScores(log_probs[counts], includes_oov)
