"""`lmctl embed`."""

from __future__ import annotations

import click

from lmctl.cli.options import (
    encoding_options,
    header_option,
    json_option,
    message_options,
    model_option,
    queries_option,
)
from lmctl.cli.queries import arriving_queries, check_queries, model_and_texts
from lmctl.cli.vectors import FORMATS


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@model_option
@queries_option("texts")
@click.option(
    "--words",
    "of_words",
    is_flag=True,
    help="Print the vectors of words: of each TEXT, or line of FILE, or else of the whole vocabulary.  [default: "
    "vectors of sentences]",
)
@click.option("--format", type=click.Choice(FORMATS), help="See Formats above.  [default: tsv]")
@json_option
@header_option
@encoding_options
@message_options
def embed(
    texts: tuple[str, ...],
    model: str | None,
    file: str | None,
    of_words: bool,
    format: str | None,
    header: bool,
    encoding: str,
    errors: str,
) -> None:
    """Print a vector for each sentence or word, one on each line.

    The vector of a sentence is the mean of the model's features after each of its words, or at each word if the
    model fills gaps. If the model encodes whole sentences, it is the code of the sentence. Without TEXT, sentences
    are read from standard input, one on each line. If -m is not given and the first TEXT is the folder of a model,
    it names the model.

    The vectors of words are those of the input of a network. A mixture has the vectors and features of its first
    member that has any. N-grams have none.

    \b
    Formats (nine significant digits):
        tsv       word, or line and text; then the numbers of the vector
        jsonl     word, or line, text and oov; vector
        word2vec  the text format of word2vec, which gensim reads; for
                  sentences, the number of the line stands for the word

    \b
    Example:
        lmctl embed -m models/news --words --format word2vec > vectors.txt
        lmctl embed -m models/news --words king queen
        lmctl embed -m models/news < sentences.txt
    """
    model, texts = model_and_texts(model, texts)
    if file is not None or texts or not of_words:
        check_queries(texts, file, "words" if of_words else "sentences")
    from lmctl.cli.vectors import SentencePrinter, print_words
    from lmctl.query.model import load_named
    from lmctl.query.vectors import SentenceEncoder, known_words, word_vectors

    opened = load_named(model)
    if of_words:
        vectors = word_vectors(opened)
        ids = dict(zip(opened.vocabulary.words, range(len(vectors)), strict=True))
        if texts or file is not None:
            batches = arriving_queries(texts, file, encoding=encoding, errors=errors, long_lines="refuse")
            ids = known_words(opened, (word for batch in batches for word in batch if word.strip()))
        print_words(list(ids), vectors[list(ids.values())], format or "tsv", header=header)
        return
    encoder = SentenceEncoder(opened)
    printer = SentencePrinter(format or "tsv", encoder.width, header=header)
    for batch in arriving_queries(texts, file, encoding=encoding, errors=errors, long_lines="refuse"):
        printer.print(encoder.encode(batch))
    printer.end()
