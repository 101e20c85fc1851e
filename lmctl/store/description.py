"""Describes a model in rows of a few words each, for `lmctl info` and for reports."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lmctl import families

if TYPE_CHECKING:
    from lmctl.corpus.recipe import TextRecipe
    from lmctl.store.bundle import Bundle
    from lmctl.store.model_record import CorpusSummary, TrainingSummary
    from lmctl.text.segmentation import SegmenterIdentity


def describe_bundle(bundle: Bundle) -> dict[str, str]:
    """Return the family, sizes, vocabulary, corpus, training and figures of a model: name -> text.

    Raises:
        DataError: metrics.json or a member is damaged.
    """
    record, metrics = bundle.record, bundle.metrics()
    rows = dict[str, str](families.find(record.family).describe(record.sizes))
    for number, member in enumerate(bundle.members()):
        described = families.find(member.record.family).describe(member.record.sizes)
        own = member.metrics().get("valid") or {}
        alone = f", alone {_perplexity(own)}" if own else ""
        rows[f"member {number}"] = f"{described['family']}{alone} ({member.folder.relative_to(bundle.folder)})"
    rows |= {
        "parameters": f"{bundle.parameters():,}",
        "vocabulary": f"{record.sizes.vocabulary_size:,} words, <unk> and </s> included",
        "segmenter": describe_segmenter(record.recipe.segmenter),
        "text": _describe_text(record.recipe),
    }
    if (corpus := record.corpus) is not None:
        rows["corpus"] = (
            f"{corpus.train.tokens:,} tokens in {corpus.train.sentences:,} lines; "
            f"{100 * corpus.train.oov_rate:.2f} % OOV"
        )
        rows["sources"] = ", ".join(source.name for source in corpus.sources)
    if (training := record.training) is not None:
        rows["training"] = (
            f"preset {training.preset}, best epoch {training.best_epoch} of {training.epochs}, "
            f"{describe_steps(training)}, seed {training.seed}, {training.device}"
        )
        rows["train"] = f"{_describe_train(metrics.get('train') or {})} (dropout on)"
    if record.cache is not None:
        rows["cache"] = f"weight {record.cache.weight:.4f}, theta {record.cache.theta:.4g}, with --cache"
    rows |= {
        "valid": _describe_valid_gaps(metrics["valid_gaps"])
        if metrics.get("valid_gaps")
        else _describe_valid(metrics.get("valid"), record.corpus),
        **{name.replace("_", " "): _figure(value) for name, value in (metrics.get("own") or {}).items()},
        "lmctl": f"{record.lmctl_version}, bundle format {record.format_version}",
    }
    return rows


def describe_steps(training: TrainingSummary) -> str:
    """Return the number of steps of a training, and the number that was planned if training ended before.

    `training.steps` with the planned number repeats a training with a time limit: the schedule follows the plan.
    """
    planned = training.planned_steps
    of_planned = "" if planned is None or planned == training.steps else f" of {planned:,} planned"
    return f"{training.steps:,}{of_planned} steps"


def describe_segmenter(identity: SegmenterIdentity) -> str:
    """Return a segmenter in a few words, such as `jieba (rjieba 0.2.2, user dictionary)`."""
    details = " ".join(filter(None, (identity.engine, identity.engine_version)))
    if identity.dictionary_sha256 and identity.name != "sentencepiece":
        details += ", user dictionary"
    return f"{identity.name} ({details})" if details else identity.name


def _describe_train(train: dict[str, Any]) -> str:
    if (nats := train.get("masked_cross_entropy_nats")) is not None:
        return f"masked cross-entropy {nats:.4f} nats"
    return f"perplexity {_number(train.get('perplexity'))}"


def _describe_valid_gaps(valid: dict[str, Any]) -> str:
    oovs = "including OOVs" if valid["includes_oov"] else "excluding OOVs"
    return (
        f"pseudo-perplexity {_number(valid['pseudo_perplexity'])} {oovs} ({valid['scored_words']:,} words, each "
        f"hidden in turn; vocabulary {valid['vocabulary_size']:,}, {100 * valid['oov_rate']:.2f} % OOV)"
    )


def _describe_valid(valid: dict[str, Any] | None, corpus: CorpusSummary | None) -> str:
    if valid is None:
        return "not scored" if corpus is not None and corpus.valid.sentences else "no validation text"
    tokens, part = valid.get("tokens"), ""
    if corpus is not None and tokens is not None and tokens < corpus.valid.tokens:
        part = f", of {tokens:,} of {corpus.valid.tokens:,} tokens"
    return (
        f"{_perplexity(valid)} "
        f"(state {valid['state']}, vocabulary {valid['vocabulary_size']:,}, "
        f"{100 * valid['oov_rate']:.2f} % OOV{part})"
    )


def _perplexity(valid: dict[str, Any]) -> str:
    return f"perplexity {_number(valid['perplexity'])} {'in' if valid['includes_oov'] else 'ex'}cluding OOVs"


def _describe_text(recipe: TextRecipe) -> str:
    blank_lines = "dropped" if recipe.blank_lines == "drop" else "kept"
    form = "as it is" if recipe.normalize == "none" else recipe.normalize
    parts = [f"Unicode form {form}", f"blank lines {blank_lines}"]
    if recipe.lowercase:
        parts.append("lower-cased")
    if recipe.sentence_tags == "strip":
        parts.append("<s> and </s> removed from the ends of lines")
    if recipe.stop_words:
        parts.append(f"{recipe.stop_words} stop words left out")
    return ", ".join(parts)


def _figure(value: float | None) -> str:
    """A number of any size with two decimals, or none if it is whole."""
    return "unknown" if value is None else f"{value:,.2f}".removesuffix(".00")


def _number(value: float | None) -> str:
    return "unknown" if value is None or not math.isfinite(value) else f"{value:.2f}"
