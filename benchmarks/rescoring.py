"""Scoring lists of 100 hypotheses by their common beginnings, and each hypothesis alone.

    python -m benchmarks.rescoring models/news test.txt

A list has a sentence of the text and variants of it: one to three of its words, at random places, are replaced by
frequent words of the vocabulary.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import lmctl
from lmctl.query.hypotheses import score_hypotheses

SEED = 1
ROUNDS = 3
# A sentence of at least and at most this many words.
SHORTEST, LONGEST = 10, 30
# Words that replace others are among the most frequent ones.
REPLACEMENTS = 200


def main() -> None:
    """Print a row for each way to score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path)
    parser.add_argument("--lists", type=int, default=10)
    parser.add_argument("--size", type=int, default=100, help="hypotheses in a list")
    arguments = parser.parse_args()
    model = lmctl.load(arguments.model)
    generator = np.random.default_rng(SEED)
    sentences = [line.split() for line in arguments.text.read_text(encoding="utf-8").splitlines()]
    sentences = [words for words in sentences if SHORTEST <= len(words) <= LONGEST][: arguments.lists]
    frequent = model.vocabulary.words[2 : 2 + REPLACEMENTS]
    lists = [variants(words, frequent, arguments.size, generator) for words in sentences]
    count = sum(map(len, lists))
    together, alone = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for hypotheses in lists:
            score_hypotheses(model, hypotheses)
        together.append(time.perf_counter() - began)
        began = time.perf_counter()
        for hypotheses in lists:
            for hypothesis in hypotheses:
                model.score(hypothesis)
        alone.append(time.perf_counter() - began)
    print("hypotheses\tms each\tratio")
    for name, seconds in (("each alone", alone), ("by common beginnings", together)):
        print(f"{name}\t{1000 * np.median(seconds) / count:.3f}\t{np.median(alone) / np.median(seconds):.1f}")


def variants(words: list[str], frequent: tuple[str, ...], size: int, generator: np.random.Generator) -> list[str]:
    """A sentence, and variants of it that all differ."""
    found = {" ".join(words): None}
    while len(found) < size:
        changed = list(words)
        for place in generator.integers(len(words), size=generator.integers(1, 4)).tolist():
            changed[place] = frequent[generator.integers(len(frequent))]
        found[" ".join(changed)] = None
    return list(found)


if __name__ == "__main__":
    main()
