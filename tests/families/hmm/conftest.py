"""A hidden Markov model of two states and three words, small enough to sum over all paths by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from lmctl.families.hmm.sizes import HMMSizes

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array


class Chain(NamedTuple):
    """The probabilities of a hidden Markov model: start (2,), transitions (2, 2) and emissions (2, 3)."""

    start: Float64Array
    transitions: Float64Array
    emissions: Float64Array


@pytest.fixture
def chain() -> Chain:
    """Two states, three words."""
    return Chain(
        np.array([0.6, 0.4]), np.array([[0.7, 0.3], [0.2, 0.8]]), np.array([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7]])
    )


@pytest.fixture
def sizes() -> HMMSizes:
    """One block of two states, three words."""
    return HMMSizes(vocabulary_size=3, blocks=1, states_per_block=2, embedding_dim=2)


@pytest.fixture
def weights(chain: Chain) -> dict[str, Float32Array]:
    """Vectors; their products, plus the biases, are the logs of the chain's probabilities."""
    target_bias, words_bias = np.array([0.5, -1.0]), np.array([1.0, -0.5, 0.25])
    arrays = {
        "source": np.log([*chain.transitions, chain.start]) - target_bias,
        "source.kernel": np.zeros((2, 2)),
        "target": np.eye(2),
        "target.bias": target_bias,
        "emission": np.eye(2),
        "emission.kernel": np.zeros((2, 2)),
        "words": np.log(chain.emissions.T) - words_bias[:, None],
        "words.bias": words_bias,
        "words.block": np.zeros(3),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}
