"""`lmctl compare --report`: models compared on texts, as one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.jobs.reporting.comparison_groups import groups_section, interval_text, numbered, tokens_section
from lmctl.jobs.reporting.model_report import MADE_BY, check_report, language_of
from lmctl.jobs.reporting.numbers import count, decimal, percent, signed
from lmctl.jobs.reporting.text_report import file_name, models_section, terms_of
from lmctl.pages.elements import element, table
from lmctl.pages.page import Figure, Section, figures, page, paragraph
from lmctl.pages.plots import Estimates, plot_intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmctl.pages.elements import Element
    from lmctl.query.bootstrap import Interval
    from lmctl.query.compared import Comparison, ModelFigures
    from lmctl.query.model import Model

# Groups and tokens are shown of the first texts, as long as they are of so many models, all texts together.
MOST_SHOWN = 24
# Tokens of each model and text, if there is only one; and all tokens of a page.
MOST_TOKENS, MOST_ROWS = 100, 400

MEASURES = {"perplexity": "perplexity", "bits_per_character": "bits per character"}
DIGITS = {"perplexity": 2, "bits_per_character": 4}


class ComparisonReport:
    """Collects the comparisons on texts, and writes their page.

    Args:
        path: the page.

    Attributes:
        most_tokens: the most tokens of each model and text that the page shows.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """

    most_tokens = MOST_TOKENS

    def __init__(self, path: Path) -> None:
        check_report(path)
        self._path = path
        self._compared: list[Comparison] = []

    def add(self, comparison: Comparison) -> None:
        """Add the comparison on the next text."""
        self._compared.append(comparison)

    def finish(self, models: Mapping[str, Model]) -> None:
        """Write the page of these models, by name."""
        files.write_bytes(self._path, comparison_page(models, self._compared))


def comparison_page(models: Mapping[str, Model], compared: Sequence[Comparison]) -> bytes:
    """The page of models that were compared on texts, in UTF-8.

    Args:
        models: the models by their names, the first one being the baseline.
        compared: the comparison on each text.
    """
    by_number = {
        f"{number} {files.printable(name)}": model for number, (name, model) in enumerate(models.items(), 1)
    }
    shown = compared[: max(1, MOST_SHOWN // len(models))]
    sections = [models_section(by_number)]
    for comparison in compared:
        of_text = f" on {file_name(comparison.file)}" if len(compared) > 1 else ""
        sections.append(_figures(comparison, f"Figures{of_text}"))
        if comparison not in shown:
            continue
        sections.append(groups_section(comparison, f"Where they differ{of_text}"))
        most = max(5, min(MOST_TOKENS, MOST_ROWS // (len(shown) * (len(models) - 1))))
        language = language_of(next(iter(models.values())))
        sections.append(tokens_section(comparison, f"Tokens that differ most{of_text}", most, language))
    if len(shown) < len(compared):
        kept = f"Groups and tokens are shown of the first text{'s' if len(shown) > 1 else ''} alone"
        sections[0] = Section(sections[0].heading, [*sections[0].content, paragraph(f"{kept} ({len(shown)}).")])
    names = sorted({file_name(comparison.file) for comparison in compared})
    title = f"Comparison on {names[0]}" if len(names) == 1 else f"Comparison on {len(names)} texts"
    lead = (
        f"{', '.join(map(files.printable, models))}, on {', '.join(names)}. The others are compared with model 1."
    )
    return page(title, lead, sections, MADE_BY)


def _figures(comparison: Comparison, heading: str) -> Section:
    measure = MEASURES[comparison.measure]
    first = comparison.models[0]
    terms = terms_of([msgspec.to_builtins(each.figures) for each in comparison.models])
    said = [paragraph(f"{terms}, OOVs as <unk>. {_how(comparison, first.interval)}")]
    said += [paragraph(note) for note in filter(None, (comparison.reason, *comparison.notes))]
    plot = Figure(
        f"{measure.capitalize()} of each model",
        f"The point is the {measure} of the text, the line its {first.interval.confidence:g} % interval.",
        plot_intervals(
            [str(number) for number in range(1, len(comparison.models) + 1)],
            [
                Estimates(
                    measure,
                    [
                        (_of_measure(each, comparison), each.interval.low, each.interval.high)
                        for each in comparison.models
                    ],
                )
            ],
            measure,
        ),
        None,
    )
    return Section(
        heading,
        [_models(comparison), element("h3", "Differences"), _differences(comparison), figures(plot), *said],
    )


def _how(comparison: Comparison, interval: Interval) -> str:
    unit = f"{comparison.unit}s" if isinstance(comparison.unit, str) else f"blocks of {comparison.unit} lines"
    return (
        f"Intervals and p-values: paired bootstrap, {interval.samples:,} resamples of {interval.units:,} {unit}, "
        f"seed {interval.seed}. They say what other text of the same kind would change, not what another training "
        "would."
    )


def _of_measure(each: ModelFigures, comparison: Comparison) -> float:
    found: float = getattr(each.figures, comparison.measure)
    return found


def _models(comparison: Comparison) -> Element:
    first = comparison.models[0]
    compares = comparison.measure == "perplexity"
    digits = DIGITS[comparison.measure]
    header = ["model", MEASURES[comparison.measure], f"{first.interval.confidence:g} % interval"]
    header += ["without OOVs", "bits per character"] if compares else []
    header += ["OOV", *(f"accuracy@{k}" for k in first.figures.accuracy or {})]
    header += ["tokens", "tokens per s", "MB", "parameters"]
    rows = []
    for place, each in enumerate(comparison.models):
        of = each.figures
        rows.append(
            [
                numbered(comparison, place),
                decimal(_of_measure(each, comparison), digits),
                interval_text(each.interval, digits),
                *([decimal(of.perplexity_excluding_oov), decimal(of.bits_per_character, 4)] if compares else []),
                percent(of.oov_rate),
                *(percent(share) for share in (of.accuracy or {}).values()),
                count(of.tokens),
                decimal(each.tokens_per_second, 0),
                decimal(each.bytes / 1e6, 1),
                count(each.parameters),
            ]
        )
    return table("Figures of each model", header, rows)


def _differences(comparison: Comparison) -> Element:
    digits = DIGITS[comparison.measure]
    first = comparison.models[0]
    # Of one comparison, there is nothing to correct.
    has_several = len(comparison.differences) > 1
    header = [
        "model",
        f"{MEASURES[comparison.measure]}, less that of 1",
        f"{first.interval.confidence:g} % interval",
    ]
    rows = [
        [
            numbered(comparison, place),
            "none" if each.difference is None else signed(each.difference, digits),
            "-" if each.interval is None else interval_text(each.interval, digits, is_signed=True),
            _p(each.p),
            *([_p(each.p_holm)] if has_several else []),
        ]
        for place, each in enumerate(comparison.differences, start=1)
    ]
    return table(
        "Differences from model 1", [*header, "p", *(["p by Holm's method"] if has_several else [])], rows
    )


def _p(value: float | None) -> str:
    return "-" if value is None else decimal(value, 4)
