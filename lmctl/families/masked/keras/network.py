"""The masked language model in Keras: words are hidden at random, and predicted from both sides.

The same network in NumPy, for queries, is `families/masked/runtime.py`.

A segment has T inputs and T targets, the token after each input. The network reads the T + 1 tokens of both as
one text, cut into sentences at `</s>`. In each step a share of the words is replaced by a learned vector, and only
these words are predicted (Devlin et al. 2019, arXiv:1810.04805, section 3.1). A hidden word is always replaced by
that vector: Wettig et al. 2023 (arXiv:2202.08005) found no gain from keeping some hidden words, or from replacing
some by random words. `</s>` is never hidden. Padding is `</s>`, so it is not hidden either.

If a column of the text ends within a sentence, the sentence is read as if it ended there.

Axes: T targets, B batch, N hidden words, D hidden units.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import msgspec
import tensorflow as tf

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.families.masked.weights import MASK, inner_weight_shapes
from lmctl.layers.keras.attention import attend, rotate, sentence_bias
from lmctl.layers.keras.initial_weights import InitialWeights
from lmctl.layers.keras.masks import Masks
from lmctl.layers.keras.network import WordNetwork
from lmctl.layers.keras.transformer_layer import TransformerLayer, initializer, normalized

if TYPE_CHECKING:
    from lmctl.families.masked.config import MaskedConfig
    from lmctl.families.masked.sizes import MaskedSizes

# Folded into the seed of a step for the choice of the hidden words; the masks of dropout are numbered from 0.
CHOICE = 1 << 20
# Phases of the words that validation hides, in parts of 1 / PHASES; PHASE_STEP is odd, so that all phases occur.
PHASES, PHASE_STEP = 64, 39


class Dropout(msgspec.Struct, frozen=True, kw_only=True):
    """Shares that are left out in training, each from 0 to 1.

    Attributes:
        inputs: of the elements of the embedded inputs.
        outputs: of the elements of what each part of a layer adds, and of the last output.
        attention: of the attention weights.
    """

    inputs: float = 0.0
    outputs: float = 0.0
    attention: float = 0.0

    @classmethod
    def of(cls, model: MaskedConfig) -> Dropout:
        """The shares of a configuration."""
        return cls(inputs=model.input_dropout, outputs=model.dropout, attention=model.attention_dropout)


class MaskedNetwork(WordNetwork):
    """A masked language model. Nothing is carried from one segment to the next: a state is zeros, (B,) int32.

    Args:
        sizes: the dimensions.
        mask_rate: share of the words of each column that are hidden.
        dropout: shares that are left out in training; the masks follow from the seed of the step.
        scores_unknown: whether validation hides and predicts `<unk>`.
        init_scale: word vectors start uniformly between minus this and this.
        seed: decides the initial weights.
        precision: "float32", or "mixed_bfloat16": the factors of matrix products are rounded. Weights and losses
            are float32 in both.
        scatters: see `layers.keras.softmax.Softmax`.

    Attributes:
        batch_axis: the axis of B in the tensors of a state.
    """

    batch_axis = 0

    def __init__(
        self,
        sizes: MaskedSizes,
        *,
        mask_rate: float,
        dropout: Dropout,
        scores_unknown: bool = True,
        init_scale: float,
        seed: int,
        precision: str = "float32",
        scatters: bool = True,
    ) -> None:
        initial = InitialWeights(seed, init_scale)
        super().__init__(sizes.word_layers, initial, name="masked_language_model")
        self.sizes = sizes
        self._mask_rate = mask_rate
        self._dropout = dropout
        self._scores_unknown = scores_unknown
        dtype = keras.DTypePolicy(precision).compute_dtype
        self._inner = {
            name: self.add_weight(
                shape=shape,
                initializer=initial.uniform() if name == MASK else initializer(name, shape, sizes.layers, initial),
                name=name.replace(".", "_"),
            )
            for name, shape in inner_weight_shapes(sizes).items()
        }
        self._dtype_of_products = dtype
        self._layers_of_attention = [
            TransformerLayer(sizes, self._inner, f"masked.{layer}", dtype) for layer in range(sizes.layers)
        ]
        self.add_softmax(initial, dtype=dtype, scatters=scatters)

    def null_state(self, batch: int) -> Any:
        """Zeros, (B,): there is nothing to carry."""
        return tf.zeros((batch,), tf.int32)

    def restarted(self, state: Any, restart: Any) -> Any:  # noqa: ARG002
        """The state as it is."""
        return state

    def cross_entropy(self, inputs: Any, targets: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any]:
        """See `Network.cross_entropy`; the mean over the hidden words of all columns, at every position."""
        token_ids = tf.concat([inputs[:1], targets], axis=0)
        hidden = self._choose(targets, dropout_seed)
        of_all = self(token_ids, tf.pad(hidden, [[1, 0], [0, 0]]), dropout_seed)[1:]
        rows, words = tf.boolean_mask(of_all, hidden), tf.boolean_mask(targets, hidden)
        nats = tf.reduce_sum(self.softmax.cross_entropy(rows, words))
        mean = nats / tf.maximum(tf.cast(tf.size(words), tf.float32), 1.0)
        return tf.fill(tf.shape(targets), mean), state

    def gap_log_probs(self, token_ids: Any, hidden: Any) -> Any:
        """Natural log probabilities of all words at the hidden positions, (N, V), in the order of time.

        Args:
            token_ids: the text, (T, B).
            hidden: whether each position is hidden, (T, B) bool.
        """
        return self.softmax(tf.boolean_mask(self(token_ids, hidden), hidden))

    def call(self, token_ids: Any, hidden: Any, dropout_seed: Any = None) -> Any:
        """The vectors that the softmax reads, (T, B, D) float32.

        Args:
            token_ids: the text, (T, B) int32.
            hidden: whether the word at each position is hidden, (T, B) bool.
            dropout_seed: two integers that decide the masks of dropout; None: no dropout.
        """
        masks = Masks(dropout_seed)
        vectors = self.embedded(token_ids, masks, 0.0)
        vectors = tf.where(hidden[..., None], tf.convert_to_tensor(self._inner[MASK]), vectors)
        vectors = tf.transpose(vectors * math.sqrt(self.sizes.hidden_units), (1, 0, 2))
        vectors = masks.drop(vectors, self._dropout.inputs)
        is_end = tf.transpose((token_ids == SENTENCE_END_ID) & ~hidden)
        bias = sentence_bias(is_end, self.sizes.context)
        start = tf.zeros_like(is_end[:, 0], tf.int32)
        for layer in self._layers_of_attention:
            queries, keys, values = layer.projected(vectors)
            answers = attend(
                rotate(queries, start),
                rotate(keys, start),
                values,
                bias,
                dtype=self._dtype_of_products,
                drop=lambda weights: masks.drop(weights, self._dropout.attention),
            )
            vectors += masks.drop(layer.attended(answers), self._dropout.outputs)
            vectors += masks.drop(layer.feedforward(vectors), self._dropout.outputs)
        outputs = masks.drop(normalized(vectors, self._inner["masked.norm"]), self._dropout.outputs)
        return tf.transpose(outputs, (1, 0, 2))

    def inner_weights(self) -> dict[str, Any]:
        """See `WordNetwork.inner_weights`."""
        return dict(self._inner)

    def _choose(self, targets: Any, seed: Any) -> Any:
        """Whether each target is hidden, (T, B) bool: the same share of the words of each column, at least one.

        In training the words are drawn at random. In validation they are spread evenly over each column, and are
        always the same.

        Args:
            targets: (T, B) int32.
            seed: of the step; None in validation.
        """
        is_word = targets != SENTENCE_END_ID
        if seed is None and not self._scores_unknown:
            is_word &= targets != UNKNOWN_ID
        # The products below would overflow 32 bits in columns of 10,000 words.
        ones = tf.cast(is_word, tf.int64)
        words = tf.reduce_sum(ones, axis=0)
        share = tf.cast(tf.round(tf.cast(words, tf.float32) * self._mask_rate), tf.int64)
        chosen = tf.minimum(tf.maximum(share, 1), words)
        if seed is None:
            # Word i of n is hidden if floor((i + 1) m / n + p) is above floor(i m / n + p), for m hidden words.
            # The phase p, from 0 to 1, differs between columns: if it were 0 in all, the last word of every
            # sentence would be hidden, and that is often a full stop.
            after = tf.cumsum(ones, axis=0)
            whole = tf.maximum(words, 1)
            phase = whole * (tf.range(tf.shape(targets, tf.int64)[1]) * PHASE_STEP % PHASES)
            up_to = (after * chosen * PHASES + phase) // (whole * PHASES)
            before = ((after - 1) * chosen * PHASES + phase) // (whole * PHASES)
            return is_word & (up_to > before)
        fold = tf.random.experimental.stateless_fold_in(seed, CHOICE)
        draws = tf.random.stateless_uniform(tf.shape(targets), fold)
        draws = tf.where(is_word, draws, 2.0)
        ranks = tf.argsort(tf.argsort(draws, axis=0, stable=True), axis=0, stable=True)
        return tf.cast(ranks, tf.int64) < chosen
