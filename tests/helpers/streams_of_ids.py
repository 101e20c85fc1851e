"""Sentences of an id stream, in words."""

import numpy as np

END = 1
FOUR_SENTENCES = "我爱编程。\n编程是一种艺术。\n艺术是人类创造的。\n创造是人类的天赋。\n"


def sentences(corpus, stream):
    """The words of each sentence of a stream."""
    stream = np.asarray(stream)
    parts = np.split(stream, np.flatnonzero(stream == END) + 1)
    assert len(parts[-1]) == 0
    return [" ".join(corpus.vocabulary.decode(part[:-1].tolist())) for part in parts[:-1]]
