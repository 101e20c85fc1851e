"""Limits of a model's size and speed: parameters, bytes, and the time of a query.

A network is measured before it is trained, because neither its size nor its speed depends on the values of its
weights.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl.errors import UsageError, quoted
from lmctl.families import load_model
from lmctl.families.gap_model import GapModel
from lmctl.jobs.train.network_size import configured_parameters, configured_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.families.family import Runtime
    from lmctl.store.bundle import Bundle

FLOAT32_BYTES = 4
# A query reads a word and ranks the next ones. The first queries fill caches, so they are not timed.
UNTIMED_QUERIES, TIMED_QUERIES, RANKED_WORDS = 8, 200, 5

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+) ?([A-Za-zµ]*)", re.ASCII)
_COUNTS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
_BYTES = {"": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
# Name in --at-most -> the units of its values, and an example.
UNITS: dict[str, tuple[dict[str, float], str]] = {
    "parameters": (_COUNTS, "parameters=5M"),
    "bytes": (_BYTES, "bytes=20MB"),
    "p50": (_SECONDS, "p50=2ms"),
}


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The largest values that a model may have; None: there is no limit.

    Attributes:
        parameters: number of parameters.
        bytes: size of all files of the model's bundle.
        p50: median time of a query, in seconds: one more word is read, and the five most probable next words are
            found.
    """

    parameters: float | None = None
    bytes: float | None = None
    p50: float | None = None

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Limits:
        """Return the limits of texts such as `p50=2ms`.

        Raises:
            UsageError: a text is not of this form, or two texts limit the same.
        """
        found: dict[str, float] = {}
        for text in texts:
            name, equals, amount = text.partition("=")
            units, example = UNITS.get(name, ({}, ""))
            if not equals or not units:
                examples = ", ".join(example for _, example in UNITS.values())
                raise UsageError(f"--at-most: expected a limit such as {examples}, got {quoted(text)}")
            match = _AMOUNT.fullmatch(amount)
            factor = units.get(match[2]) if match is not None else None
            value = math.inf if match is None or factor is None else float(match[1]) * factor
            if not 0 < value < math.inf:
                known = ", ".join(unit or "none" for unit in units)
                raise UsageError(
                    f"--at-most {name}: expected a number above 0 with a unit ({known}), such as {example}; "
                    f"got {quoted(amount)}"
                )
            if name in found:
                raise UsageError(f"--at-most {name}: is given twice; leave one out")
            found[name] = value
        return cls(**found)

    def values(self) -> dict[str, float]:
        """Return the limits that there are, by name."""
        return {name: value for name in UNITS if (value := getattr(self, name)) is not None}

    def excess(self, figures: dict[str, float]) -> dict[str, float]:
        """Return by which share each figure exceeds its limit; negative if it is below."""
        limits = self.values()
        return {name: figure / limits[name] - 1 for name, figure in figures.items() if name in limits}

    def of_configured(self, corpus: PreparedCorpus, config: Config) -> dict[str, float]:
        """Return what is limited and is known of a network before it is trained, by name.

        The bytes are those of its parameters alone, which are less than those of its bundle.
        """
        if not config.family.trains_network:
            return {}
        parameters = configured_parameters(corpus, config)
        figures: dict[str, float] = {"parameters": parameters, "bytes": FLOAT32_BYTES * parameters}
        if self.p50 is not None:
            model = config.family.random_model(configured_sizes(corpus, config))
            figures["p50"] = median_query_seconds(model, corpus)
        return {name: figure for name, figure in figures.items() if getattr(self, name) is not None}

    def of_finished(self, bundle: Bundle, corpus: PreparedCorpus) -> dict[str, float]:
        """Return what is limited of a finished model, by name."""
        figures: dict[str, float] = {}
        if self.parameters is not None:
            figures["parameters"] = bundle.parameters()
        if self.bytes is not None:
            figures["bytes"] = sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file())
        if self.p50 is not None:
            figures["p50"] = median_query_seconds(load_model(bundle), corpus)
        return figures

    def check_family(self, config: Config) -> None:
        """Refuse a limit that models of the configured family do not have.

        Raises:
            UsageError: it is p50, and they fill gaps.
        """
        if self.p50 is not None and not config.family.predicts_next_word:
            raise UsageError(
                f"--at-most p50: needs a model that predicts the next word, and a model of family "
                f"{config.family.name} fills gaps; leave it out"
            )


def median_query_seconds(
    model: Runtime, corpus: PreparedCorpus, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the median time in which a model reads one more word of the validation text and ranks the next ones.

    Args:
        model: a model of the next word.
        corpus: its validation text is read.
        clock: a monotonic clock, in seconds.
    """
    if isinstance(model, GapModel):
        raise TypeError("a model that fills gaps has no next word")
    # A short text is read several times.
    words: Any = np.resize(corpus.valid.astype(np.int64), UNTIMED_QUERIES + TIMED_QUERIES)
    state = model.initial_state(1)
    seconds = []
    for word in words:
        began = clock()
        state = model.advance(state, np.array([[word]]))
        model.top_k(state, RANKED_WORDS)
        seconds.append(clock() - began)
    return statistics.median(seconds[UNTIMED_QUERIES:])


def shown(name: str, value: float) -> str:
    """Return a figure for a message: `1,234,567`, `1.2 ms`, `3,456 bytes`."""
    if name == "p50":
        return f"{1000 * value:.3g} ms"
    return f"{value:,.0f}{' bytes' if name == 'bytes' else ''}"
