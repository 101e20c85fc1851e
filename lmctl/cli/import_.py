"""`lmctl import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmctl import families
from lmctl.cli.key_options import given_keys, tokenizer_options
from lmctl.cli.options import configuration_options, message_options, output_model_option, pass_messages
from lmctl.cli.parameters import EncodingName, PathName
from lmctl.errors import joined

if TYPE_CHECKING:
    from lmctl.cli.output import Messages

ARPA = "arpa"


def _suffixes() -> str:
    """`keras for .keras, .h5 and .hdf5, ...`."""
    return ", ".join(f"{name} for {joined(suffixes)}" for name, suffixes in families.import_formats().items())


@click.command(name="import")
@click.argument("file", type=PathName(), metavar="FILE|-")
@output_model_option("Folder of the model; it is made if it is missing.")
@click.option(
    "--from",
    "format",
    type=click.Choice([ARPA, *families.import_formats()]),
    help=f"Format of FILE.  [default: by its name: {_suffixes()}, else {ARPA}]",
)
@click.option(
    "--vocabulary",
    type=PathName(),
    metavar="FILE",
    help="keras, pytorch: the words of the network in the order of its token ids, one on each line. With one line "
    "fewer than the network has ids, id 0 is padding.",
)
@tokenizer_options
@click.option(
    "--unk", metavar="WORD", help="Unknown word of the file or of the list.  [default: a usual spelling]"
)
@click.option("--bos", metavar="WORD", help="arpa: word that starts a sentence.  [default: <s>, or !ENTER of HTK]")
@click.option(
    "--eos", metavar="WORD", help="Word that ends a sentence.  [default: a usual spelling, such as </s> or <eos>]"
)
@click.option(
    "--encoding",
    type=EncodingName(),
    metavar="NAME",
    help="arpa: character encoding, such as gb18030.  [default: utf-8]",
)
@click.option(
    "--positive-log-probs",
    type=click.Choice(["error", "zero"]),
    help="arpa: what to do about log probabilities above 0, which a bug of IRSTLM writes. error: refuse the file; "
    "zero: read them as 0, as KenLM's build_binary -i does.  [default: error]",
)
@configuration_options
@message_options
@pass_messages
def import_(
    messages: Messages,
    /,
    file: str,
    output: Path,
    format: str | None,
    vocabulary: str | None,
    config_files: tuple[str, ...],
    assignments: tuple[str, ...],
    unk: str | None,
    bos: str | None,
    eos: str | None,
    encoding: str | None,
    positive_log_probs: str | None,
    **flags: object,
) -> None:
    """Publish a model of another program, and print its path.

    An ARPA file has n-grams, of up to 20 words; it may come from SRILM, KenLM, IRSTLM, MITLM, HTK, the CMU
    toolkits or phonetisaurus. .gz, .bz2, .xz and .zst are decompressed; - is standard input. `<s>` becomes the
    context from which a sentence starts. If FILE has no `<unk>`, unknown words get log10 probability -100, as in
    KenLM. FILE may also be a trie of KenLM (build_binary trie), quantised or not, which is recognised by its first
    bytes. The hash tables of `build_binary probing` have no n-grams that could be read.

    A network has an embedding, LSTM layers and a softmax. FILE is a file of Keras, .keras or .h5, or the state
    dict of PyTorch's word-language-model example as a safetensors file. Nothing in it is run. It has no words, so
    --vocabulary gives them. If the list has no word for the unknown word or the end of a sentence, their
    probability is next to nothing.

    No file records how its text was segmented. Give the options of segmentation here, so that queries are
    segmented in the same way.

    \b
    Example:
        lmctl import counts.arpa.gz -o models/counts
        lmctl import zh.arpa -o models/zh --segmenter jieba
        lmctl import trie.binary -o models/counts
        lmctl import htk.lm -o models/htk --unk '!!UNK'
        lmctl import model.keras --vocabulary words.txt -o models/keras
    """
    from lmctl.cli.output import echo
    from lmctl.cli.progress import reading_progress
    from lmctl.config import read_settings
    from lmctl.families.arpa.importing import ArpaReading
    from lmctl.families.arpa.words import SpecialWords
    from lmctl.jobs.import_arpa import import_arpa
    from lmctl.jobs.import_network import import_network
    from lmctl.text.addresses import is_address
    from lmctl.text.file_types import described
    from lmctl.text.sources import check_sources

    settings = read_settings(config_files, assignments, given_keys(flags))
    of_suffixes = families.import_formats().items()
    format = format or next((name for name, ends in of_suffixes if Path(file).suffix.lower() in ends), ARPA)
    if format != ARPA:
        given = (("--bos", bos), ("--encoding", encoding), ("--positive-log-probs", positive_log_probs))
        for option, value in given:
            if value is not None:
                raise click.UsageError(f"{option}: only an ARPA file has it, and {file} is read as {format}")
        if file == "-" or is_address(file):
            place = "standard input" if file == "-" else f"{file}, an address; download it"
            raise click.UsageError(f"a network of {format} is read from a file, not from {place}")
        if vocabulary is None:
            check_sources([file])
            kind = described(Path(file))
            raise click.UsageError(
                f"{file}: {kind}{'and ' if kind else ''}has no words; give them with --vocabulary FILE"
            )
        echo(str(import_network(file, format, vocabulary, output, settings, unknown=unk, end=eos)))
        return
    if vocabulary is not None:
        raise click.UsageError(f"--vocabulary: an ARPA file has its words; {file} is read as one (--from)")
    reading = ArpaReading(encoding or "utf-8", positive_log_probs == "zero", SpecialWords(unk, bos, eos))
    with reading_progress(messages, [file], after="making the model") as on_bytes:
        published = import_arpa(file, output, settings, reading, on_bytes)
    echo(str(published))
