"""Refuses settings that contradict each other, or that have no effect on the family of models."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import msgspec

from lmctl.config.keys import find_keys
from lmctl.config.messages import shown
from lmctl.config.schema import TextConfig, ValidationConfig, VocabularyConfig
from lmctl.config.training_keys import TrainingConfig
from lmctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.config.schema import Config

# Keys without effect on a family that trains no network, apart from the keys in its `also_uses`.
NETWORK_KEYS = ("training.", "device.", "publishing.checkpoint_every")
# The values of keys for a family that does not predict the next word: no n-grams beside it, and each sentence by
# itself.
WITHOUT_NEXT_WORD: dict[str, object] = {
    "training.baseline": False,
    "training.with_ngram": False,
    "validation.state": "reset",
}


# The keys of the section `text` that only some segmenters use.
TEXT_KEYS_OF_SEGMENTERS = {
    "engine": ("auto", "jieba"),
    "user_dictionary": ("auto", "words", "jieba"),
    "stop_words": ("auto", "space", "words", "jieba", "char"),
    "subwords": ("sentencepiece",),
    "subword_algorithm": ("sentencepiece",),
    "model_file": ("sentencepiece",),
}


def with_segmenter(text: TextConfig, segmenter: str) -> TextConfig:
    """The section `text` after `auto` has chosen a segmenter: keys that it does not use have their defaults."""
    defaults = TextConfig()
    unused = {
        name: getattr(defaults, name) for name, users in TEXT_KEYS_OF_SEGMENTERS.items() if segmenter not in users
    }
    return msgspec.structs.replace(text, segmenter=segmenter, **unused)


def check_rate(training: TrainingConfig, explicit: Mapping[str, object]) -> None:
    """Refuse the learning rate of another optimizer if the user chose sgd and no rate."""
    has_no_rate = explicit.get("training.optimizer") == "sgd" and "training.learning_rate" not in explicit
    if has_no_rate and training.learning_rate < 0.1:
        raise UsageError(
            f"training.learning_rate: {training.learning_rate:g} does not suit sgd; set a rate such as 20"
        )


def check_warm_start(config: Config) -> None:
    """Refuse keys of a warm start if there is no older model, and a warm start if the family has none."""
    training = config.training
    for name in ("grow_vocabulary", "gone_words", "rehearsal"):
        if training.init_from is None and getattr(training, name) != getattr(TrainingConfig(), name):
            raise UsageError(f"training.{name}: needs training.init_from, the model whose words these are")
    if training.init_from is not None and config.family.trains_network and not config.family.inherited_sizes:
        raise UsageError(
            f"training.init_from: a model of family {config.family.name} cannot start from another's weights; "
            "leave it out"
        )


def check_baseline(training: TrainingConfig) -> None:
    """Refuse a mixture with n-grams if no n-grams are estimated."""
    if training.with_ngram and not training.baseline:
        raise UsageError("training.with_ngram: needs training.baseline, the n-gram model that is mixed in")


def check_effects(config: Config, explicit: Mapping[str, object]) -> None:
    """Refuse keys without effect that the user set: for a network or the next word, if the family has none."""
    family = config.family
    if not family.predicts_next_word:
        for path, value in WITHOUT_NEXT_WORD.items():
            if explicit.get(path, value) != value:
                raise UsageError(
                    f"{path}: {shown(explicit[path])} needs a model that predicts the next word, and a model of "
                    f"family {family.name} fills gaps; leave it out"
                )
    for path, value in explicit.items():
        if family.trains_network:
            ignored = path in family.without_effect
        else:
            ignored = path.startswith(NETWORK_KEYS) and path not in family.also_uses
        if ignored and value != find_keys(path)[0].default:
            raise UsageError(f"{path}: has no effect with model.family {family.name}; leave it out")


def check_encoding(name: str) -> None:
    """Refuse a name that is not a text encoding."""
    try:
        codecs.lookup(name)
        "a".encode(name)  # refuses codecs that turn bytes into bytes, such as hex
    except (LookupError, ValueError):
        (key,) = find_keys("text.encoding")
        raise UsageError(f"text.encoding: expected {key.expected}, got {shown(name)}") from None


# The largest share of the weights that decay may take at each update. A hundred such updates leave a third.
MOST_DECAY = 0.01


def check_optimizer(training: TrainingConfig) -> None:
    """Refuse a learning rate that suits only sgd, and weight decay that suits only a low rate.

    The optimizers other than sgd divide a gradient by its size.
    """
    if training.optimizer != "sgd" and training.learning_rate >= 1:
        raise UsageError(
            f"training.learning_rate: {training.learning_rate:g} suits sgd, not {training.optimizer}; "
            "set a rate below 1, such as 0.002"
        )
    decay = training.weight_decay * training.learning_rate
    if decay > MOST_DECAY:
        raise UsageError(
            f"training.weight_decay: {training.weight_decay:g} times a learning rate of "
            f"{training.learning_rate:g} takes {100 * decay:g} % of the weights at each update; expected at most "
            f"{100 * MOST_DECAY:g} %, such as 0 for sgd"
        )


def check_inputs(config: Config) -> None:
    """Refuse two settings if one of them makes the other one ineffective."""
    text, vocabulary, validation = config.text, config.vocabulary, config.validation
    for name, segmenters in TEXT_KEYS_OF_SEGMENTERS.items():
        value = getattr(text, name)
        if text.segmenter not in segmenters and value != getattr(TextConfig(), name):
            needed = " or ".join(filter(None, [", ".join(segmenters[:-1]), segmenters[-1]]))
            raise UsageError(
                f"text.{name}: needs text.segmenter {needed}, got {shown(value)} with text.segmenter "
                f"{text.segmenter}"
            )
    for name in ("subwords", "subword_algorithm"):
        if text.model_file is not None and getattr(text, name) != getattr(TextConfig(), name):
            raise UsageError(
                f"text.{name}: cannot be set together with text.model_file, which has its pieces; got "
                f"{shown(getattr(text, name))} and {shown(text.model_file)}"
            )
    learns = text.segmenter == "sentencepiece" and text.model_file is None
    if learns and vocabulary.size is not None and text.subwords > vocabulary.size:
        raise UsageError(
            f"text.subwords: {text.subwords} pieces are more than the vocabulary holds (vocabulary.size "
            f"{vocabulary.size}); set one of them"
        )
    if vocabulary.file is not None:
        for name in ("size", "min_count"):
            if (value := getattr(vocabulary, name)) != getattr(VocabularyConfig(), name):
                raise UsageError(
                    f"vocabulary.{name}: cannot be set together with vocabulary.file, which fixes the word list; "
                    f"got {shown(value)} and {shown(vocabulary.file)}"
                )
    if validation.file is not None and validation.fraction != ValidationConfig().fraction:
        raise UsageError(
            "validation.fraction: cannot be set together with validation.file, which takes its place; "
            f"got {shown(validation.fraction)} and {shown(validation.file)}"
        )
