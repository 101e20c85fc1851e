"""For the tests of prepared corpora: a corpus of texts that a test gives."""

import contextlib

import pytest

from lmctl.corpus.choosing import VocabularyRules
from lmctl.corpus.chunks import SplitRules
from lmctl.corpus.counts import SourceRecord
from lmctl.corpus.preparation import prepare_corpus
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.source_chunks import SourceChunk
from lmctl.text.tokenization import Tokenizer


def prepare_texts(
    folder,
    *texts,
    valid=None,
    segmenter="space",
    form="nfc",
    lowercase=False,
    stop_words=(),
    strip_tags=False,
    blank_lines="drop",
    fraction=0.0,
    size=None,
    min_count=1,
    words=None,
    known=None,
    grow=False,
    keep=False,
    compare=False,
):
    """Prepare a corpus; each of `texts` is a chunk of its own, and `valid` a text to validate on."""
    first = "hash" if fraction else "train"
    chunks = [
        (SourceChunk("text", text.encode(), "utf-8", "strict", 1, 0), split)
        for text, split in [(text, first) for text in texts] + [(valid, "valid")] * (valid is not None)
    ]
    records = [SourceRecord(name="text", split="train", bytes=0, sha256="", sentences=0)]
    if valid is not None:
        records.append(SourceRecord(name="held out", split="valid", bytes=0, sha256="", sentences=0))
    tokenizer = Tokenizer(
        Normalization(form, lowercase), make_segmenter(segmenter), frozenset(stop_words), strip_tags
    )
    return prepare_corpus(
        chunks,
        folder,
        SplitRules(tokenizer, blank_lines, fraction, compare),
        VocabularyRules(
            size,
            min_count,
            words,
            None if known is None else {word: number for number, word in enumerate(known)},
            grow,
            keep,
        ),
        workers=lambda _scratch: contextlib.nullcontext(map),
        sources=lambda _sentences: records,
        training_text="text",
        validation_text="held out",
    )


@pytest.fixture(scope="session")
def prepare():
    """`prepare(folder, *texts, ...)`: see `prepare_texts`."""
    return prepare_texts
