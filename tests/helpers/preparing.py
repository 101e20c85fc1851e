"""Texts to prepare, the configuration to prepare them with, and the words of a prepared corpus."""

from lmctl.config import Config, TextConfig, ValidationConfig, VocabularyConfig

ALICE = (
    "Alice was beginning to get very tired of sitting by her sister on the bank\n"
    "and of having nothing to do\n"
    "\n"
    "once or twice she had peeped into the book her sister was reading\n"
    "but it had no pictures or conversations in it\n"
    " \n"
    "and what is the use of a book thought Alice without pictures or conversations\n"
)
CHINESE = "我爱编程。\n编程是一种艺术。\n艺术是人类创造的。\n创造是人类的天赋。\n"


def config(*, text=None, vocabulary=None, fraction=0.0, file=None):
    return Config(
        text=TextConfig(**(text or {})),
        vocabulary=VocabularyConfig(**(vocabulary or {})),
        validation=ValidationConfig(fraction=fraction, file=None if file is None else str(file)),
    )


def words_of(corpus, stream):
    return " ".join(corpus.vocabulary.decode(stream.tolist()))
