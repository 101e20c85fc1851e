"""The end of a run: a finished bundle is asked, compared with what is published, and takes its place."""

from __future__ import annotations

import itertools
import logging
import os
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from lmctl.config import PublishingConfig
from lmctl.errors import LmctlError, QualityGateError
from lmctl.jobs.train import journal
from lmctl.jobs.train.bundling import verify_answers
from lmctl.jobs.train.gate import compare, inherited_text
from lmctl.jobs.train.kept_text import keep_text, kept_part
from lmctl.jobs.watching.events import GateDone
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import remove_own
from lmctl.store.layout import REJECTED

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.train.gate import Standard
    from lmctl.jobs.train.request import Request
    from lmctl.jobs.watching.runs import Watched
    from lmctl.store.generations import ModelFolder


logger = logging.getLogger(__name__)


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What a training run did, or, where there was nothing to do, what the one before had done.

    Attributes:
        preset: of the network's training, as the next ones are; None if there is no network.
        tokens: trained on, those of every epoch counted; of n-grams, those of the text.
        drift: what had changed since the model that training started from.
        compared: the network beside an n-gram model, and their mixture.
        cache: what `--cache` is good for.
    """

    outcome: Literal["published", "unchanged"]
    published: str
    model: str
    family: str
    preset: str | None
    epochs: int | None
    best_epoch: int | None
    steps: int | None
    tokens: int | None
    vocabulary_size: int
    parameters: int
    train_perplexity: float | None
    valid_perplexity: float | None
    valid_includes_oov: bool | None
    valid_oov_rate: float | None
    valid_state: str | None
    drift: dict[str, Any] | None
    compared: dict[str, Any] | None
    cache: dict[str, Any] | None


def publish(
    watch: Watched,
    bundle: Path,
    corpus: PreparedCorpus,
    config: Config,
    standard: Standard | None,
    request: Request | None,
) -> Path:
    """Ask a finished bundle something, and publish it if it is good enough.

    Args:
        watch: the run.
        bundle: in its work folder.
        corpus: what it was made from.
        config: fully resolved.
        standard: what it has to match; None: there is no gate.
        request: what the run was asked for; None if that cannot be asked again.

    Raises:
        QualityGateError: it is worse than what is published.
        DataError: it does not answer as a model does.
    """
    keep_text(bundle, kept_part(corpus.valid_text) if len(corpus.valid) else inherited_text(standard))
    verify_answers(bundle, corpus)
    if standard is not None:
        pass_gate(watch, bundle, standard)
    if request is not None:
        journal.begin(watch.folder, request, bundle)
    return watch.folder.publish(bundle, config.publishing.keep)


def pass_gate(watch: Watched, bundle: Path, standard: Standard) -> None:
    """Compare a finished bundle with what is published; one that is worse is set aside.

    Raises:
        QualityGateError: it is.
    """
    comparisons = compare(standard, bundle)
    for comparison in comparisons:
        watch.tell(
            GateDone(
                text=comparison.kind,
                published_bits_per_character=comparison.published,
                new_bits_per_character=comparison.new,
                tolerance=comparison.tolerance,
                passed=comparison.passed,
            )
        )
    worse = next((comparison for comparison in comparisons if not comparison.passed), None)
    if worse is None:
        return
    rejected = _place_for_rejected(watch.folder.work)
    bundle.rename(rejected)
    doubt = f" But {standard.doubt}." if standard.doubt and worse.kind == "validation" else ""
    raise QualityGateError(
        f"not published: {worse}.{doubt} It is kept in {rejected}; --no-gate publishes it.", worse.figures
    )


def _place_for_rejected(work: Path) -> Path:
    """Where a bundle goes that is worse: the place of the one before, unless somebody else has a folder there."""
    for number in itertools.count(1):
        place = work / (REJECTED if number == 1 else f"{REJECTED}-{number}")
        remove_own(place)
        if not os.path.lexists(place):
            break
    return place


def generations_kept(folder: ModelFolder) -> int:
    """How many generations stay when something is published that no configuration speaks of: as many as before."""
    current = folder.sound_current()
    if current is not None:
        try:
            return open_bundle(current).config().publishing.keep
        except LmctlError as error:
            logger.warning("%s; keeping %d generations", error, PublishingConfig().keep)
    return PublishingConfig().keep


def summarize(model: Path, published: Path, outcome: Literal["published", "unchanged"]) -> Trained:
    """What a published bundle says of how it was made.

    Raises:
        DataError: it is damaged.
    """
    bundle = open_bundle(published)
    record, metrics = bundle.record, bundle.metrics()
    training = {} if record.training is None else msgspec.structs.asdict(record.training)
    of_text = None if record.corpus is None else record.corpus.train.tokens
    valid = metrics.get("valid") or {}
    return Trained(
        outcome=outcome,
        published=str(published),
        model=str(model),
        family=record.family,
        preset=training.get("preset"),
        epochs=training.get("epochs"),
        best_epoch=training.get("best_epoch"),
        steps=training.get("steps"),
        tokens=training.get("tokens", of_text),
        vocabulary_size=record.sizes.vocabulary_size,
        parameters=bundle.parameters(),
        train_perplexity=(metrics.get("train") or {}).get("perplexity"),
        valid_perplexity=valid.get("perplexity"),
        valid_includes_oov=valid.get("includes_oov"),
        valid_oov_rate=valid.get("oov_rate"),
        valid_state=valid.get("state"),
        drift=metrics.get("drift"),
        compared=metrics.get("compared"),
        cache=metrics.get("cache"),
    )
