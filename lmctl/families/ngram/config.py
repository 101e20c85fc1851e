"""The keys of `model:` for n-grams."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class NgramConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="ngram"
):
    """The keys of `model:` for the family ngram."""

    order: Annotated[
        Annotated[int, Meta(ge=1, le=20)] | None,
        Meta(
            description="Length of the longest n-grams, in words; null takes 5, or 3 for more than 100 million "
            "tokens.",
        ),
    ] = None
    smoothing: Annotated[
        Literal["kneser-ney", "mle"],
        Meta(
            description="How unseen n-grams get a probability: kneser-ney: interpolated modified Kneser-Ney "
            "smoothing, as in KenLM; mle: they get none (maximum likelihood)."
        ),
    ] = "kneser-ney"
    pruning: Annotated[
        str,
        Meta(
            pattern=r"^0( [0-9]{1,18})*$",
            description="Largest count of the n-grams that are left out, for each order from 1 on; the last "
            "number holds for all higher orders. 0 leaves out none; 0 0 1 leaves out n-grams of 3 and more "
            "words that occur once.",
            extra={"expected": "counts that do not fall, the first of them 0, such as 0 0 1"},
        ),
    ] = "0"
    quantize: Annotated[
        Literal[8, 32] | None,
        Meta(
            description="Bits of the numbers of an n-gram. 8: codes of 8 bits, of 4 bits from order 4 on, only "
            "with kneser-ney; a distribution still sums to 1. 32: float32. null: 8 with kneser-ney, 32 with mle.",
        ),
    ] = None
