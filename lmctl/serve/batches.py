"""Which requests are answered as one batch, and what a carried state needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.errors import UsageError
from lmctl.serve.bodies import GenerateRequest, PredictRequest, texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.serve.bodies import ScoreRequest, SurprisalRequest

# The fields of a response beside the model and its generation.
Fields = dict[str, Any]


def settings_of(request: Any) -> Any:
    """A request without its texts; requests with equal settings are answered as one batch."""
    if isinstance(request, PredictRequest):
        return msgspec.structs.replace(request, contexts=())
    if isinstance(request, GenerateRequest):
        # Sampled prompts have seeds of their own. Beside a beam, a seed is a mistake, which the search reports.
        return msgspec.structs.replace(request, prompts=(), seed=request.seed if request.beam else None)
    return msgspec.structs.replace(request, texts=())


def check_state(asked: PredictRequest | ScoreRequest | SurprisalRequest) -> None:
    """Refuse keys that need a carried state."""
    needy = [name for name in ("cache", "peek") if getattr(asked, name, False)]
    if needy and asked.state != "carry":
        raise UsageError(f"{needy[0]} needs state carry; with state reset, no text continues another")


def check_needed(asked: Any, needed: str, *names: str) -> None:
    """Refuse keys that have no effect without another one, as the command line refuses the options."""
    given = [name for name in names if getattr(asked, name)]
    if given and not getattr(asked, needed):
        raise UsageError(f"{given[0]} needs {needed}")


def by_state(requests: Sequence[Any]) -> list[Sequence[Any]]:
    """The requests that may be answered together: a carried state belongs to one request."""
    return [requests] if requests[0].state == "reset" else [[request] for request in requests]


def all_texts(requests: Sequence[Any]) -> list[str]:
    """The texts of all requests, in order."""
    return [text for request in requests for text in texts_of(request)]
