"""Next-word queries of a model in memory: time of one query, and throughput of batches.

python -m benchmarks.queries models/news valid.txt
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import lmctl
from benchmarks.processes import peak_rss_bytes
from lmctl.query.context_reader import ContextReader
from lmctl.query.prediction import Predictor
from lmctl.query.prefixes import Prefixes, PrefixPredictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.base import LanguageModel
    from lmctl.query.model import Model

SEED = 1
WARM_UP_CALLS = 20


def main() -> None:
    """Print rows for `Model.predict`, for an unfinished word, for one more word, and for each size of batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path, help="text from which contexts are taken; words between white space")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--words", type=int, default=20, help="words of a context")
    parser.add_argument("-k", type=int, default=5, help="words in an answer")
    parser.add_argument("--batches", type=int, nargs="*", default=[64, 1000], help="contexts in one call")
    arguments = parser.parse_args()
    sampled = sample_contexts(arguments.text, arguments.queries + WARM_UP_CALLS, arguments.words)
    contexts, others = sampled[: arguments.queries], sampled[arguments.queries :]
    model = lmctl.load(arguments.model)
    encoded = [model.encode(context).token_ids for context in contexts]
    print("contexts in a call\tcalls\tp50 ms\tp99 ms\tcontexts/s\tpeak RSS so far")
    for context in others:
        model.predict(context, k=arguments.k)
    seconds = []
    for context in contexts:
        began = time.perf_counter()
        model.predict(context, k=arguments.k)
        seconds.append(time.perf_counter() - began)
    _print_row("1", seconds, len(contexts))
    _print_row("1, last word unfinished", unfinished(model, contexts, arguments.k), len(contexts))
    _print_row("1, one more word", one_more_word(model.language_model, encoded, arguments.k), len(contexts))
    predictor = Predictor(model, k=arguments.k)
    for size in arguments.batches:
        predictor.answer(others)
        forget_states(model)
        seconds = []
        for first in range(0, len(contexts), size):
            began = time.perf_counter()
            predictor.answer(contexts[first : first + size])
            seconds.append(time.perf_counter() - began)
        _print_row(str(size), seconds, len(contexts))


def sample_contexts(text: Path, contexts: int, length: int) -> list[str]:
    """Sequences of `length` words from random places in a text, the same ones in each run."""
    words = text.read_text(encoding="utf-8").split()
    starts = np.random.default_rng(SEED).integers(len(words) - length + 1, size=contexts).tolist()
    return [" ".join(words[start : start + length]) for start in starts]


def forget_states(model: Model) -> None:
    """Read all contexts anew. Otherwise those that were read before are answered from the states after them."""
    model.contexts = ContextReader(model.language_model)


def unfinished(model: Model, contexts: Sequence[str], k: int) -> list[float]:
    """Seconds of completing the last word of each context, of which two characters are there."""
    predictor = PrefixPredictor(model, prefixes=Prefixes(model.vocabulary.words), k=k)
    seconds = []
    for context in contexts:
        before, _, last = context.rpartition(" ")
        began = time.perf_counter()
        predictor.answer([f"{before} {last[:2]}"])
        seconds.append(time.perf_counter() - began)
    return seconds


def one_more_word(model: LanguageModel[Any], contexts: Sequence[list[int]], k: int) -> list[float]:
    """Seconds of reading the last word of each context and ranking the next ones; the others were read before."""
    seconds = []
    for context in contexts:
        token_ids = np.array(context)[:, None]
        state = model.advance(model.initial_state(1), token_ids[:-1])
        began = time.perf_counter()
        model.top_k(model.advance(state, token_ids[-1:]), k)
        seconds.append(time.perf_counter() - began)
    return seconds


def _print_row(size: str, seconds: Sequence[float], contexts: int) -> None:
    median, slow = 1000 * np.percentile(seconds, [50, 99])
    print(
        f"{size}\t{len(seconds)}\t{median:.2f}\t{slow:.2f}\t{contexts / sum(seconds):,.0f}\t"
        f"{peak_rss_bytes(os.getpid()) / 1e6:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
