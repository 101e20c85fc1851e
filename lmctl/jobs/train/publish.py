"""The end of a run: check a finished bundle, compare it with the current generation, and publish it."""

from __future__ import annotations

import itertools
import logging
import os
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from lmctl.config import PublishingConfig
from lmctl.deadline import NEVER
from lmctl.errors import LmctlError, QualityGateError
from lmctl.jobs.train import journal
from lmctl.jobs.train.bundling import verify_answers
from lmctl.jobs.train.comparison import compare
from lmctl.jobs.train.gate import inherited_text
from lmctl.jobs.train.kept_text import keep_text, kept_part
from lmctl.jobs.train.time_estimates import copying_seconds
from lmctl.jobs.watching.events import GateDone
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import REJECTED

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.comparison import Standard
    from lmctl.jobs.train.request import Request
    from lmctl.jobs.watching.runs import Watched
    from lmctl.store.generations import ModelFolder


logger = logging.getLogger(__name__)


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a training run; or the result of an earlier run, if there was nothing to do.

    Fields without a value are None.

    Attributes:
        outcome: "published", or "unchanged" if there was nothing to do.
        published: folder of the generation.
        preset: preset of a network's training, as epochs, best_epoch and steps are of it; None without a network.
        tokens: training tokens, each epoch counted; for an estimated model, the tokens of the text.
        drift: changes of the text since the model that training started from.
        train_masked_cross_entropy_nats: nats of each hidden word of a network that fills gaps; such a model has no
            train_perplexity and no valid_perplexity.
        valid_pseudo_perplexity: of a model that fills gaps, on words of the validation text.
        compared: perplexities of a network, of the baseline of the same corpus, and of their mixture.
        cache: perplexity with and without `--cache`.
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
    train_masked_cross_entropy_nats: float | None
    valid_perplexity: float | None
    valid_pseudo_perplexity: float | None
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
    deadline: Deadline = NEVER,
) -> Path:
    """Check that a finished bundle answers, compare it with the current generation, and publish it.

    Args:
        watch: the run.
        bundle: folder of the bundle, in the work folder.
        corpus: the training corpus.
        config: the resolved configuration.
        standard: figures of the current generation to compare with; None: there is no gate.
        request: the request of the run; None if an input cannot be read twice.
        deadline: end of the run. The comparison is cut short so that the rest is done in time.

    Returns:
        The folder of the new generation.

    Raises:
        QualityGateError: the new model is worse than the current generation.
        DataError: a file of the bundle is damaged, or its probabilities do not sum to 1.
    """
    published = watch.folder.sound_current()
    keep_text(bundle, kept_part(corpus.valid_text) if len(corpus.valid) else inherited_text(published))
    verify_answers(bundle, corpus)
    if standard is not None:
        pass_gate(watch, bundle, standard, deadline.earlier(copying_seconds(bundle)))
    if request is not None:
        journal.begin(watch.folder, request, bundle)
    return watch.folder.publish(bundle, config.publishing.keep)


def pass_gate(watch: Watched, bundle: Path, standard: Standard, deadline: Deadline = NEVER) -> None:
    """Compare a finished bundle with the current generation, and move it to `work/rejected` if it is worse.

    Raises:
        QualityGateError: it is worse.
    """
    comparisons = compare(standard, bundle, deadline)
    for comparison in comparisons:
        watch.tell(
            GateDone(
                text=comparison.kind,
                figure=comparison.figure,
                published_bits_per_character=comparison.published,
                new_bits_per_character=comparison.new,
                tolerance=comparison.tolerance,
                passed=comparison.passed,
                characters=comparison.characters,
            )
        )
    worse = next((comparison for comparison in comparisons if not comparison.passed), None)
    if worse is None:
        return
    watch.folder.remove_rejected()
    rejected = _place_for_rejected(watch.folder)
    bundle.rename(rejected)
    doubt = f" But {standard.doubt}." if standard.doubt and worse.kind == "validation" else ""
    raise QualityGateError(
        f"not published: {worse}.{doubt} It is kept in {rejected}; --no-gate publishes it.", worse.figures
    )


def _place_for_rejected(folder: ModelFolder) -> Path:
    """The folder for a refused bundle: `rejected`, or the next free one of `rejected-2`, ... if that is taken.

    It is taken if it has a file that is not lmctl's, or could not be removed.
    """
    place = folder.work / REJECTED
    for number in itertools.count(2):
        if not os.path.lexists(place):
            break
        place = folder.work / f"{REJECTED}-{number}"
        folder.discard(place)
    return place


def generations_kept(folder: ModelFolder) -> int:
    """The number of generations that a command without a configuration keeps: as the current one is configured."""
    current = folder.sound_current()
    if current is not None:
        try:
            return open_bundle(current).config().publishing.keep
        except LmctlError as error:
            logger.warning("%s; keeping %d generations", error, PublishingConfig().keep)
    return PublishingConfig().keep


def summarize(model: Path, published: Path, outcome: Literal["published", "unchanged"]) -> Trained:
    """The result of a run, read from the bundle that it published.

    Raises:
        DataError: the bundle is damaged.
    """
    bundle = open_bundle(published)
    record, metrics = bundle.record, bundle.metrics()
    training = {} if record.training is None else msgspec.structs.asdict(record.training)
    of_text = None if record.corpus is None else record.corpus.train.tokens
    train = metrics.get("train") or {}
    valid, of_gaps = (metrics.get(name) or {} for name in ("valid", "valid_gaps"))
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
        train_perplexity=train.get("perplexity"),
        train_masked_cross_entropy_nats=train.get("masked_cross_entropy_nats"),
        valid_perplexity=valid.get("perplexity"),
        valid_pseudo_perplexity=of_gaps.get("pseudo_perplexity"),
        valid_includes_oov=(valid or of_gaps).get("includes_oov"),
        valid_oov_rate=(valid or of_gaps).get("oov_rate"),
        valid_state=valid.get("state"),
        drift=metrics.get("drift"),
        compared=metrics.get("compared"),
        cache=metrics.get("cache"),
    )
