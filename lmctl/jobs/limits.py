"""What is set aside of a time limit for what comes after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.jobs.gate import Standard

BYTES_OF_A_PARAMETER = 4
# A bundle is written, synced, hashed, and read again to verify it; this is a slow disk.
PUBLISHED_BYTES_PER_SECOND = 50e6


def publishing_seconds(parameters: int, standard: Standard | None) -> float:
    """About how long it takes from the last step until a network is published.

    Args:
        parameters: of the network.
        standard: how long the published model took to score the validation text. The new one takes about as
            long; longer, as far as it has more parameters. None: there is no gate.
    """
    seconds = parameters * BYTES_OF_A_PARAMETER / PUBLISHED_BYTES_PER_SECOND
    if standard is not None:
        seconds += standard.seconds * max(1.0, parameters / standard.parameters)
    return seconds
