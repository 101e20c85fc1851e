"""The keys of the section `training`, which families that train a network share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# What every consumer (a NumPy or TensorFlow int32, an array index) can hold; more is a slip of the finger.
LARGEST_WHOLE_NUMBER = 2**31 - 1

# A number and its unit: seconds, minutes, hours or days.
TIME_PATTERN = r"^([0-9]{1,9}|[0-9]{0,9}\.[0-9]{1,9})(s|m|h|d)$"
TIME = {"expected": "a time such as 90s, 50m, 1.5h or 2d", "metavar": "TIME"}


class TrainingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the network is trained."""

    batch_size: Annotated[int, Meta(ge=1, description="Streams of text trained on side by side.")] = 32
    num_steps: Annotated[
        int, Meta(ge=1, description="Tokens of each stream in one step: the length of truncated backpropagation.")
    ] = 35
    epochs: Annotated[int, Meta(ge=1, description="Most passes over the training text.")] = 20
    steps: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Updates to train for, and to plan the schedule for, in place of epochs; null: epochs."),
    ] = None
    time_limit: Annotated[
        Annotated[str, Meta(pattern=TIME_PATTERN, extra=TIME)] | None,
        Meta(
            description="Time that the whole run may take. The schedule is planned for as many steps as fit, but "
            "for no more than epochs has; null sets no limit.",
        ),
    ] = None
    optimizer: Annotated[
        Literal["sgd", "adam", "adagrad", "rmsprop"], Meta(description="Rule that turns gradients into updates.")
    ] = "adam"
    learning_rate: Annotated[
        float,
        Meta(gt=0, description="Size of an update, before the schedule; the right one differs by optimizer."),
    ] = 0.003
    weight_decay: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Share of every weight matrix taken away at each update, times the learning rate; of an "
            "untied embedding, only from the rows that a step reads.",
        ),
    ] = 0.0
    average_decay: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="The model is a running average of the weights, of which this share stays after each step "
            "(0.999: about the last 1,000 steps); 0 takes the last weights.",
        ),
    ] = 0.0
    schedule: Annotated[
        Literal["constant", "plateau", "linear", "cosine"],
        Meta(
            description="How the learning rate changes: not at all; divided by decay_factor when validation "
            "perplexity does not improve; or along a line or a half cosine down to zero over the planned steps."
        ),
    ] = "linear"
    warmup_steps: Annotated[
        int,
        Meta(
            ge=0,
            description="Steps over which the learning rate rises from 0 at the start; at most a quarter of those "
            "that are planned.",
        ),
    ] = 200
    decay_factor: Annotated[
        float, Meta(gt=1, description="What schedule plateau divides the learning rate by.")
    ] = 4.0
    clip_norm: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Largest global norm of the gradient, which is scaled down to it; null does not clip."),
    ] = 1.0
    patience: Annotated[
        int, Meta(ge=1, description="Epochs without a better validation perplexity before training stops.")
    ] = 5
    reset_probability: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Probability that a stream restarts a segment from the state a query starts from, so that "
            "the network knows this state.",
        ),
    ] = 0.05
    init_from: Annotated[
        Annotated[
            str,
            Meta(
                min_length=1, extra={"expected": "current, or the folder of a model", "metavar": "current|MODEL"}
            ),
        ]
        | None,
        Meta(
            description="Model whose weights training starts from: current is the published generation of the "
            "model that is trained, if there is one; else a model's folder, MODEL@6 or a bundle. Sizes of the "
            "network that are not set are that model's. null starts from random weights."
        ),
    ] = None
    baseline: Annotated[
        bool,
        Meta(
            description="Whether an n-gram model is estimated beside the network, and stands beside it in the "
            "report, as does their mixture. It takes seconds, and needs validation text to be compared on."
        ),
    ] = True
    with_ngram: Annotated[
        bool,
        Meta(
            description="Whether the mixture of the network and that n-gram model is published in place of the "
            "network, if it is the better one on the validation text."
        ),
    ] = False
    grow_vocabulary: Annotated[
        bool,
        Meta(
            description="With init_from: whether words that the old model does not know may enter the vocabulary, "
            "or only its own words are chosen from. A prepared folder has its own vocabulary."
        ),
    ] = False
    gone_words: Annotated[
        Literal["drop", "keep"],
        Meta(
            description="With init_from: what becomes of the old model's words that the text has too seldom to be "
            "chosen: they leave the vocabulary, or keep their places ahead of new words."
        ),
    ] = "drop"
    init_scale: Annotated[
        float, Meta(gt=0, description="Embeddings start uniformly between minus this and this.")
    ] = 0.1
    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=LARGEST_WHOLE_NUMBER,
            description="Seed of every random choice; the same seed, text and settings give the same model.",
        ),
    ] = 1
