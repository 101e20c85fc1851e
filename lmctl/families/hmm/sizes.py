"""The dimensions of a hidden Markov model, as its model.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from lmctl.layers.word_layers import Dimension

if TYPE_CHECKING:
    from lmctl.families.hmm.config import HMMConfig

MOST_STATES = 1 << 15


class HMMSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="hmm"
):
    """The dimensions of a hidden Markov model.

    Attributes:
        vocabulary_size: V.
        blocks: M, word classes; each has states of its own.
        states_per_block: K. The model has Z = M K states.
        embedding_dim: E, of the vectors of states and words.
    """

    vocabulary_size: Dimension
    blocks: Annotated[int, Meta(ge=1, le=MOST_STATES)]
    states_per_block: Annotated[int, Meta(ge=1, le=MOST_STATES)]
    embedding_dim: Dimension

    def __post_init__(self) -> None:
        """Refuse more states than a configuration can ask for."""
        if self.states > MOST_STATES:
            raise ValueError(f"{self.states} states; at most {MOST_STATES}")

    @property
    def states(self) -> int:
        """Z."""
        return self.blocks * self.states_per_block

    @property
    def most_words_of_a_block(self) -> int:
        """The largest number of words in a block: twice the mean number."""
        return -(-2 * self.vocabulary_size // self.blocks)

    @classmethod
    def of(cls, vocabulary_size: int, model: HMMConfig) -> HMMSizes:
        """The sizes of a configuration."""
        return cls(
            vocabulary_size=vocabulary_size,
            blocks=model.blocks,
            states_per_block=model.states // model.blocks,
            embedding_dim=model.embedding_dim,
        )


def weight_shapes(sizes: HMMSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a hidden Markov model.

    The last row of `source` is the start, before any word. `words.block` is the block of each word, a whole
    number; it is not trained.
    """
    states, dim = sizes.states, sizes.embedding_dim
    return {
        "source": (states + 1, dim),
        "source.kernel": (dim, dim),
        "target": (states, dim),
        "target.bias": (states,),
        "emission": (states, dim),
        "emission.kernel": (dim, dim),
        "words": (sizes.vocabulary_size, dim),
        "words.bias": (sizes.vocabulary_size,),
        "words.block": (sizes.vocabulary_size,),
    }
