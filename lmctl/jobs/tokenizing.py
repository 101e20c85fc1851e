"""The tokenizer of a text: the segmenter that is configured or suits a sample, and the words of the user."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lmctl.errors import DataError, UsageError, quoted
from lmctl.text.detection import detect, share_without_words
from lmctl.text.formats import TextFormat
from lmctl.text.literals import as_token
from lmctl.text.normalization import Normalization
from lmctl.text.sampling import SampledSources
from lmctl.text.segmentation import make_segmenter
from lmctl.text.sources import read_pieces
from lmctl.text.tokenization import Tokenizer
from lmctl.text.user_dictionary import encode_user_dictionary, normalized, parse_user_dictionary, remarks
from lmctl.text.word_lists import read_list_lines, read_word_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmctl.config import TextConfig
    from lmctl.text.detection import Detection
    from lmctl.text.segmentation import Segmenter

    # From a path and its name in messages, the bytes of a source.
    ReadPieces = Callable[[str, str], Iterator[bytes]]

logger = logging.getLogger(__name__)

# A text with more kana or South-East Asian characters than this is not one that has a foreign word here and there.
MOST_WITHOUT_WORDS = 0.05
# Models of a million pieces have some 30 MB.
LARGEST_SUBWORD_MODEL_BYTES = 256 << 20
# Words of a user dictionary that are looked for, to warn of those that cannot be found; more would take seconds.
MOST_WORDS_TRIED = 20_000

# For each reason of a choice by `auto`. Shown on a terminal only: nothing is wrong, and cron should not send a
# mail each night.
_CHOICES = {
    "chinese": "the text is Chinese, so jieba cuts it into words",
    "cut_chinese": (
        "the text is Chinese cut into words already, so it is cut at white space; "
        "--segmenter jieba would cut its words again"
    ),
    "mixed": "a part of the text is Chinese, so its words are cut apart (--segmenter words)",
    "unspaced": "the text has sentences without spaces, so its words are cut apart (--segmenter words)",
    "joined_punctuation": (
        "words end in punctuation marks, such as %s, so words and punctuation are cut apart (--segmenter words)"
    ),
    "separate_punctuation": "punctuation marks stand alone, so the text is cut at white space (--segmenter space)",
    "plain": "the text has no punctuation at its words, so it is cut at white space (--segmenter space)",
}


def choose_segmenter(sources: Sequence[str], text: TextConfig) -> tuple[str, ReadPieces]:
    """The configured segmenter, or for `auto` the one that suits a sample; and a reader of the sources.

    The reader gives the sources from their beginning, also a pipe that was sampled. `auto` tells its choice.
    Warnings describe a text whose words are too long, which jieba would cut again, or whose words `words` does not
    know. `space`, `char` and `sentencepiece` give no warning.
    """
    if text.segmenter in ("space", "char", "sentencepiece"):
        return text.segmenter, read_pieces
    sampled = SampledSources(sources, text.encoding, text.errors, format_of(text))
    sample = sampled.text()
    found = detect(sample)
    name = found.segmenter if text.segmenter == "auto" else text.segmenter
    # If bytes are bad, reading will fail there; messages about the rest of the sample would mislead.
    if sampled.is_text or text.errors != "strict":
        _tell(text.segmenter, found)
        if name == "words":
            _warn_of_clusters(sample)
    return name, sampled.pieces


def _tell(segmenter: str, found: Detection) -> None:
    """Tell the choice of `auto`, and warn of text that does not suit the segmenter."""
    if segmenter == "jieba" and found.reason == "cut_chinese":
        logger.warning(
            "the text is Chinese cut into words already, and jieba cuts its words again; "
            "--segmenter space leaves them as they are"
        )
    elif segmenter == "auto" and found.reason == "long_words":
        logger.warning(
            "most of the text stands in words of more than 30 characters: a model can only learn them whole. "
            "--segmenter char makes each character a word, or separate the words by spaces first "
            "(--segmenter space takes the text as it is, without this warning)"
        )
    elif segmenter == "auto":
        logger.info(_CHOICES[found.reason], *([quoted(found.example)] if found.example else []))


def _warn_of_clusters(sample: str) -> None:
    """Warn if a good part of the text is cut into single characters."""
    share, example = share_without_words(sample)
    if share > MOST_WITHOUT_WORDS:
        logger.warning(
            "%.0f %% of the characters are of scripts without spaces whose words lmctl does not know, such as %s: "
            "each of them is a word for the model; to have longer words, cut the text first, and use "
            "--segmenter space",
            100 * share,
            quoted(example),
        )


def format_of(text: TextConfig) -> TextFormat:
    """The format of the configured texts."""
    return TextFormat(text.field, text.column, text.line)


def make_tokenizer(text: TextConfig, name: str, trained_model: bytes | None = None) -> Tokenizer:
    """The configured tokenizer.

    Args:
        text: the section `text` of the configuration.
        name: name of the segmenter, never `auto`.
        trained_model: for sentencepiece: a model that was trained; None: `text.model_file` is read.

    Raises:
        LmctlError: a file of the user cannot be read, or the segmenter cannot be made from it.
    """
    normalization = Normalization(text.normalize, text.lowercase)
    if name == "sentencepiece":
        segmenter = (
            _subword_segmenter(text) if trained_model is None else make_segmenter(name, model=trained_model)
        )
    elif text.user_dictionary is not None and name in ("words", "jieba"):
        segmenter = _with_user_dictionary(text.user_dictionary, name, text, normalization)
    else:
        if text.user_dictionary is not None:
            logger.warning(
                "the text is cut by %s, so text.user_dictionary is not used; text.segmenter: jieba would use it",
                name,
            )
        segmenter = make_segmenter(name, text.engine)
    return Tokenizer(
        normalization,
        segmenter,
        frozenset() if text.stop_words is None else frozenset(read_list(text.stop_words, text)),
        strip_tags=text.sentence_tags == "strip",
    )


def _subword_segmenter(text: TextConfig) -> Segmenter:
    """The segmenter sentencepiece with the model `text.model_file`."""
    if text.model_file is None:
        raise UsageError(
            "text.segmenter: sentencepiece needs text.model_file here, since there is no text to learn pieces from"
        )
    content = bytearray()
    for piece in read_pieces(text.model_file, text.model_file):
        content += piece
        if len(content) > LARGEST_SUBWORD_MODEL_BYTES:
            raise DataError(f"{text.model_file}: expected a SentencePiece model, got a file of more than 256 MiB")
    try:
        return make_segmenter("sentencepiece", model=bytes(content))
    except DataError as error:
        raise DataError(f"{text.model_file}: {error}") from None


def read_list(path: str, text: TextConfig) -> tuple[str, ...]:
    """A word list in the encoding of the text."""
    return read_word_list(path, encoding=text.encoding, errors=text.errors)


def _with_user_dictionary(path: str, name: str, text: TextConfig, normalization: Normalization) -> Segmenter:
    """The segmenter jieba or words with a user dictionary, whose words are normalized like the text."""
    lines = read_list_lines(path, encoding=text.encoding, errors=text.errors)
    words = normalized(parse_user_dictionary(lines, path), normalization, path)
    segmenter = make_segmenter(name, text.engine, encode_user_dictionary(words))
    literal = [word for word in words if not (word.is_joined if name == "jieba" else word.is_han)]
    lost = [word for word in words[:MOST_WORDS_TRIED] if segmenter.segment(word.word) != [as_token(word.word)]]
    for remark in remarks(words, literal, lost):
        logger.warning("%s: %s", path, remark)
    return segmenter
