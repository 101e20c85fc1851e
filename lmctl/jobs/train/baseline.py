"""Compare a network with the baseline of the same corpus, and choose the model to publish."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import families
from lmctl.deadline import NEVER
from lmctl.jobs.mixing import Mixture, write_mixture
from lmctl.jobs.train.validating import valid_figures
from lmctl.jobs.watching.events import Compared
from lmctl.store.bundle import open_bundle
from lmctl.store.draft import TextFiles
from lmctl.store.generations import remove
from lmctl.store.layout import COMBINED, MEMBERS, METRICS, member_name
from lmctl.store.writing import amend_bundle, encode_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.validating import ValidScores
    from lmctl.jobs.watching.runs import Watched
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)


def compare_with_baseline(
    watch: Watched,
    scratch: Path,
    corpus: PreparedCorpus,
    config: Config,
    of_network: tuple[Bundle, ValidScores],
    of_ngram: tuple[Bundle, ValidScores],
    metrics: dict[str, Any],
    deadline: Deadline = NEVER,
) -> Bundle:
    """Compare a network with the baseline of the same corpus, and report the comparison as an event.

    Without `training.with_ngram`, the network is chosen. With it, the mixture is chosen if it is better than the
    network; if one of the two has next to no weight in the mixture, the other one is chosen alone.

    Args:
        watch: the run.
        scratch: the scratch folder of the run, with both bundles in it.
        corpus: the corpus of both models.
        config: the resolved configuration.
        of_network: the bundle of the network, and its scores on the validation text.
        of_ngram: the bundle of the baseline, and its scores on the validation text.
        metrics: the figures of the network. The figures of the chosen model replace them.
        deadline: end of the time for tuning the weights.

    Returns:
        The bundle of the chosen model. The other bundle is removed, or has become a member of it.
    """
    (network, network_scores), (ngram, scores_of_all) = of_network, of_ngram
    # Both are compared on the part of the text that both were scored on.
    ngram_scores = scores_of_all.beginning(network_scores)
    network_scores = network_scores.beginning(scores_of_all)
    mixture = Mixture.tuned([network_scores, ngram_scores], deadline)
    is_better = mixture.perplexity < network_scores.perplexity and config.training.with_ngram
    compared = Compared(
        baseline=families.baseline().short_name(ngram.record.sizes),
        ngram_perplexity=ngram_scores.perplexity,
        network_perplexity=network_scores.perplexity,
        mixture_perplexity=mixture.perplexity,
        weights=mixture.weights,
        mixture_is_chosen=is_better and len(mixture.counting) == 2,
        includes_oov=network_scores.includes_oov,
        state=config.validation.state,
        tokens=network_scores.tokens,
    )
    watch.tell(compared)
    figures = metrics.get("valid")
    if figures is not None and compared.tokens < figures.tokens:
        logger.warning(
            "training.time_limit leaves no time to compare the network with the baseline (%s) on all of the "
            "validation text: they are compared on the first %s of its %s tokens",
            compared.baseline,
            f"{compared.tokens:,}",
            f"{len(corpus.valid):,}",
        )
    metrics["compared"] = compared
    of_ngram_alone = {"valid": valid_figures(scores_of_all, corpus, config)}
    if is_better and mixture.counting == [1]:
        logger.warning(
            "the network adds nothing to the baseline (%s) on the validation text (its weight is %.4f): "
            "the baseline is published alone",
            compared.baseline,
            mixture.weights[0],
        )
        remove(network.folder)
        metrics.clear()
        metrics |= {**of_ngram_alone, "compared": compared}
        return ngram
    if not compared.mixture_is_chosen:
        remove(ngram.folder)
        return network
    # Each member keeps its own figures.
    own = {name: metrics.get(name) for name in ("valid", "own")}
    network = amend_bundle(network, {METRICS: encode_metrics(network.metrics() | own)})
    ngram = amend_bundle(ngram, {METRICS: encode_metrics(ngram.metrics() | of_ngram_alone)})
    folder = scratch / COMBINED
    remove(folder)
    (folder / MEMBERS).mkdir(parents=True)
    members = []
    for number, member in enumerate((network, ngram)):
        place = folder / member_name(number)
        member.folder.rename(place)
        members.append(open_bundle(place))
    metrics["valid"] = msgspec.structs.replace(
        valid_figures(network_scores, corpus, config),
        cross_entropy_nats=mixture.cross_entropy_nats,
        perplexity=mixture.perplexity,
    )
    text, record = TextFiles.of_bundle(members[0]), network.record
    return write_mixture(
        folder, members, mixture, metrics, text=text, corpus=record.corpus, training=record.training
    )
