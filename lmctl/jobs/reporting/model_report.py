"""`lmctl report`: all that is known of a model, as one page."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from lmctl import files
from lmctl.jobs.reporting import past, reading, training
from lmctl.jobs.reporting.numbers import decimal
from lmctl.jobs.reporting.repeating import command_to_repeat
from lmctl.jobs.train.kept_text import kept_lines
from lmctl.pages.drawing import require_matplotlib
from lmctl.pages.elements import definitions, element, table
from lmctl.pages.page import Section, details, page, paragraph
from lmctl.progress import Meter
from lmctl.query.gap_scoring import score_lines
from lmctl.query.inspection import Inspector
from lmctl.query.metrics import Tally
from lmctl.query.model import load_named
from lmctl.query.pseudo_metrics import PseudoTally
from lmctl.query.scoring import score_batches
from lmctl.store.description import describe_bundle
from lmctl.store.layout import CONFIG, GENERATIONS, KEPT_TEXT, RUNS
from lmctl.store.listing import list_generations
from lmctl.store.published import is_model
from lmctl.store.runs import runs_in
from lmctl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.families.gap_model import GapModel
    from lmctl.pages.elements import Child
    from lmctl.query.inspection import Inspection
    from lmctl.query.model import Model
    from lmctl.store.bundle import Bundle

# Of a longer kept text, a part of this length is scored, from all over the text: about 20,000 words of English.
MOST_BYTES_SCORED = 100_000
# Of a model that fills gaps: about 5,000 words, each of which costs as much as its line.
MOST_BYTES_OF_GAPS = 25_000
MOST_SOURCES = 50
_STARTED_FROM = (
    "Training started from the weights of an older model, which the section about drift names. The result is the "
    "same only if training.init_from leads to this model."
)
MADE_BY = f"Made by lmctl {__version__}. This page is one file: it loads nothing, and has no scripts."


def check_report(path: Path) -> None:
    """Check that a report can be made and written, before the work that it is about.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    require_matplotlib()
    files.check_writable(path)


def write_model_report(name: str | None, path: Path, more: Sequence[Section] = ()) -> None:
    """Write the report of a model.

    Args:
        name: the model, as `-m` names it.
        path: the page.
        more: sections of the caller, which stand first: those of a search or of a comparison.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputMissingError: there is no model.
        DataError: the model is damaged.
    """
    check_report(path)
    files.write_bytes(path, model_report(name, more))


def model_report(name: str | None, more: Sequence[Section] = ()) -> bytes:
    """The report of a model as a page in UTF-8; see `write_model_report`."""
    require_matplotlib()
    return _page(load_named(name), more)


def _page(model: Model, more: Sequence[Section]) -> bytes:
    bundle = model.bundle
    folder = _model_folder(bundle)
    sections, missing = list(more), list[str]()

    def add(section: Section | None, otherwise: str) -> None:
        if section is not None:
            sections.append(section)
        elif otherwise:
            missing.append(otherwise)

    metrics = bundle.metrics()
    sections.append(_trained_on_what(bundle))
    add(
        training.curves(_history(bundle)),
        "Curves of training: there is no history of epochs, which only networks have that are trained in steps.",
    )
    add(training.side_by_side(metrics), "Network, n-grams, mixture and cache: none of them was compared.")
    add(
        training.drift(metrics),
        "Drift: training, if there was any, did not start from an older model.",
    )
    scored = _score_kept_text(model)
    if isinstance(scored, str):
        missing.append(f"Bands of frequency, calibration, shaded words and examples: {scored}.")
    else:
        said, inspection = scored
        (heading, content), *others = reading.parts(inspection, language_of(model))
        sections.append(Section(heading, [paragraph(said), *content]))
        sections += [Section(*other) for other in others]
    number = int(bundle.folder.name) if folder is not None else None
    add(
        None if folder is None else past.generations(list_generations(folder), number),
        "Generations: this bundle stands alone, and is not in a model folder.",
    )
    add(
        None if folder is None else past.runs(list(runs_in(folder))),
        f"Runs and decisions of the gate: there is no {RUNS}.",
    )
    sections.append(_to_repeat(bundle, folder))
    if missing:
        sections.append(Section("Not in this report", [element("ul", *(element("li", each) for each in missing))]))
    name = _name(bundle, folder)
    return page(f"Report of {name}", _lead(bundle, metrics), sections, MADE_BY)


def _model_folder(bundle: Bundle) -> Path | None:
    """The model folder that a bundle is a generation of; None if it stands alone."""
    folder = bundle.folder.parent.parent
    return folder if bundle.folder.parent.name == GENERATIONS and is_model(folder) else None


def _name(bundle: Bundle, folder: Path | None) -> str:
    if folder is None:
        return files.printable(bundle.folder)
    return f"{files.printable(folder)}, generation {int(bundle.folder.name)}"


def _lead(bundle: Bundle, metrics: dict[str, Any]) -> str:
    """The figure of a model in a sentence."""
    valid, of_gaps = (metrics.get(name) or {} for name in ("valid", "valid_gaps"))
    for found, figure in ((valid, "perplexity"), (of_gaps, "pseudo_perplexity")):
        if found.get(figure) is not None:
            return (
                f"A model of family {bundle.family}. The {figure.replace('_', '-')} of its validation text is "
                f"{decimal(found[figure])}."
            )
    return f"A model of family {bundle.family}, without a figure of a validation text."


def _trained_on_what(bundle: Bundle) -> Section:
    rows = {name: value for name, value in describe_bundle(bundle).items() if name != "sources"}
    content: list[Child] = [definitions(rows.items())]
    corpus = bundle.record.corpus
    if corpus is not None:
        sources = corpus.sources[:MOST_SOURCES]
        more = (
            f", the first {MOST_SOURCES} of {len(corpus.sources):,}" if len(corpus.sources) > MOST_SOURCES else ""
        )
        content.append(
            table(
                f"Texts{more}",
                ["text", "for", "bytes", "lines", "SHA-256"],
                [
                    (
                        source.name,
                        "training" if source.split == "train" else "validation",
                        f"{source.bytes:,}",
                        f"{source.sentences:,}",
                        element("code", source.sha256[:16]),
                    )
                    for source in sources
                ],
                is_captioned=True,
            )
        )
    return Section("Model and text", content)


def _history(bundle: Bundle) -> list[dict[str, Any]]:
    """The history of a network; of a mixture, that of its first member that has one."""
    found = bundle.history()
    for member in bundle.members():
        found = found or _history(member)
    return found


def _score_kept_text(model: Model) -> tuple[str, Inspection] | str:
    """What the figures of the kept text are, and the inspection of its words; or why there are none."""
    path, gap_model = model.bundle.kept_text(), model.gap_model
    if path is None:
        return "the model keeps no validation text"
    whole = path.read_bytes()
    most = MOST_BYTES_SCORED if gap_model is None else MOST_BYTES_OF_GAPS
    part = kept_lines(whole.splitlines(keepends=True), len(whole), most)
    lines = part.decode("utf-8", "replace").split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    meter = Meter(f"scoring {KEPT_TEXT}", len(lines))
    meter.units_read = len(lines)
    inspector = Inspector(model)
    score_text = _figures_of_words if gap_model is None else partial(_figures_of_gaps, gap_model)
    figures = score_text(model, lines, inspector, meter)
    if figures is None:
        return f"{KEPT_TEXT} has no sentences"
    pieces = ", pieces from all over it" if len(part) < len(whole) else ""
    text = f"the validation text that the model keeps ({KEPT_TEXT}{pieces})"
    return f"{figures[0]} of {text}, {figures[1]}", inspector.result()


def _figures_of_words(
    model: Model, lines: list[str], inspector: Inspector, meter: Meter
) -> tuple[str, str] | None:
    """Score lines with a model of the next word: how many tokens there are, and their figures. None: no lines."""
    tally = Tally(None, ())
    for score in chain.from_iterable(score_batches(model, [lines], top_answers=True, meter=meter)):
        tally.add(score)
        inspector.add(score)
    if not tally.sentences:
        return None
    figures = tally.figures(len(model.vocabulary), "reset")
    said = (
        f"each line on its own (state reset): perplexity {decimal(figures.perplexity)} including OOVs, "
        f"{decimal(figures.perplexity_excluding_oov)} without, {100 * figures.oov_rate:.2f} % OOV."
    )
    return f"{figures.tokens:,} tokens", said


def _figures_of_gaps(
    gap_model: GapModel, model: Model, lines: list[str], inspector: Inspector, meter: Meter
) -> tuple[str, str] | None:
    """As `_figures_of_words`, with a model that fills gaps."""
    tally = PseudoTally()
    for score in chain.from_iterable(score_lines(model, gap_model, [lines], top_answers=True, meter=meter)):
        tally.add(score)
        inspector.add(score)
    if not tally.words:
        return None
    figures = tally.figures(len(model.vocabulary))
    without = decimal(figures.pseudo_perplexity_excluding_oov)
    said = (
        f"each hidden in turn: pseudo-perplexity {decimal(figures.pseudo_perplexity)} including OOVs, {without} "
        f"without, {100 * figures.oov_rate:.2f} % OOV."
    )
    return f"{figures.words:,} words", said


def language_of(model: Model) -> str | None:
    """The language of a model's text, as HTML names it, so that a browser chooses its font; None: not known."""
    return "zh" if model.bundle.record.recipe.segmenter.name == "jieba" else None


def _to_repeat(bundle: Bundle, folder: Path | None) -> Section:
    command = command_to_repeat(bundle, folder)
    content: list[Child] = (
        [paragraph("It is not known which command made this model: it was mixed, imported or copied.")]
        if command is None
        else [
            paragraph("This command trains the model again, in the folder in which it was trained."),
            None if bundle.metrics().get("drift") is None else paragraph(_STARTED_FROM),
            element("pre", element("code", command), class_="command"),
        ]
    )
    if CONFIG in bundle.record.files:
        configuration = bundle.read(CONFIG).decode("utf-8", "replace")
        content.append(
            details(
                "The whole configuration",
                element(
                    "pre", element("code", configuration), tabindex="0", role="region", aria_label="Configuration"
                ),
            )
        )
    else:
        content.append(paragraph(f"There is no {CONFIG}: this model was not trained, or not by lmctl."))
    return Section("Configuration, and how to repeat it", content)
