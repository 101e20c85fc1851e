"""`lmctl generate`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lmctl.cli.generated import GENERATED_FORMATS
from lmctl.cli.options import (
    encoding_options,
    header_option,
    json_option,
    message_options,
    model_option,
    pass_messages,
    queries_option,
)
from lmctl.cli.parameters import FiniteNumber
from lmctl.cli.queries import arriving_queries, check_queries, model_and_texts
from lmctl.errors import DataError

if TYPE_CHECKING:
    from lmctl.cli.output import Messages
    from lmctl.query.generated_text import Prompt
    from lmctl.query.generation import TextGenerator


@click.command()
@click.argument("prompts", nargs=-1, metavar="[PROMPT]...")
@model_option
@queries_option("prompts")
@click.option(
    "-n",
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of texts for each prompt.",
)
@click.option(
    "--words",
    type=click.IntRange(min=1),
    metavar="N",
    help="End a text after N words; of a model of pieces of words, N pieces.  [default: 100 for each sentence]",
)
@click.option(
    "--sentences",
    type=click.IntRange(min=1),
    metavar="N",
    help="End a text with its Nth sentence end.  [default: 1; with --words, as many as words]",
)
@click.option(
    "--stop",
    multiple=True,
    metavar="TEXT",
    help="End a text after these words, which belong to it; repeatable.",
)
@click.option(
    "--temperature",
    type=FiniteNumber(0),
    metavar="T",
    help="Divide the log probabilities by T before drawing: below 1, probable words become more probable; 0: "
    "always the most probable word.  [default: 1]",
)
@click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Draw only from the K most probable words.")
@click.option(
    "--top-p",
    type=FiniteNumber(0, 1, above_low=True),
    metavar="P",
    help="Draw only from the most probable words whose probabilities first sum to P.",
)
@click.option(
    "--min-p",
    type=FiniteNumber(0, 1),
    metavar="P",
    help="Draw only from words that have at least P times the probability of the most probable one.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**32 - 1),
    metavar="N",
    help="Seed of the random numbers; the same seed gives the same texts.  [default: a random seed, which jsonl "
    "has]",
)
@click.option(
    "--beam",
    type=click.IntRange(min=1),
    metavar="K",
    help="Draw nothing; search for the most probable texts with a beam of K texts.",
)
@click.option(
    "--no-repeat-ngram",
    type=click.IntRange(min=1),
    metavar="N",
    help="Never repeat N words of a sentence in a text, the prompt included.",
)
@click.option("--tokens", is_flag=True, help="Print tokens with spaces between them.  [default: as people write]")
@click.option("--stream", is_flag=True, help="Print each word as it comes, one text after the other.")
@click.option(
    "--format",
    type=click.Choice(GENERATED_FORMATS),
    help="See Formats above.  [default: plain]",
)
@json_option
@header_option
@encoding_options
@message_options
@pass_messages
def generate(
    messages: Messages,
    /,
    prompts: tuple[str, ...],
    model: str | None,
    file: str | None,
    samples: int,
    words: int | None,
    sentences: int | None,
    stop: tuple[str, ...],
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    seed: int | None,
    beam: int | None,
    no_repeat_ngram: int | None,
    tokens: bool,
    stream: bool,
    format: str | None,
    header: bool,
    encoding: str,
    errors: str,
) -> None:
    """Continue each PROMPT with words that the model draws, up to the end of the sentence.

    Without PROMPT, prompts are read from standard input, one on each line. Each is answered as soon as it arrives.
    On a terminal, a text without a prompt is generated. A prompt starts a sentence. If -m is not given and the
    first PROMPT is the folder of a model, it names the model.

    The text is printed as people write it, and starts with the prompt. <unk> is never generated: its probability
    is left out, and the others are renormalised. docs/generate.md defines the options.

    \b
    Formats:
        plain   the text, a line for each sentence; a blank line between texts
                if they may have several sentences
        tsv     line, sample, natural log of the probability, ended_by, text
        jsonl   line, sample, prompt, oov, text, tokens (of the continuation),
                logprob (natural log), ended_by (words, sentences, stop or
                dead end), seed

    \b
    Example:
        lmctl generate "the cat sat on"
        lmctl generate -n 5 --temperature 0.8 --top-p 0.95 --seed 1 "she opened"
        lmctl generate -m models/news --stream --words 200 ""
    """
    drawing = {"--temperature": temperature, "--top-k": top_k, "--top-p": top_p, "--min-p": min_p, "--seed": seed}
    check_beam(beam, drawing)
    if stream and beam is not None:
        raise click.UsageError("--stream and --beam contradict each other: a search is certain only at its end")
    if stream and format in ("tsv", "jsonl"):
        raise click.UsageError(f"--stream prints plain text, got --format {format}; leave out one of them")
    model, prompts = model_and_texts(model, prompts)
    if not prompts and file is None and (sys.stdin is None or sys.stdin.isatty()):
        prompts = ("",)
    check_queries(prompts, file, "prompts", "PROMPT")
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.generated import GeneratedPrinter
    from lmctl.query.generation import TextGenerator
    from lmctl.query.model import load_named
    from lmctl.query.sampling import Sampling
    from lmctl.text.sources import STDIN

    generator = TextGenerator(
        load_named(model),
        samples=samples,
        words=words,
        sentences=sentences,
        sampling=Sampling(
            1.0 if temperature is None else temperature,
            top_k,
            1.0 if top_p is None else top_p,
            0.0 if min_p is None else min_p,
        ),
        beam=beam,
        seed=seed,
        stop=stop,
        no_repeat_ngram=no_repeat_ngram,
        tokens=tokens,
    )
    has_one_sentence = sentences == 1 or (sentences is None and words is None)
    printer = GeneratedPrinter(format or "plain", header=header, blank_lines=not has_one_sentence)
    # Drawing for each of many lines would cost more than most texts.
    messages = replace(messages, live=messages.live and bool(prompts))
    source = "PROMPT" if prompts else f"{'standard input' if file in (None, STDIN) else file}: line"
    for batch in arriving_queries(
        prompts, file, encoding=encoding, errors=errors, long_lines="refuse", argument="PROMPT"
    ):
        read, error = _read(generator, batch, source)
        if error is not None and prompts:
            # A mistake in the command line is reported before any text.
            raise click.UsageError(str(error))
        if stream:
            for prompt in read:
                for sample in range(1, samples + 1):
                    printer.stream(generator.stream(prompt, sample))
        else:
            batches = generator.generate(read)
            while True:
                with showing_activity(messages, "generating"):
                    texts = next(batches, None)
                if texts is None:
                    break
                printer.print(texts)
        if error is not None:
            raise error
    printer.end()


def check_beam(beam: int | None, drawing: dict[str, float | None]) -> None:
    """Refuse a beam search together with options that have a meaning only if words are drawn.

    Args:
        beam: the value of --beam.
        drawing: the values of these options, by their names.
    """
    given = [name for name, value in drawing.items() if value is not None]
    if beam is not None and given:
        raise click.UsageError(
            f"--beam and {given[0]} contradict each other: a beam search draws nothing; leave out one of them"
        )


def _read(generator: TextGenerator, batch: list[str], source: str) -> tuple[list[Prompt], DataError | None]:
    """Return the prompts of a batch up to the first one that cannot be read, and the error of that one."""
    read: list[Prompt] = []
    for text in batch:
        try:
            read.append(generator.read(text))
        except DataError as error:
            return read, DataError(f"{source} {generator.prompts + 1}: {error}")
    return read, None
