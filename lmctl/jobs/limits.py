"""What is set aside of a time limit for what comes after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.jobs.disk_space import FLOAT32_BYTES
from lmctl.query.tuning import CACHE_TOKENS

if TYPE_CHECKING:
    from lmctl.jobs.gate import Standard

# A bundle is written, synced, hashed, and read again to verify it; this is a slow disk.
PUBLISHED_BYTES_PER_SECOND = 50e6
# Parameters times tokens, where nothing has been measured: half of what a core did (docs/benchmarks.md).
SCORED_PER_SECOND = 6e10
# Tuning a cache reads the text once and compares every context with many: about so many times as long.
CACHE_COST = 4


def publishing_seconds(parameters: int, standard: Standard | None, valid_tokens: int = 0) -> float:
    """About how long it takes from the last step until a network is published.

    Args:
        parameters: of the network.
        standard: how long the published model took to score the validation text. A new one of its family takes
            about as long; longer, as far as it has more parameters. None: there is no gate.
        valid_tokens: of the validation text.
    """
    scoring = parameters * valid_tokens / SCORED_PER_SECOND
    if standard is not None and standard.family == "lstm":
        scoring = standard.seconds * max(1.0, parameters / standard.parameters)
    tuning = parameters * min(valid_tokens, CACHE_TOKENS) / SCORED_PER_SECOND
    # For its own figures, and for the gate.
    times = 1 + (standard is not None)
    return parameters * FLOAT32_BYTES / PUBLISHED_BYTES_PER_SECOND + times * scoring + CACHE_COST * tuning
