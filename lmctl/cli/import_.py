"""`lmctl import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmctl.cli.key_options import given_keys, tokenizer_options
from lmctl.cli.options import configuration_options, message_options, output_model_option, pass_messages
from lmctl.cli.parameters import PathName

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.cli.output import Messages


@click.command(name="import")
@click.argument("file", type=PathName(), metavar="FILE|-")
@output_model_option("Folder of the model; it is made if it is missing.")
@tokenizer_options
@click.option("--unk", metavar="WORD", help="Unknown word of the file.  [default: <unk>, <UNK> or !!UNK]")
@click.option(
    "--bos", metavar="WORD", help="Word of the file that starts a sentence.  [default: <s>, or !ENTER of HTK]"
)
@click.option(
    "--eos", metavar="WORD", help="Word of the file that ends a sentence.  [default: </s>, or !EXIT of HTK]"
)
@click.option(
    "--encoding", metavar="NAME", help="Character encoding of the file, such as gb18030.  [default: utf-8]"
)
@click.option(
    "-i",
    "--positive-log-probability",
    "positive",
    is_flag=True,
    help="Read log probabilities above 0 as 0, as build_binary -i of KenLM does.  [default: refuse the file]",
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
    """Publish the n-gram model of an ARPA file, and print its path.

    FILE may come from SRILM, KenLM, IRSTLM, MITLM, HTK, the CMU toolkits or phonetisaurus, and have n-grams of up
    to 20 words; .gz, .bz2, .xz and .zst are decompressed; - is standard input. `<s>` becomes the context from
    which a sentence starts. If FILE has no `<unk>`, unknown words get log10 probability -100, as in KenLM.

    An ARPA file does not record how its text was segmented. Give the options of segmentation here, so that queries
    are segmented in the same way.

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
