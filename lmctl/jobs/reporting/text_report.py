"""`lmctl eval --report`: the scores of texts under models, as one page."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from lmctl import files
from lmctl.errors import joined
from lmctl.jobs.reporting import reading
from lmctl.jobs.reporting.model_report import MADE_BY, check_report, language_of
from lmctl.jobs.reporting.numbers import count, decimal, percent
from lmctl.pages.elements import element, table
from lmctl.pages.page import Section, page, paragraph
from lmctl.query.inspection import Inspector
from lmctl.store.description import describe_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lmctl.pages.elements import Child
    from lmctl.query.gap_scoring import GapScore
    from lmctl.query.inspection import Inspection
    from lmctl.query.metrics import Figures
    from lmctl.query.model import Model
    from lmctl.query.pseudo_metrics import PseudoFigures
    from lmctl.query.sentence_scores import SentenceScore

# Texts whose words are shown, each with sections of its own; of the others, the figures are.
MOST_INSPECTED = 6

# The figures of the table, by their names in `lmctl eval --json`: name of the column, and how it is written.
_SHOWN: dict[str, tuple[str, Callable[[Any], str]]] = {
    "tokens": ("tokens", count),
    "words": ("words", count),
    "oov_rate": ("OOV", percent),
    "perplexity": ("perplexity", decimal),
    "perplexity_excluding_oov": ("without OOVs", decimal),
    "pseudo_perplexity": ("pseudo-perplexity", decimal),
    "pseudo_perplexity_excluding_oov": ("without OOVs", decimal),
    "cross_entropy_nats": ("nats per token", lambda value: decimal(value, 4)),
    "pseudo_cross_entropy_nats": ("pseudo-nats per word", lambda value: decimal(value, 4)),
    "bits_per_character": ("bits per character", lambda value: decimal(value, 4)),
    "pseudo_bits_per_character": ("pseudo-bits per character", lambda value: decimal(value, 4)),
    "mean_reciprocal_rank": ("mean reciprocal rank", lambda value: decimal(value, 4)),
}


Score = TypeVar("Score", "SentenceScore", "GapScore")


class ScoredText(NamedTuple):
    """The scores of a text under a model.

    Attributes:
        name: the model as it was named.
        model: the model.
        file: the text as it was named; "-" is standard input.
        figures: its figures.
        inspection: of its words; None if they are not shown.
    """

    name: str
    model: Model
    file: str
    figures: Figures | PseudoFigures
    inspection: Inspection | None


class TextReport:
    """Collects the scores of texts, and writes their page.

    Args:
        path: the page.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        check_report(path)
        self._path = path
        self._inspectors: list[Inspector] = []

    def listening(self, model: Model, on_sentence: Callable[[Score], object]) -> Callable[[Score], object]:
        """Begin the next text, and return a listener that takes note of a score and passes it on.

        Args:
            model: the model that scores the text.
            on_sentence: called with each score first.
        """
        if len(self._inspectors) >= MOST_INSPECTED:
            return on_sentence
        inspector = Inspector(model)
        self._inspectors.append(inspector)

        def listen(score: Score) -> None:
            on_sentence(score)
            inspector.add(score)

        return listen

    def finish(
        self, models: Mapping[str, Model], scored: Sequence[tuple[str, str, Figures | PseudoFigures]]
    ) -> None:
        """Write the page.

        Args:
            models: the models by their names.
            scored: name of the model, name of the text and figures of each text, in the order of scoring.
        """
        inspectors = itertools.chain(self._inspectors, itertools.repeat(None))
        texts = [
            ScoredText(
                name,
                models[name],
                file,
                figures,
                None if inspector is None else inspector.result(),
            )
            for (name, file, figures), inspector in zip(scored, inspectors, strict=False)
        ]
        files.write_bytes(self._path, text_page(texts))


def text_page(texts: Sequence[ScoredText]) -> bytes:
    """The page of the scores of texts, in order."""
    models = {text.name: text.model for text in texts}
    printable = {files.printable(name): model for name, model in models.items()}
    sections = [_figures(texts), models_section(printable)]
    for text in texts:
        of_model = f" under {files.printable(text.name)}" if len(models) > 1 else ""
        of_text = _of_text(text, f"{file_name(text.file)}{of_model}")
        if of_text is not None:
            sections.append(of_text)
    if any(text.inspection is None for text in texts):
        sections[0] = Section(
            sections[0].heading,
            [*sections[0].content, paragraph(f"Words are shown of the first {MOST_INSPECTED} texts.")],
        )
    names = sorted({file_name(text.file) for text in texts})
    title = f"Scores of {names[0]}" if len(names) == 1 else f"Scores of {len(names)} texts"
    lead = f"{', '.join(map(files.printable, models))}, on {', '.join(names)}."
    return page(title, lead, sections, MADE_BY)


def _figures(texts: Sequence[ScoredText]) -> Section:
    found = [msgspec.to_builtins(text.figures) for text in texts]
    shown = [key for key in _SHOWN if any(figures.get(key) is not None for figures in found)]
    if "tokens" in shown:
        shown.remove("words")
    ranks = sorted({int(k) for figures in found for k in figures.get("accuracy") or {}})
    header = ["text", "model", *(_SHOWN[key][0] for key in shown), *(f"accuracy@{k}" for k in ranks)]
    rows = [
        [
            file_name(text.file),
            files.printable(text.name),
            *(_SHOWN[key][1](figures.get(key)) for key in shown),
            *(percent((figures.get("accuracy") or {}).get(str(k))) for k in ranks),
        ]
        for text, figures in zip(texts, found, strict=True)
    ]
    return Section(
        "Figures", [table("Figures of each text", header, rows), paragraph(f"{terms_of(found)}, OOVs as <unk>.")]
    )


def terms_of(found: Sequence[dict[str, Any]]) -> str:
    """The conditions of the figures, without which they compare with nothing."""
    sizes = sorted({figures["vocabulary_size"] for figures in found})
    parts = [f"Vocabulary {joined([f'{size:,}' for size in sizes])}"]
    first = found[0]
    if "pseudo_perplexity" in first:
        parts.append("each word hidden in turn, with the words on both sides known: no perplexity")
    if "state" in first:
        parts.append(f"state {first['state']}")
    if first.get("cache"):
        parts.append(f"cache of {first['cache']:,} words")
    if first.get("dynamic_rate") is not None:
        parts.append(f"dynamic evaluation with rate {first['dynamic_rate']:g}")
    return ", ".join(parts)


def models_section(models: Mapping[str, Model]) -> Section:
    """A section with a row for each model, by the names that the page gives them."""
    shown = ("family", "parameters", "vocabulary", "segmenter")
    rows = []
    for name, model in models.items():
        described = describe_bundle(model.bundle)
        rows.append([name, *(described[key] for key in shown)])
    return Section("Models", [table("Models", ["model", *shown], rows)])


def _of_text(text: ScoredText, heading: str) -> Section | None:
    """The words of a text under a model; None if they are not shown."""
    if text.inspection is None:
        return None
    content: list[Child] = []
    for title, of_part in reading.parts(text.inspection, language_of(text.model)):
        content += [element("h3", title), *of_part]
    return Section(heading, content)


def file_name(name: str) -> str:
    """The name of a text, which may be standard input."""
    return "standard input" if name == "-" else files.printable(name)
