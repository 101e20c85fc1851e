"""`lmctl import` of an ARPA file of another n-gram toolkit, or of a KenLM trie."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from lmctl import families
from lmctl.families import load_language_model
from lmctl.families.arpa.importing import ArpaReading, read_arpa
from lmctl.jobs.importing import Imported, publish_imported
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmctl.config import Settings
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

# Largest difference from 1 of the sum of rounded probabilities.
SUM_TOLERANCE = 1e-3


def import_arpa(
    path: str,
    output: Path,
    settings: Settings,
    reading: ArpaReading | None = None,
    on_bytes: Callable[[int], object] = lambda _read: None,
) -> Path:
    """Make a model of an ARPA file or a KenLM trie, and publish it as the next generation.

    Args:
        path: path of the file, compressed or not; "-": standard input. A trie is a file that is not compressed.
        output: the model folder.
        settings: see `publish_imported`.
        reading: how the file is read; None: it is found out from the words of the file.
        on_bytes: called with the number of bytes read so far, after decompression.

    Returns:
        The folder of the published generation.

    Raises:
        UsageError: a setting has no effect on an imported model.
        LmctlError: the file is missing or damaged, or another run holds the lock.
    """
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        on_bytes(done)

    def read(place: Path) -> Imported:
        vocabulary, sizes = read_arpa(path, place, reading, tell)
        family = families.baseline()
        return Imported(family, vocabulary, sizes, {"order": sizes.order}, tables=sizes.table_names())

    return publish_imported(path, output, settings, read, lambda bundle: _check_sums(path, bundle))


def _check_sums(path: str, bundle: Bundle) -> None:
    """Warn if the probabilities do not sum to 1, without context or at the start of a sentence."""
    language_model = load_language_model(verify_bundle(bundle.folder))
    states = (language_model.null_state(1), language_model.initial_state(1))
    sums = [float(np.exp(language_model.log_probs(state).astype(np.float64)).sum()) for state in states]
    worst = max(sums, key=lambda total: abs(total - 1.0))
    if abs(worst - 1.0) > SUM_TOLERANCE:
        logger.warning(
            "%s: the probabilities sum to %g instead of 1: the ranking of words is right, but perplexities are "
            "wrong by this factor",
            path,
            worst,
        )
