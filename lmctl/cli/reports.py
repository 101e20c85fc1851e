"""Results of prepare, train, mix, models and info on standard output."""

from __future__ import annotations

import logging
import math
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import families, files
from lmctl.cli import tables
from lmctl.cli.output import STDOUT, echo, echo_json, echo_table, echo_values, encode_json, terminal_console
from lmctl.store.description import describe_bundle, describe_segmenter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.cli.scores import Scored
    from lmctl.corpus.prepared import CorpusRecord
    from lmctl.jobs.mix import Mixed
    from lmctl.jobs.train.publish import Trained
    from lmctl.jobs.train.run import Plan
    from lmctl.jobs.tune.options import Tuned
    from lmctl.jobs.watching.events import CacheTuned
    from lmctl.store.bundle import Bundle
    from lmctl.store.listing import Generation

logger = logging.getLogger(__name__)


def corpus_summary(record: CorpusRecord, as_json: bool, *, header: bool = True) -> None:
    """Print the vocabulary size, the segmenter and the counts of a prepared corpus."""
    identity = record.recipe.segmenter
    if as_json:
        splits = {
            name: msgspec.to_builtins(counts) | {"tokens": counts.tokens, "oov_rate": counts.oov_rate}
            for name, counts in (("train", record.train), ("valid", record.valid))
        }
        echo_json(
            {
                **splits,
                "shared": record.shared,
                "vocabulary_size": record.vocabulary_size,
                "segmenter": identity,
                "sources": record.sources,
            }
        )
        return
    rows = {"vocabulary": str(record.vocabulary_size), "segmenter": describe_segmenter(identity)}
    for name, counts in (("train", record.train), ("valid", record.valid)):
        if sys.stdout.isatty():
            rows[name] = (
                f"{counts.sentences:,} lines, {counts.words:,} words, {counts.tokens:,} tokens, "
                f"{100 * counts.oov_rate:.2f} % OOV"
            )
        else:
            rows |= {
                f"{name}_lines": str(counts.sentences),
                f"{name}_words": str(counts.words),
                f"{name}_tokens": str(counts.tokens),
                f"{name}_oov_rate": f"{counts.oov_rate:.6f}",
            }
    echo_values(rows, header=header)


def trained(summary: Trained, as_json: bool) -> None:
    """Print the path of the published generation, or the whole summary as JSON."""
    if as_json:
        echo_json(summary)
    else:
        echo(summary.published)


def tuned(summary: Tuned, *, as_json: bool, as_yaml: bool) -> None:
    """Print the path of the generation that a study published, its settings as YAML, or a summary as JSON."""
    if as_json:
        echo_json(summary)
    else:
        echo(summary.yaml.rstrip("\n") if as_yaml else summary.trained.published)


def mixed(summary: Mixed, as_json: bool) -> None:
    """Print the path of a mixture, and on a terminal its weights and perplexities; or all of it as JSON."""
    if as_json:
        echo_json(summary)
        return
    echo(summary.published)
    if not sys.stdout.isatty():
        return
    columns = [tables.Column("weight"), tables.Column("perplexity")]
    rows = [(member.model, (f"{member.weight:.4f}", _perplexity(member.perplexity))) for member in summary.members]
    tables.show(
        terminal_console(),
        "model",
        columns,
        [*rows, (families.combining().name, ("", _perplexity(summary.perplexity)))],
    )
    echo_values(
        {
            "text": f"state {summary.state}, vocabulary {summary.vocabulary_size:,}, "
            f"{100 * summary.oov_rate:.2f} % OOV"
        }
        | ({} if summary.cache is None else {"cache": cache_line(summary.cache)})
    )


def cache_line(cache: CacheTuned) -> str:
    """Return a line with the perplexity with and without a cache."""
    return (
        f"with --state carry --cache {cache.words}, perplexity {cache.perplexity:.2f} instead of "
        f"{cache.perplexity_without:.2f} on {cache.tokens:,} validation tokens"
    )


GENERATION_FIELDS = (
    "model",
    "generation",
    "current",
    "valid_perplexity",
    "state",
    "oov_rate",
    "vocabulary",
    "tokens",
    "family",
    "preset",
    "valid_pseudo_perplexity",
)


def generations(listed: Sequence[Generation], as_json: bool, *, header: bool = True) -> None:
    """Print a line for each generation, and a warning for each that cannot be opened."""
    if as_json:
        for generation in listed:
            echo_json(generation)
        return
    if sys.stdout.isatty():
        _show_generations(listed)
    else:
        echo_table(GENERATION_FIELDS, map(_generation_row, listed), header=header)
    for generation in listed:
        if generation.message is not None:
            logger.warning("%s", generation.message)


def _show_generations(listed: Sequence[Generation]) -> None:
    any_fills_gaps = any(each.valid_pseudo_perplexity is not None for each in listed)
    columns = [
        tables.Column("generation", right=False),
        tables.Column("valid\nperplexity"),
        *([tables.Column("valid pseudo-\nperplexity")] if any_fills_gaps else []),
        tables.Column("OOV", optional=True),
        tables.Column("vocabulary", optional=True),
        tables.Column("tokens", optional=True),
        tables.Column("family", right=False),
    ]
    rows = []
    for each in listed:
        mark = "" if not each.current else " * pinned" if each.pinned else " *"
        oov_rate, tokens, words = each.valid_oov_rate, each.tokens, each.vocabulary_size
        of_gaps = "" if each.valid_pseudo_perplexity is None else _perplexity(each.valid_pseudo_perplexity)
        cells = (
            "" if each.generation is None else f"{each.generation}{mark}",
            "" if each.valid_perplexity is None else _perplexity(each.valid_perplexity),
            *([of_gaps] if any_fills_gaps else []),
            "" if oov_rate is None else f"{100 * oov_rate:.2f} %",
            "" if words is None else f"{words:,}",
            "" if tokens is None else f"{tokens:,}",
            each.fault or str(each.family),
        )
        rows.append((each.model, cells))
    tables.show(terminal_console(), "model", columns, rows)


def _generation_row(generation: Generation) -> tuple[object, ...]:
    mark = "" if not generation.current else "* pinned" if generation.pinned else "*"
    if generation.fault is not None:
        number = "" if generation.generation is None else str(generation.generation)
        return (generation.model, number, mark, "", "", "", "", "", generation.fault, "", "")
    return (
        generation.model,
        generation.generation,
        mark,
        generation.valid_perplexity,
        generation.valid_state,
        generation.valid_oov_rate,
        generation.vocabulary_size,
        generation.tokens,
        generation.family,
        generation.preset,
        generation.valid_pseudo_perplexity,
    )


def plan(planned: Plan, as_json: bool) -> None:
    """Print the resolved configuration, and the sizes of the model and of the corpus."""
    from lmctl.config import to_yaml

    figures = {
        "model": str(planned.model),
        "preset": planned.config.preset,
        "parameters": planned.parameters,
        "vocabulary_size": planned.vocabulary_size,
        "training_tokens": planned.training_tokens,
        "valid_tokens": planned.valid_tokens,
    }
    if as_json:
        echo_json(figures | {"config": planned.config})
        return
    echo(to_yaml(planned.config).removesuffix("\n"))
    for name, value in figures.items():
        echo(f"# {name.replace('_', ' ')}: {value}")


def write_figures(path: Path, models: dict[str, Path], results: Sequence[Scored[Any]]) -> None:
    """Write the figures of all texts as one JSON document.

    Args:
        path: the file; - is standard output.
        models: the folder of the bundle of each model, by the name that was given for the model.
        results: the figures of each text under each model.
    """
    document = {
        "models": {name: str(folder) for name, folder in models.items()},
        "texts": [
            {"model": scored.model, "file": scored.file, **msgspec.to_builtins(scored.figures)}
            for scored in results
        ],
    }
    content = msgspec.json.format(encode_json(document))
    if str(path) == STDOUT:
        echo(content.decode())
    else:
        files.write_bytes(path, content + b"\n")


def model_info(bundle: Bundle, as_json: bool, *, header: bool = True) -> None:
    """Print the family, sizes, vocabulary, corpus, training and metrics of a model."""
    record, metrics = bundle.record, bundle.metrics()
    if as_json:
        echo_json({"folder": str(bundle.folder), **msgspec.to_builtins(record), "metrics": metrics})
        return
    echo_values({"folder": str(bundle.folder), **describe_bundle(bundle)}, header=header)


def _perplexity(value: float | None) -> str:
    """A perplexity with two decimals; None stands for an infinite one."""
    return f"{math.inf if value is None else value:.2f}"
