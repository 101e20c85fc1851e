"""`lmctl predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
@click.option(
    "--peek",
    is_flag=True,
    help="With --state carry: answer a context that does not end in white space without reading it, so that the "
    "next context does not continue it.  [default: all are read]",
)
@click.option(
    "--words",
    is_flag=True,
    help="For a model whose tokens are pieces of words: answer with whole words.  [default: with pieces]",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --words: read at most N unfinished words for a context.  [default: 1000]",
)
@click.option(
    "--prefix",
    is_flag=True,
    help="The last word of a context is unfinished, unless white space follows it; answers begin with it.",
)
@click.option(
    "--given-prefix",
    is_flag=True,
    help="With --prefix: divide the probabilities by that of all words that begin so.  [default: not divided]",
)
@click.option("--ignore-case", is_flag=True, help="With --prefix: take capital and small letters as equal.")
@click.option(
    "--pinyin",
    is_flag=True,
    help="With --prefix: find Chinese words also by their pinyin without tones, v for ü; needs lmctl[pinyin].",
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
    peek: bool,
    words: bool,
    limit: int | None,
    prefix: bool,
    given_prefix: bool,
    ignore_case: bool,
    pinyin: bool,
    cache: int,
    format: str | None,
    header: bool,
    encoding: str,
    errors: str,
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

    With --words, tsv and jsonl also say whether the answer is exact, and how probable all words are that the
    search has not finished (unseen). If --limit made an answer inexact, plain and words end with <unseen>.

    \b
    Example:
        lmctl predict "the cat sat on the"
        cut -f2 queries.tsv | lmctl predict -m models/news -k 3 --format tsv
    """
    check_cache(cache, state)
    _check_prefix(prefix, given_prefix=given_prefix, ignore_case=ignore_case, pinyin=pinyin)
    if peek and state != "carry":
        raise click.UsageError("--peek needs --state carry; with --state reset, no context continues another")
    if prefix and state == "carry" and not peek:
        raise click.UsageError("--prefix with --state carry needs --peek, or unfinished words would be read")
    if limit is not None and not words:
        raise click.UsageError("--limit needs --words")
    if words and prefix:
        raise click.UsageError(
            "--words and --prefix contradict each other; --prefix completes words of the vocabulary"
        )
    model, texts = model_and_texts(model, texts)
    check_queries(texts, file, "contexts")
    from lmctl.cli.predictions import PredictionPrinter, WordPrinter
    from lmctl.query.model import load_named
    from lmctl.query.prediction import Predictor

    candidate_words = read_candidates(candidates, candidates_file, texts, file, encoding=encoding, errors=errors)
    opened = load_named(model, cache=cache)
    settings: dict[str, Any] = {
        "k": k,
        "threshold": threshold,
        "allow_unknown": allow_unk,
        "allow_sentence_end": allow_eos,
        "candidates": candidate_words,
        "mid_sentence": mid_sentence,
        "state": state,
        "peek": peek,
    }
    if prefix:
        from lmctl.query.prefixes import Prefixes, PrefixPredictor

        prefixes = Prefixes(opened.vocabulary.words, ignore_case=ignore_case, pinyin=pinyin)
        predictor: Predictor = PrefixPredictor(opened, prefixes=prefixes, given_prefix=given_prefix, **settings)
    elif words:
        from lmctl.query.whole_words import LIMIT, WordPredictor

        predictor = WordPredictor(opened, limit=limit or LIMIT, **settings)
    else:
        predictor = Predictor(opened, **settings)
    printer = (WordPrinter if words else PredictionPrinter)(format, header=header)
    for contexts in arriving_queries(texts, file, encoding=encoding, errors=errors):
        printer.print(predictor.answer(contexts))
    printer.end()


def _check_prefix(prefix: bool, **options: bool) -> None:
    """Refuse options that have no meaning without --prefix."""
    for name, given in options.items():
        if given and not prefix:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --prefix")
