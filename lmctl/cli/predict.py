"""`lmctl predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmctl.cli.options import (
    answers_format_options,
    answers_options,
    cache_option,
    check_cache,
    encoding_options,
    message_options,
    model_option,
    queries_option,
    top_option,
)
from lmctl.cli.parameters import FiniteNumber
from lmctl.cli.queries import arriving_queries, check_queries, model_and_texts, read_candidates

if TYPE_CHECKING:
    from lmctl.store.figures import State


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@queries_option("contexts")
@top_option("context")
@click.option(
    "--threshold",
    type=FiniteNumber(0, 1),
    default=0.0,
    metavar="P",
    help="Leave out words that are less probable than P, a number from 0 to 1.  [default: 0]",
)
@answers_options
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
@answers_format_options
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
    candidates_file: str | None,
    candidates: tuple[str, ...],
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
    model, texts = model_and_texts(model, texts)
    check_queries(texts, file, "contexts")
    from lmctl.cli.predictions import PredictionPrinter
    from lmctl.query.model import load_named
    from lmctl.query.prediction import Predictor
    from lmctl.text.sources import STDIN

    encoding, errors = encoding or "utf-8", errors or "strict"
    contexts_file = None if texts else file or STDIN
    candidate_words = read_candidates(candidates, candidates_file, contexts_file, encoding=encoding, errors=errors)
    predictor = Predictor(
        load_named(model, cache=cache),
        k=k,
        threshold=threshold,
        allow_unknown=allow_unk,
        allow_sentence_end=allow_eos,
        candidates=candidate_words,
        mid_sentence=mid_sentence,
        state=state,
    )
    printer = PredictionPrinter(format, header=header)
    for contexts in arriving_queries(texts, file, encoding=encoding, errors=errors):
        printer.print(predictor.answer(contexts))
