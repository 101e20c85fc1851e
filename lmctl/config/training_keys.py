"""The keys of the section `training`, which families that train a network share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# The largest int32, in which NumPy and TensorFlow hold whole numbers. A larger value is probably a typing error.
LARGEST_WHOLE_NUMBER = 2**31 - 1

# A number and its unit: seconds, minutes, hours or days.
TIME_PATTERN = r"^([0-9]{1,9}|[0-9]{0,9}\.[0-9]{1,9})(s|m|h|d)$"
TIME = {"expected": "a time such as 90s, 50m, 1.5h or 2d", "metavar": "TIME"}


class TrainingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the network is trained."""

    batch_size: Annotated[
        int,
        Meta(
            ge=1,
            description="Number of streams that the text is divided into. They are trained on side by side. "
            "More streams need more memory, and make fewer updates an epoch.",
        ),
    ] = 32
    num_steps: Annotated[
        int,
        Meta(
            ge=1,
            description="Number of tokens of each stream in one training step, which is the length of truncated "
            "backpropagation. Memory grows in proportion.",
        ),
    ] = 35
    epochs: Annotated[
        int,
        Meta(
            ge=1,
            description="Largest number of passes over the training text. Early stopping (patience) may end "
            "training before.",
        ),
    ] = 20
    steps: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Number of training steps, which replaces epochs as the length of training and of the "
            "schedule; null uses epochs.",
        ),
    ] = None
    time_limit: Annotated[
        Annotated[str, Meta(pattern=TIME_PATTERN, extra=TIME)] | None,
        Meta(
            description="Longest time that the whole run may take. The schedule is planned for the steps that "
            "fit, and at most for the steps of all epochs; null sets no limit.",
        ),
    ] = None
    optimizer: Annotated[
        Literal["sgd", "adam", "adagrad", "rmsprop"],
        Meta(
            description="Rule that turns gradients into updates. If you change it, set learning_rate too.",
        ),
    ] = "adam"
    learning_rate: Annotated[
        float,
        Meta(
            gt=0,
            description="Learning rate before the schedule is applied. A good value depends on the optimizer: "
            "about 0.003 for adam, 20 for sgd.",
        ),
    ] = 0.003
    weight_decay: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Share of every weight matrix that is subtracted at each update, times the learning "
            "rate. For an untied embedding, this concerns only the rows that the step reads. Raise it if the "
            "model overfits.",
        ),
    ] = 0.0
    average_decay: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Decay of the running average of the weights that becomes the model: the share of the "
            "average that stays after a step. 0.999 averages about the last 1,000 steps. 0 takes the last "
            "weights.",
        ),
    ] = 0.0
    schedule: Annotated[
        Literal["constant", "plateau", "linear", "cosine"],
        Meta(
            description="How the learning rate changes: constant: not at all; plateau: it is divided by "
            "decay_factor after each epoch without a better validation perplexity; linear, cosine: it falls to "
            "zero over the planned steps, along a line or a half cosine."
        ),
    ] = "linear"
    warmup_steps: Annotated[
        int,
        Meta(
            ge=0,
            description="Number of steps in which the learning rate rises from 0 at the start of training. At "
            "most a quarter of the planned steps is used.",
        ),
    ] = 200
    decay_factor: Annotated[
        float,
        Meta(
            gt=1,
            description="Factor by which schedule plateau divides the learning rate. Other schedules do not use "
            "it.",
        ),
    ] = 4.0
    clip_norm: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="Largest global norm of the gradient. A larger gradient is scaled down to it. Lower it "
            "if the loss jumps; null does not clip.",
        ),
    ] = 1.0
    patience: Annotated[
        int,
        Meta(
            ge=1,
            description="Number of epochs in a row without a better validation perplexity after which training "
            "stops early.",
        ),
    ] = 5
    reset_probability: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Probability that a stream restarts, after a segment, from the state at the start of a "
            "sentence. A query starts from this state, so the network has to learn it. Raise it for short "
            "texts.",
        ),
    ] = 0.05
    rare_as_unknown: Annotated[
        float,
        Meta(
            ge=0,
            description="Number a: in each epoch, a word that occurs c times in the training text is read as "
            "<unk> with probability a / (a + c). So the network learns how often words come that are not in the "
            "vocabulary, and what follows them, even if few do in the training text. 0: never.",
        ),
    ] = 0.0
    init_from: Annotated[
        Annotated[
            str,
            Meta(
                min_length=1, extra={"expected": "current, or the folder of a model", "metavar": "current|MODEL"}
            ),
        ]
        | None,
        Meta(
            description="Model from whose weights training starts (warm start): current: the published "
            "generation of the model that is trained, if there is one; MODEL: a model folder, MODEL@6 or a "
            "bundle. Sizes of the network that are not set are taken from it; null starts from random weights."
        ),
    ] = None
    baseline: Annotated[
        bool,
        Meta(
            description="Whether an n-gram model is also estimated, and reported beside the network together "
            "with their mixture. It takes seconds, and needs validation text."
        ),
    ] = True
    with_ngram: Annotated[
        bool,
        Meta(
            description="Whether the mixture of the network and the n-gram model is published in place of the "
            "network, if its validation perplexity is lower. Needs baseline."
        ),
    ] = False
    grow_vocabulary: Annotated[
        bool,
        Meta(
            description="Whether words that the older model of init_from does not have may enter the "
            "vocabulary. If not, only its words are chosen from. The vocabulary of a prepared folder does not "
            "change."
        ),
    ] = False
    gone_words: Annotated[
        Literal["drop", "keep"],
        Meta(
            description="What happens to words of the older model of init_from that are now too rare to be "
            "chosen: drop: they leave the vocabulary; keep: they stay, and new words come after them."
        ),
    ] = "drop"
    rehearsal: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How often a warm start reads text that the older model of init_from was trained on, as a "
            "share of how often it reads new text. 1: all text is read alike, with the full learning_rate. Raise "
            "it if the model forgets the old text.",
        ),
    ] = 0.05
    init_scale: Annotated[
        float,
        Meta(
            gt=0,
            description="Bound of the initial embeddings, which are uniform between minus this value and this "
            "value.",
        ),
    ] = 0.1
    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=LARGEST_WHOLE_NUMBER,
            description="Seed of all random choices. The same seed, text and settings give the same model.",
        ),
    ] = 1
