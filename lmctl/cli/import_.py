"""`lmctl import`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmctl.cli.options import configuration_options, given_keys, message_options, output_model_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command(name="import")
@click.argument("file", metavar="FILE|-")
@output_model_option("The model's folder.")
@click.option(
    "--segmenter",
    type=click.Choice(["auto", "space", "jieba", "char"]),
    help="How queries are cut into words; auto: by the words of the file.  [text.segmenter]",
)
@click.option("--user-dict", metavar="FILE", help="Words for jieba.  [text.user_dictionary]")
@click.option("--normalize", type=click.Choice(["nfc", "nfkc", "none"]), help="Unicode form.  [text.normalize]")
@click.option("--lowercase", is_flag=True, default=None, help="Lower-case queries.  [text.lowercase]")
@configuration_options
@message_options
def import_(
    file: str,
    output: Path,
    config_files: tuple[str, ...],
    assignments: tuple[str, ...],
    messages: object,  # noqa: ARG001
    **flags: Any,
) -> None:
    """Publish the n-gram model of an ARPA file (.arpa, or compressed), and print its path.

    Any file will do that SRILM, KenLM or IRSTLM wrote. `<s>` becomes the context that a sentence starts from, and
    where there is no `<unk>`, an unknown word has log10 probability -100, as KenLM has it. An ARPA file does not
    say how its text was cut into words: say it here, so that queries are cut alike.

    \b
    Example:
        lmctl import counts.arpa.gz -o models/counts
        lmctl import zh.arpa -o models/zh --segmenter jieba
    """
    from lmctl.cli.output import echo
    from lmctl.config import read_settings
    from lmctl.jobs.arpa import import_arpa

    settings = read_settings(config_files, assignments, given_keys(flags))
    echo(str(import_arpa(file, output, settings)))
