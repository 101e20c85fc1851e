"""`lmctl fill`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lmctl.cli.options import (
    answers_format_options,
    answers_options,
    encoding_options,
    message_options,
    model_option,
    pass_messages,
    queries_option,
    top_option,
)
from lmctl.cli.queries import arriving_queries, check_queries, model_and_texts, read_candidates
from lmctl.errors import DataError

if TYPE_CHECKING:
    from lmctl.cli.output import Messages


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@queries_option("texts")
@top_option("text")
@click.option(
    "--blank",
    default="___",
    show_default=True,
    metavar="MARKER",
    help="The characters that mark the gap. If the marker repeats one symbol, a longer row of it is one gap, too.",
)
@answers_options
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Score at most N candidates for each gap, the most probable ones after the left text. The answer says if "
    "it is not exact.  [default: as many as an exact answer needs]",
)
@click.option(
    "--full",
    is_flag=True,
    help="Score every candidate, so that probabilities are exact.  [default: stop when the N words are certain; "
    "their probabilities are then upper bounds]",
)
@click.option(
    "--mid-sentence",
    is_flag=True,
    help="Texts are parts of sentences.  [default: whole sentences, whose ends count]",
)
@answers_format_options
@encoding_options
@message_options
@pass_messages
def fill(
    messages: Messages,
    /,
    texts: tuple[str, ...],
    model: str | None,
    file: str | None,
    k: int,
    blank: str,
    allow_unk: bool,
    allow_eos: bool,
    candidates_file: str | None,
    candidates: tuple[str, ...],
    limit: int | None,
    full: bool,
    mid_sentence: bool,
    format: str | None,
    header: bool,
    encoding: str,
    errors: str,
) -> None:
    """Print the most probable words for the gap in each TEXT, best first.

    Each TEXT is a sentence with one gap, marked ___. Without TEXT, texts are read from standard input, one on each
    line. Each is answered as soon as it arrives. If -m is not given and the first TEXT is the folder of a model,
    it names the model.

    A word is judged by the text on both sides: P(word | left) P(right | left, word). The probability that is
    printed is this product over the sum of the products of all candidates that were scored; docs/fill.md explains
    its bounds. A model that is trained to fill gaps reads both sides at once; it scores all candidates, and takes
    no --limit.

    \b
    Formats:
        table   words and probabilities with bars, for a terminal
        plain   word probability word probability ... (six significant digits)
        words   the words alone
        tsv     line, rank, word, natural logs of the probability and of its
                lower bound, exact (1 or 0), unseen
        jsonl   line, text, oov, exact, candidates, scored, unseen, predictions:
                word, prob, logprob, lower_prob, lower_logprob (natural logs)

    If --limit made an answer inexact, plain and words end with <unseen>, plain with its prior probability.

    \b
    Example:
        lmctl fill "the ___ sat on the mat"
        lmctl fill --candidate their --candidate there "they left ___ house"
        lmctl fill -m models/news -k 1 --format words < cloze.txt
    """
    if full and limit is not None:
        raise click.UsageError("--full and --limit contradict each other")
    model, texts = model_and_texts(model, texts)
    check_queries(texts, file, "texts")
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.fillings import FillingPrinter
    from lmctl.query.filling import Filler
    from lmctl.query.model import load_named
    from lmctl.text.sources import STDIN

    candidate_words = read_candidates(candidates, candidates_file, texts, file, encoding=encoding, errors=errors)
    filler = Filler(
        load_named(model),
        k=k,
        blank=blank,
        limit=limit,
        full=full,
        allow_unknown=allow_unk,
        allow_sentence_end=allow_eos,
        candidates=candidate_words,
        mid_sentence=mid_sentence,
    )
    printer = FillingPrinter(format, header=header)
    # Drawing for each of many lines would cost more than most answers.
    messages = replace(messages, live=messages.live and bool(texts))
    source = "TEXT" if texts else f"{'standard input' if file in (None, STDIN) else file}: line"
    number = 0
    for batch in arriving_queries(texts, file, encoding=encoding, errors=errors, long_lines="refuse"):
        if texts:
            # A mistake in the command line is reported before any answer.
            for place, given in enumerate(batch, start=1):
                try:
                    filler.split(given)
                except DataError as error:
                    raise click.UsageError(f"TEXT {place}: {error}") from error
        for given in batch:
            number += 1
            try:
                with showing_activity(messages, "filling"):
                    answer = filler.answer(given)
            except DataError as error:
                raise DataError(f"{source} {number}: {error}") from error
            printer.print([answer])
    printer.end()
