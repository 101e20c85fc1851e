"""Next-word queries with common beginnings: read apart, and with what they have in common read once.

python -m benchmarks.common_beginnings models/news valid.txt
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lmctl
from lmctl.query.batching import batches_by_length, read_side_by_side
from lmctl.query.context_reader import ContextReader
from lmctl.query.prediction import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from lmctl.query.model import Model

# Lines that `lmctl predict` answers together, if they are in a file.
LINES_AT_ONCE = 256


class ApartReader(ContextReader):
    """Reads every context from its start, side by side with contexts of similar length."""

    def read(self, contexts: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Any]]:
        """See `ContextReader.read`."""
        for places in batches_by_length([len(context) for context in contexts]):
            state = self._language_model.null_state(len(places))
            yield places, read_side_by_side(self._language_model, state, [contexts[place] for place in places])


def main() -> None:
    """Print a row for each kind of queries: CPU seconds both ways, the ratio, and the memory of the states."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path, help="text from which contexts are taken; words between white space")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--beginning", type=int, default=100, help="words of a common beginning")
    parser.add_argument("--ending", type=int, default=5, help="words of a context after the common beginning")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-k", type=int, default=5, help="words in an answer")
    arguments = parser.parse_args()
    words = arguments.text.read_text(encoding="utf-8").split()
    queries, beginning, ending = arguments.queries, words[: arguments.beginning], arguments.ending
    growing = [" ".join(words[:length]) for length in range(1, queries + 1)]
    starts = range(len(beginning), len(beginning) + queries * ending, ending)
    parted = [" ".join([*beginning, *words[start : start + ending]]) for start in starts]
    strangers = [" ".join(words[start : start + 20]) for start in starts]
    model = lmctl.load(arguments.model)
    print("contexts\tin a call\tapart, CPU s\tshared, CPU s\tratio\tstates, MB")
    for name, contexts in (
        ("a text that grows by a word", growing),
        (f"{len(beginning)} words in common, {ending} of their own", parted),
        ("20 words, none in common", strangers),
    ):
        for lines in (LINES_AT_ONCE, 1):
            _compare(model, name, contexts, lines, arguments.rounds, arguments.k)


def _compare(model: Model, name: str, contexts: Sequence[str], lines: int, rounds: int, k: int) -> None:
    seconds: dict[type[ContextReader], list[float]] = {ApartReader: [], ContextReader: []}
    answers = []
    for _ in range(rounds):
        for kind, times in seconds.items():
            # A new reader has no states of earlier rounds.
            model.contexts = kind(model.language_model)
            predictor = Predictor(model, k=k)
            began = time.process_time()
            found = [predictor.answer(contexts[first : first + lines]) for first in range(0, len(contexts), lines)]
            times.append(time.process_time() - began)
            answers.append(found)
    if any(found != answers[0] for found in answers):
        raise SystemExit(f"{name}: the answers differ")
    apart, shared = (statistics.median(times) for times in seconds.values())
    stored = model.contexts.store.bytes / 1e6
    print(f"{name}\t{lines}\t{apart:.2f}\t{shared:.2f}\t{apart / shared:.1f}\t{stored:.1f}", flush=True)


if __name__ == "__main__":
    main()
