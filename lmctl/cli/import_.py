"""`lmctl import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmctl.cli.key_options import given_keys, tokenizer_options
from lmctl.cli.options import configuration_options, message_options, output_model_option, pass_messages

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.cli.output import Messages


@click.command(name="import")
@click.argument("file", metavar="FILE|-")
@output_model_option("The model's folder.")
@tokenizer_options
@click.option("--unk", metavar="WORD", help="The file's unknown word.  [default: <unk>, <UNK> or !!UNK]")
@click.option("--bos", metavar="WORD", help="Its start of a sentence.  [default: <s>, or HTK's !ENTER]")
@click.option("--eos", metavar="WORD", help="Its end of a sentence.  [default: </s>, or HTK's !EXIT]")
@click.option("--encoding", metavar="NAME", help="Encoding of its words, such as gb18030.  [default: utf-8]")
@click.option(
    "-i",
    "--positive-log-probability",
    "positive",
    is_flag=True,
    help="Take log probabilities above 0 as 0, as KenLM's build_binary -i does.",
)
@configuration_options
@message_options
@pass_messages
def import_(
    messages: Messages,
    /,
    file: str,
    output: Path,
    config_files: tuple[str, ...],
    assignments: tuple[str, ...],
    unk: str | None,
    bos: str | None,
    eos: str | None,
    encoding: str | None,
    positive: bool,
    **flags: object,
) -> None:
    """Publish the n-gram model of an ARPA file (.arpa, or compressed), and print its path.

    Any file will do that SRILM, KenLM, IRSTLM, MITLM, HTK, the CMU toolkits or phonetisaurus wrote, with n-grams
    of up to 20 words. `<s>` becomes the context that a sentence starts from. If there is no `<unk>`, an unknown
    word has log10 probability -100, as KenLM has it. An ARPA file does not say how its text was cut into words:
    say it here, so that queries are cut alike.

    \b
    Example:
        lmctl import counts.arpa.gz -o models/counts
        lmctl import zh.arpa -o models/zh --segmenter jieba
        lmctl import htk.lm -o models/htk --unk '!!UNK'
    """
    from lmctl.cli.output import echo
    from lmctl.cli.progress import reading_progress
    from lmctl.config import read_settings
    from lmctl.families.arpa.importing import ArpaReading
    from lmctl.families.arpa.words import SpecialWords
    from lmctl.jobs.import_ import import_arpa

    settings = read_settings(config_files, assignments, given_keys(flags))
    reading = ArpaReading(encoding or "utf-8", positive, SpecialWords(unk, bos, eos))
    with reading_progress(messages, [file], after="making the model") as on_bytes:
        published = import_arpa(file, output, settings, reading, on_bytes)
    echo(str(published))
