"""`lmctl predict`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from lmctl.cli.options import (
    cache_option,
    check_cache,
    encoding_options,
    header_option,
    json_option,
    message_options,
    model_option,
)
from lmctl.cli.parameters import FiniteNumber, PathName
from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lmctl.store.figures import State

FORMATS = ("table", "plain", "words", "tsv", "jsonl")


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@click.option(
    "-f",
    "--file",
    type=PathName(),
    metavar="FILE",
    help="File of contexts, one on each line; - is standard input.",
)
@click.option(
    "-k",
    "--top",
    "k",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="Number of words to print for each context.",
)
@click.option(
    "--threshold",
    type=FiniteNumber(0, 1),
    default=0.0,
    metavar="P",
    help="Leave out words that are less probable than P, a number from 0 to 1.  [default: 0]",
)
@click.option(
    "--allow-unk", is_flag=True, help="Allow <unk>, the unknown word, as an answer.  [default: left out]"
)
@click.option(
    "--allow-eos", is_flag=True, help="Allow </s>, the end of the sentence, as an answer.  [default: left out]"
)
@click.option(
    "--candidates",
    type=PathName(),
    metavar="FILE",
    help="File of words, one on each line; only these words are answers.  [default: the whole vocabulary]",
)
@click.option(
    "--mid-sentence", is_flag=True, help="Contexts start inside a sentence.  [default: at its first word]"
)
@click.option(
    "--state",
    type=click.Choice(["reset", "carry"]),
    default="reset",
    show_default=True,
    help="reset: each context stands alone; carry: each context continues the one before.",
)
@cache_option
@click.option(
    "--format", type=click.Choice(FORMATS), help="See Formats above.  [default: table on a terminal, else plain]"
)
@json_option
@header_option
@encoding_options
@message_options
def predict(
    texts: tuple[str, ...],
    model: str | None,
    file: str | None,
    k: int,
    threshold: float,
    allow_unk: bool,
    allow_eos: bool,
    candidates: str | None,
    mid_sentence: bool,
    state: State,
    cache: int,
    format: str | None,
    header: bool,
    encoding: str | None,
    errors: str | None,
) -> None:
    """Print the most probable next words after each TEXT, best first.

    Without TEXT, contexts are read from standard input, one on each line. Each is answered as soon as it arrives.
    If options leave out words, the probabilities of the other words stay as they are. If -m is not given and the
    first TEXT is the folder of a model, it names the model.

    \b
    Formats:
        table   words and probabilities with bars, for a terminal
        plain   word probability word probability ... (six significant digits)
        words   the words alone
        tsv     line, rank, word, natural log of the probability (six decimals)
        jsonl   line, context, oov, predictions: word, prob, logprob (natural log)

    \b
    Example:
        lmctl predict "the cat sat on the"
        cut -f2 queries.tsv | lmctl predict -m models/news -k 3 --format tsv
    """
    check_cache(cache, state)
    from lmctl.store.naming import names_model

    if texts and model is None and names_model(texts[0]):
        model, texts = texts[0], texts[1:]
    if texts and file is not None:
        raise click.UsageError("TEXT and -f both give contexts; use one of them")
    if not texts and file is None and (sys.stdin is None or sys.stdin.isatty()):
        there = "closed" if sys.stdin is None else "a terminal"
        raise click.UsageError(
            f"no TEXT given, and standard input is {there}; give TEXT or -f FILE, or pipe contexts to standard "
            "input"
        )

    from lmctl.cli.predictions import PredictionPrinter
    from lmctl.query.model import load_named
    from lmctl.query.prediction import Predictor
    from lmctl.text.sources import STDIN, check_sources
    from lmctl.text.word_lists import read_word_list

    contexts_file = [file or STDIN] if not texts else []
    if candidates is not None:
        check_sources([candidates, *contexts_file])
    text = {"encoding": encoding or "utf-8", "errors": errors or "strict"}
    predictor = Predictor(
        load_named(model, cache=cache),
        k=k,
        threshold=threshold,
        allow_unknown=allow_unk,
        allow_sentence_end=allow_eos,
        candidates=None if candidates is None else read_word_list(candidates, **text),
        mid_sentence=mid_sentence,
        state=state,
    )
    printer = PredictionPrinter(format, header=header)
    for contexts in _arriving_contexts(texts, file, **text):
        printer.print(predictor.answer(contexts))


def _arriving_contexts(
    texts: tuple[str, ...], file: str | None, encoding: str, errors: str
) -> Iterator[list[str]]:
    """Yield batches of contexts; of a stream, a batch is what has arrived so far."""
    from lmctl.text.reading import LineStream, read_lines
    from lmctl.text.sources import STDIN

    if texts:
        yield [_as_utf8(number, text) for number, text in enumerate(texts, start=1)]
    elif file in (None, STDIN):
        for arrived in LineStream(0, "standard input", encoding, errors, long_lines="end"):
            yield from _batches(arrived)
    else:
        yield from _batches(read_lines(str(file), encoding=encoding, errors=errors, long_lines="end"))


def _as_utf8(number: int, text: str) -> str:
    """Decode an argument as UTF-8, because Python has decoded it by the locale."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"TEXT {number}: byte {error.start}: not valid UTF-8 (0x{error.object[error.start]:02x})"
        ) from error


def _batches(lines: Iterable[str], size: int = 256) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
