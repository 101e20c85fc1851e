"""The table of `python -m benchmarks.families`, and the bars that its rows are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The bars are for WikiText-2 with blank lines, after an hour of training on two cores.
BAR_VOCABULARY, BAR_MINUTES = 33_278, 60
# The largest perplexity of the test text.
TEST_BARS = {"lstm": 97.3, "feedforward": 160.0, "transformer": 125.0, "hmm": 330.0}


class Row(msgspec.Struct, kw_only=True):
    """The figures of one family; None: not measured.

    Attributes:
        settings: the keys of `model:`, and the batch and the learning rate of a network.
        minutes: time of training, validation left out; of an estimated family, the time of the command.
        valid, test: perplexities.
        mixed_valid, mixed_test: those of the mixture with the baseline.
        weight: the weight of the family in the mixture.
        pseudo_perplexity: of a family without next-word distributions.
        fill_accuracy: share of gaps whose first answer is the word that stood there.
        fill_exact: share of gaps whose answer is exact.
        fill_ms: time of a gap, the start of the program included.
        query_ms: median time of a query of 20 words.
        word_ms: median time of one more word.
        cold_ms: median time of `lmctl predict` in a new process.
        own: the figures that only this family has.
        machine: processor and versions.
    """

    family: str
    vocabulary_size: int
    preset: str
    settings: dict[str, Any]
    parameters: int
    bundle_bytes: int
    minutes: float
    machine: str
    gaps: int
    fill_accuracy: float
    fill_exact: float
    fill_ms: float
    own: dict[str, float | None] = {}
    tokens_per_second: float | None = None
    valid: float | None = None
    test: float | None = None
    mixed_valid: float | None = None
    mixed_test: float | None = None
    weight: float | None = None
    pseudo_perplexity: float | None = None
    query_ms: float | None = None
    word_ms: float | None = None
    cold_ms: float | None = None


def table(rows: Sequence[Row], *, minutes: float, has_test: bool) -> str:
    """The rows as a table in Markdown, with the settings, the machine and the missed bars below it.

    Args:
        rows: one for each family.
        minutes: the time limit of a training.
        has_test: whether there is a test text.
    """
    if not rows:
        return "no family is done"
    missed = missed_bars(rows, minutes)
    columns: list[tuple[str, Callable[[Row], str]]] = [
        ("family", lambda row: f"{row.family} (!)" if row.family in missed else row.family),
        ("preset", lambda row: row.preset),
        ("parameters", lambda row: f"{row.parameters:,}"),
        ("minutes", lambda row: f"{row.minutes:.1f}"),
        ("tokens/s", lambda row: _number(row.tokens_per_second, 0)),
        ("valid", lambda row: _number(row.valid, 1)),
        ("valid, mixed", lambda row: _number(row.mixed_valid, 1)),
        ("test", lambda row: _number(row.test, 1)),
        ("test, mixed", lambda row: _number(row.mixed_test, 1)),
        ("pseudo-perplexity", lambda row: _number(row.pseudo_perplexity, 1)),
        ("fill accuracy@1", lambda row: f"{row.fill_accuracy:.3f}"),
        ("exact", lambda row: f"{100 * row.fill_exact:.0f} %"),
        ("ms a gap", lambda row: _number(row.fill_ms, 0)),
        ("query, ms", lambda row: _number(row.query_ms, 2)),
        ("one more word, ms", lambda row: _number(row.word_ms, 2)),
        ("cold, ms", lambda row: _number(row.cold_ms, 0)),
        ("bundle, MB", lambda row: f"{row.bundle_bytes / 1e6:.1f}"),
    ]
    hidden = {"pseudo-perplexity"} if all(row.pseudo_perplexity is None for row in rows) else set()
    if not has_test:
        hidden |= {"test", "test, mixed"}
    shown = [column for column in columns if column[0] not in hidden]
    lines = [f"| {' | '.join(name for name, _ in shown)} |", f"|{'---|' * len(shown)}"]
    lines += [f"| {' | '.join(cell(row) for _, cell in shown)} |" for row in rows]
    lines += ["", f"Time limit of a training: {minutes:g} minutes. Vocabulary: {rows[0].vocabulary_size:,} words."]
    lines += [f"Machine: {machine}." for machine in dict.fromkeys(row.machine for row in rows)]
    lines += [f"Gaps: {rows[0].gaps}.", "", "Settings:", ""]
    for row in rows:
        keys = ", ".join(f"{name} {value}" for name, value in row.settings.items() if name != "family")
        lines.append(f"- {row.family}: {keys}")
    if any(row.own for row in rows):
        lines += ["", "Figures that only one family has:", ""]
        for row in rows:
            own = ", ".join(f"{name} {_number(value, 3)}" for name, value in row.own.items())
            lines += [f"- {row.family}: {own}"] if own else []
    if missed:
        lines += ["", "Missed bars (!):", ""]
        lines += [f"- {family}: {reason}" for family, reasons in missed.items() for reason in reasons]
    return "\n".join(lines)


def missed_bars(rows: Sequence[Row], minutes: float) -> dict[str, list[str]]:
    """The bars that each family misses, by family. A shorter training and another text have no bars."""
    if minutes < BAR_MINUTES:
        return {}
    found: dict[str, list[str]] = {}
    lstm = next((row for row in rows if row.family == "lstm"), None)
    for row in rows:
        if row.vocabulary_size != BAR_VOCABULARY:
            continue
        reasons = []
        bar = TEST_BARS.get(row.family)
        if bar is not None and (row.test is None or row.test > bar):
            reasons.append(f"test perplexity {_number(row.test, 1)}, expected at most {bar}")
        if row.family == "vae":
            divergence = row.own.get("kl_nats_per_sentence")
            if divergence is None or divergence <= 3:
                reasons.append(f"divergence of a sentence {_number(divergence, 2)} nats, expected more than 3")
            if lstm is not None and not _at_most(row.test, lstm.test, 1.06):
                reasons.append(f"test perplexity {_number(row.test, 1)}, expected within 6 % of the lstm")
        if row.family == "transformer" and lstm is not None and not _at_most(row.query_ms, lstm.query_ms, 1.0):
            reasons.append(f"a query takes {_number(row.query_ms, 2)} ms, expected at most that of the lstm")
        if row.family == "masked" and lstm is not None and row.fill_accuracy < 1.3 * lstm.fill_accuracy:
            reasons.append(f"fill accuracy {row.fill_accuracy:.3f}, expected 1.3 times that of the lstm")
        if reasons:
            found[row.family] = reasons
    return found


def _at_most(value: float | None, other: float | None, factor: float) -> bool:
    return value is not None and other is not None and value <= factor * other


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
