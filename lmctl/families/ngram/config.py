"""The keys of `model:` for n-grams."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class NgramConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="ngram"
):
    """Which n-grams are kept, and how they are smoothed."""

    order: Annotated[
        Annotated[int, Meta(ge=1, le=20)] | None,
        Meta(description="Words of the longest n-grams; null takes 5, or 3 for more than 100 million tokens."),
    ] = None
    smoothing: Annotated[
        Literal["kneser-ney", "mle"],
        Meta(
            description="What n-grams that were not seen get: interpolated modified Kneser-Ney smoothing, as "
            "KenLM has it, or nothing at all (maximum likelihood)."
        ),
    ] = "kneser-ney"
    pruning: Annotated[
        str,
        Meta(
            pattern=r"^0( [0-9]+)*$",
            description="For each order, from 1, n-grams that occur so often or less are left out; the last "
            "number holds for all higher orders. 0 0 1 leaves out longer n-grams that occur once.",
            extra={"expected": "counts that do not fall, the first of them 0, such as 0 0 1"},
        ),
    ] = "0"
