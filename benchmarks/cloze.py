"""Gaps at random places of a text: the share of gaps whose first answer is the word of the text.

Gaps are answered one by one.

python -m benchmarks.cloze models/news test.txt
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import lmctl
from benchmarks.queries import forget_states
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.query.filling import Filler
from lmctl.query.prediction import Predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.corpus.vocabulary import Vocabulary

BLANK = "[GAP]"


class Gap(NamedTuple):
    """A gap in a sentence.

    Attributes:
        left: the text before it.
        right: the text after it.
        word: the word of the text in the gap.
    """

    left: str
    right: str
    word: str


def main() -> None:
    """Print a row for answers from both sides, and a row for answers from the left text alone.

    A model that fills gaps has no answers from the left text alone.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path, help="a sentence a line, words between white space")
    parser.add_argument("--gaps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="decides the gaps")
    parser.add_argument(
        "-k", type=int, default=5, help="also print the share of gaps whose word is among the first k"
    )
    parser.add_argument("--limit", type=int, help="largest number of candidates that are scored for a gap")
    arguments = parser.parse_args()
    model = lmctl.load(arguments.model)
    sentences = [line.split() for line in arguments.text.read_text(encoding="utf-8").splitlines()]
    gaps = random_gaps(model.vocabulary, sentences, arguments.gaps, arguments.seed)
    print(f"text read\taccuracy@1\taccuracy@{arguments.k}\texact\tcandidates scored\tms a gap")
    filler = Filler(model, k=arguments.k, blank=BLANK, limit=arguments.limit)
    began = time.perf_counter()
    filled = [filler.answer(f"{gap.left} {BLANK} {gap.right}") for gap in gaps]
    seconds = time.perf_counter() - began
    exact = np.mean([answer.exact for answer in filled])
    scored = np.mean([answer.scored for answer in filled])
    words = [[found.word for found in answer.predictions] for answer in filled]
    print(
        f"left and right\t{_accuracies(gaps, words)}\t{exact:.3f}\t{scored:.0f}\t{1000 * seconds / len(gaps):.1f}"
    )
    if model.gap_model is not None:
        return
    # The filler has read these texts.
    forget_states(model)
    predictor = Predictor(model, k=arguments.k)
    began = time.perf_counter()
    answers = [predictor.answer([gap.left])[0] for gap in gaps]
    seconds = time.perf_counter() - began
    words = [[found.word for found in answer.predictions] for answer in answers]
    print(f"left\t{_accuracies(gaps, words)}\t1.000\t\t{1000 * seconds / len(gaps):.1f}")


def random_gaps(vocabulary: Vocabulary, sentences: Sequence[list[str]], count: int, seed: int) -> list[Gap]:
    """Gaps at places that are drawn without replacement from all words of a text that are in the vocabulary.

    Args:
        vocabulary: the words that a model can answer.
        sentences: the words of each sentence.
        count: number of gaps; fewer if the text has fewer places.
        seed: decides the places.
    """
    places = [
        (number, place)
        for number, words in enumerate(sentences)
        for place, token_id in enumerate(vocabulary.encode(words))
        if token_id != UNKNOWN_ID
    ]
    chosen = np.random.default_rng(seed).choice(len(places), size=min(count, len(places)), replace=False)
    return [
        Gap(
            " ".join(sentences[number][:place]), " ".join(sentences[number][place + 1 :]), sentences[number][place]
        )
        for number, place in (places[index] for index in chosen)
    ]


def _accuracies(gaps: Sequence[Gap], answers: Sequence[Sequence[str]]) -> str:
    first = np.mean([gap.word in words[:1] for gap, words in zip(gaps, answers, strict=True)])
    among = np.mean([gap.word in words for gap, words in zip(gaps, answers, strict=True)])
    return f"{first:.3f}\t{among:.3f}"


if __name__ == "__main__":
    main()
