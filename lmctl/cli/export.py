"""`lmctl export`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lmctl import families
from lmctl.cli.options import message_options, model_argument, pass_messages
from lmctl.cli.parameters import FiniteNumber, PathName
from lmctl.errors import joined
from lmctl.families.exporting import OF_EVERY_MODEL, ExportOptions

if TYPE_CHECKING:
    from lmctl.cli.output import Messages

_DEFAULTS = ExportOptions()


def _families_of_formats() -> str:
    """`arpa: models of family ngram; ...`."""
    of_families = [
        f"{format}: models of family {joined(families.families_of_format(format), 'or')}"
        for format in families.export_formats()
    ]
    return "; ".join([*of_families, f"{joined(list(OF_EVERY_MODEL))}: every model"]) + "."


@click.command()
@model_argument
@click.option(
    "--to",
    "format",
    type=click.Choice([*families.export_formats(), *OF_EVERY_MODEL]),
    required=True,
    help=f"Format of the file. {_families_of_formats()}",
)
@click.option(
    "-o",
    "--output",
    default="-",
    type=PathName(),
    metavar="FILE",
    help="File to write; it is compressed if its name ends in .gz, .bz2 or .xz.  [default: -, standard output]",
)
@click.option(
    "--unknown",
    metavar="WORD",
    help="arpa: spelling of the unknown word in the file; pocketsphinx reads only '<UNK>'.  "
    f"[default: {_DEFAULTS.unknown}]",
)
@click.option(
    "--prune-entropy",
    type=FiniteNumber(0),
    metavar="SHARE",
    help="arpa: leave out n-grams whose loss alone raises the perplexity by less than this share, such as 1e-7.  "
    "[default: none are left out]",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="K",
    help="onnx-step: also give the K most probable tokens of a step.",
)
@click.option(
    "--quantize",
    type=click.Choice(["int8"]),
    help="onnx, onnx-step: store weights as 8-bit integers with a scale for each row; a quarter of the size.",
)
@click.option(
    "--max-loss",
    type=FiniteNumber(0),
    metavar="SHARE",
    help="With --quantize: write nothing if the perplexity of the validation text rises by more than this share.  "
    f"[default: {_DEFAULTS.max_loss}]",
)
@message_options
@pass_messages
def export(messages: Messages, /, model: str | None, format: str, output: str, **given: Any) -> None:
    """Write a model in a format that other programs read.

    \b
    Formats:
        arpa        the text of n-gram models that KenLM, SRILM and IRSTLM
                    read
        onnx        a network that gives the negative log probability of
                    sentences: x (N, L), x_lens (N) -> nll (N)
        onnx-step   a network that reads on: x (N, L), states -> log_probs
                    (N, V), next states; states begin as zeros, and a
                    sentence begins with </s>
        keras       a .keras file of Keras's own layers
        litert      a .tflite file of one step, without TensorFlow's operators
        words       the words of the vocabulary, one on each line
        vocabulary  the same with <unk> and </s>; line n is token id n - 1
        word2vec    the vectors of words, as word2vec and gensim read them

    In arpa, the context `</s>`, from which a sentence starts, is written as `<s>`. Probabilities are log10; -99
    stands for a probability of 0. If these programs would misread a word, such as `<UNK>`, its first character is
    written as \\xNN; `lmctl import` reads it back. A mixture of n-gram models is written as one n-gram model
    (docs/ngrams.md).

    Before a network is written, onnxruntime, Keras or LiteRT reads the file, and its log probabilities of 1,000
    tokens of the validation text are compared with lmctl's own. docs/exchange.md describes inputs, outputs and
    metadata.

    MODEL is the folder of a model, MODEL@6 for its generation 6, or the folder of a bundle. By default it is
    $LMCTL_MODEL, else the only model under ./models.

    \b
    Example:
        lmctl export models/counts --to arpa -o counts.arpa.gz
        lmctl export models/counts --to arpa | build_binary /dev/stdin counts.bin
        lmctl export models/news --to onnx-step --top 5 -o news.onnx
        lmctl export models/news --to vocabulary -o news.txt
    """
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; write to a file with -o, or to a pipe")
    from lmctl.cli.activity import showing_activity
    from lmctl.jobs.export import export as job

    with showing_activity(messages, "opening"):
        job(model, format, output, {name: value for name, value in given.items() if value is not None})
