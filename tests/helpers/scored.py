"""A text for `lmctl eval`, and its figures."""

from __future__ import annotations

import json
import math

TEXT = b"the cat sat on the mat .\nthe zebra sat\n\ndog\n"


def summary(call, *arguments):
    """The only JSON object of `eval --json`."""
    finished = call("eval", "--json", *arguments)
    assert (finished.code, finished.err) == (0, "")
    return json.loads(finished.out)


def log10(nats) -> float:
    return float(nats) / math.log(10)
