"""The hidden Markov model in TensorFlow, trained by gradient through the forward algorithm.

Chiu & Rush 2020, "Scaling hidden Markov language models" (arXiv:2011.04640): every state has vectors, a network
computes transition and emission probabilities from them, and only the states of a word's block emit the word. So a
step of the forward algorithm (Rabiner 1989) goes from the K states of one block to the K states of another; its
cost does not depend on the number of states. All probabilities are logarithms.

`families/hmm/runtime.py` is the same model in NumPy, for queries. Axes: T time, B batch, M blocks, K states of a
block, Z = M K states, L words of a block at most, V vocabulary, E embedding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from lmctl.families.hmm.sizes import weight_shapes
from lmctl.layers.keras.initial_weights import InitialWeights
from lmctl.layers.keras.masks import Masks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.hmm.sizes import HMMSizes

# The log of an impossible event, such as a place of a block that holds no word.
IMPOSSIBLE = -1e9


class HMMNetwork:
    """A hidden Markov model that carries its filtered distribution from one segment to the next.

    Args:
        sizes: the dimensions.
        blocks: the block of each word, (V,); no block has more words than `sizes.most_words_of_a_block`.
        word_counts: how often each word occurs in training, (V,).
        dropout: share of the elements of the states' vectors that is left out in training.
        init_scale: vectors are drawn uniformly from [-init_scale, init_scale].
        seed: all initial weights follow from it.

    Attributes:
        batch_axis: the axis of B in a state: the block of the last word, (B,) int32, and the natural logs of the
            probabilities of its states, (B, K) float32.
        column_groups: transitions and emissions, most of the work, do not depend on the columns.
    """

    batch_axis = 0
    column_groups = 1

    def __init__(
        self,
        sizes: HMMSizes,
        blocks: IntArray,
        word_counts: IntArray,
        *,
        dropout: float,
        init_scale: float,
        seed: int,
    ) -> None:
        self.sizes = sizes
        self._dropout = dropout
        initial = InitialWeights(seed, init_scale)
        kernel = keras.initializers.GlorotUniform
        self._variables = {}
        for name, shape in weight_shapes(sizes).items():
            if name != "words.block":
                initializer = kernel(seed=initial.seed()) if name.endswith(".kernel") else initial.uniform()
                self._variables[name] = tf.Variable(tf.convert_to_tensor(initializer(shape)), name=name)
        # At the start, words and blocks have the probabilities that they have in the text.
        of_words = np.log(word_counts + 1.0)
        of_blocks = np.log(np.bincount(blocks, word_counts + 1.0, minlength=sizes.blocks) + 1.0)
        self._variables["words.bias"].assign(of_words.astype(np.float32))
        self._variables["target.bias"].assign(np.repeat(of_blocks, sizes.states_per_block).astype(np.float32))
        size, most = sizes.vocabulary_size, sizes.most_words_of_a_block
        self._block = tf.Variable(tf.zeros([size], tf.int32), trainable=False)
        self._place = tf.Variable(tf.zeros([size], tf.int32), trainable=False)
        self._word = tf.Variable(tf.zeros([sizes.blocks, most], tf.int32), trainable=False)
        self._is_word = tf.Variable(tf.zeros([sizes.blocks, most]), trainable=False)
        self._put_into_blocks(blocks)

    def named_weights(self) -> dict[str, Any]:
        """See `Network.named_weights`."""
        return dict(self._variables)

    def export_weights(self) -> dict[str, NDArray[np.float32]]:
        """See `Network.export_weights`; the words' blocks, which are not trained, are among them."""
        weights = {name: variable.numpy() for name, variable in self._variables.items()}
        return weights | {"words.block": self._block.numpy().astype(np.float32)}

    def import_weights(self, weights: Mapping[str, Float32Array]) -> None:
        """See `Network.import_weights`."""
        for name, variable in self._variables.items():
            variable.assign(weights[name])
        self._put_into_blocks(weights["words.block"].astype(np.int64))

    def null_state(self, batch: int) -> Any:
        """See `Network.null_state`: the start, which counts as one more block."""
        per_block = self.sizes.states_per_block
        return tf.fill([batch], self.sizes.blocks), tf.fill([batch, per_block], np.float32(-math.log(per_block)))

    def restarted(self, state: Any, restart: Any) -> Any:
        """See `Network.restarted`."""
        block, log_probs = state
        no_block, nothing = self.null_state(1)
        return tf.where(restart, no_block, block), tf.where(restart[:, None], nothing, log_probs)

    def cross_entropy(self, inputs: Any, targets: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any]:
        """See `Network.cross_entropy`; the forward algorithm."""
        masks = Masks(dropout_seed)
        transitions, emissions = self._log_transitions(masks), self._log_emissions(masks)
        first_block, first = state
        # The probability of the first word is not needed, but the states after it are.
        words = tf.concat([inputs[:1], targets], axis=0)
        blocks = tf.gather(self._block, words)
        before = tf.concat([first_block[None], blocks[:-1]], axis=0)
        # (T + 1, B, K, K): from the states of one block to those of the next, and (T + 1, B, K).
        steps = tf.gather_nd(transitions, tf.stack([before, blocks], axis=-1))
        emitted = tf.gather_nd(emissions, tf.stack([blocks, tf.gather(self._place, words)], axis=-1))

        def step(carried: Any, read: Any) -> Any:
            log_probs, _ = carried
            transition, emission = read
            log_probs = tf.reduce_logsumexp(log_probs[:, :, None] + transition, axis=1) + emission
            of_word = tf.reduce_logsumexp(log_probs, axis=1)
            return log_probs - of_word[:, None], of_word

        filtered, of_words = tf.scan(step, (steps, emitted), (first, tf.zeros_like(first[:, 0])))
        # The last target is the first input of the segment that follows.
        return -of_words[1:], (blocks[-2], filtered[-2])

    def _log_transitions(self, masks: Masks) -> Any:
        """Natural logs of transitions from the states of each block, or from the start, (M + 1, M, K, K)."""
        blocks, per_block = self.sizes.blocks, self.sizes.states_per_block
        variables = self._variables
        source = masks.drop(_residual(variables["source"], variables["source.kernel"]), self._dropout)
        logits = tf.matmul(source, variables["target"], transpose_b=True) + variables["target.bias"]
        is_empty = tf.reduce_sum(self._is_word, axis=1) == 0
        logits = tf.where(tf.repeat(is_empty, per_block), IMPOSSIBLE, logits)
        logs = tf.nn.log_softmax(logits)
        # The start is repeated K times, so that it has the shape of a block.
        logs = tf.concat([logs[:-1], tf.repeat(logs[-1:], per_block, axis=0)], axis=0)
        return tf.transpose(tf.reshape(logs, (blocks + 1, per_block, blocks, per_block)), (0, 2, 1, 3))

    def _log_emissions(self, masks: Masks) -> Any:
        """Natural logs of the emissions of each block's words by its states, (M, L, K)."""
        sizes, variables = self.sizes, self._variables
        states = masks.drop(_residual(variables["emission"], variables["emission.kernel"]), self._dropout)
        states = tf.reshape(states, (sizes.blocks, sizes.states_per_block, sizes.embedding_dim))
        vectors, biases = self._of_blocks(variables["words"]), self._of_blocks(variables["words.bias"])
        logits = tf.matmul(vectors, states, transpose_b=True) + biases[:, :, None]
        return tf.nn.log_softmax(tf.where(self._is_word[:, :, None] > 0, logits, IMPOSSIBLE), axis=1)

    def _of_blocks(self, table: Any) -> Any:
        """The rows of words in the order of blocks, (M, L, ...).

        Every word has one place, so the gradient is a gather, too. TensorFlow's own gradient would add up rows.
        """

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def gather(table: Any) -> Any:
            def gradient(of_blocks: Any) -> Any:
                return tf.gather_nd(of_blocks, tf.stack([self._block, self._place], axis=-1))

            return tf.gather(table, self._word), gradient

        return gather(tf.convert_to_tensor(table))

    def _put_into_blocks(self, blocks: IntArray) -> None:
        """Set the block of each word, (V,), and the places of the words in their blocks."""
        order = np.argsort(blocks, kind="stable")
        counts = np.bincount(blocks, minlength=self.sizes.blocks)
        first = np.cumsum(counts) - counts
        place = np.empty_like(order)
        place[order] = np.arange(len(order)) - first[blocks[order]]
        word, is_word = np.zeros(self._word.shape, dtype=np.int32), np.zeros(self._word.shape, dtype=np.float32)
        word[blocks, place], is_word[blocks, place] = np.arange(len(order)), 1.0
        self._block.assign(blocks.astype(np.int32))
        self._place.assign(place.astype(np.int32))
        self._word.assign(word)
        self._is_word.assign(is_word)


def _residual(vectors: Any, kernel: Any) -> Any:
    """The sum of vectors x, (N, E), and relu(x W)."""
    return vectors + tf.nn.relu(tf.matmul(vectors, kernel))
