"""For the tests of n-gram models: the entries of a model's tables, in words, and of an ARPA text."""

import math

import numpy as np
import pytest


def _spelled(vocabulary, tables, order):
    """The n-grams of an order in words, with `<s>` for `</s>` in front."""
    rows = tables.words(order, np.arange(tables.sizes.ngrams[order - 1])).tolist()
    names = [vocabulary.decode(row) for row in rows]
    return [" ".join(["<s>" if order > 1 and name[0] == "</s>" else name[0], *name[1:]]) for name in names]


@pytest.fixture(scope="session")
def entries():
    """`entries(vocabulary, tables)`: for each n-gram its log10 probability and back-off, as ARPA has it."""

    def of(vocabulary, tables):
        found = {}
        for order in range(1, tables.sizes.order + 1):
            log_probs = (tables.log_probs[order].astype(float) / math.log(10)).tolist()
            backoffs = [0.0] * len(log_probs)
            if order < tables.sizes.order:
                backoffs = (tables.backoffs[order].astype(float) / math.log(10)).tolist()
            for name, *values in zip(_spelled(vocabulary, tables, order), log_probs, backoffs, strict=True):
                found[name] = tuple(values)
        return found

    return of


@pytest.fixture(scope="session")
def arpa_entries():
    """`arpa_entries(text)`: the same of the lines of an ARPA text; the back-off of `<s>` is given to `</s>`."""

    def of(text):
        found, start = {}, 0.0
        for line in text.splitlines():
            log_prob, name, *backoff = line.split("\t")
            if name == "<s>":
                start = float(backoff[0]) if backoff else 0.0
            else:
                found[name] = float(log_prob), float(backoff[0]) if backoff else 0.0
        found["</s>"] = found["</s>"][0], start
        return found

    return of
