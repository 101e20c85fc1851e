from __future__ import annotations

import re

import pytest

from lmctl.config import config_from_yaml, read_settings
from lmctl.errors import UsageError


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (
            ["vocabulary.file=words.txt", "vocabulary.size=100"],
            (
                "vocabulary.size: cannot be set together with vocabulary.file, which fixes the word list; "
                "got 100 and 'words.txt'"
            ),
        ),
        (
            ["vocabulary.file=words.txt", "vocabulary.min_count=2"],
            (
                "vocabulary.min_count: cannot be set together with vocabulary.file, which fixes the word list; "
                "got 2 and 'words.txt'"
            ),
        ),
        (
            ["validation.file=valid.txt", "validation.fraction=0.1"],
            (
                "validation.fraction: cannot be set together with validation.file, which takes its place; "
                "got 0.1 and 'valid.txt'"
            ),
        ),
        (
            ["text.segmenter=space", "text.engine=jieba"],
            "text.engine: needs text.segmenter auto or jieba, got 'jieba' with text.segmenter space",
        ),
        (
            ["text.subwords=100"],
            "text.subwords: needs text.segmenter sentencepiece, got 100 with text.segmenter auto",
        ),
        (
            ["text.segmenter=words", "text.model_file=a.model"],
            "text.model_file: needs text.segmenter sentencepiece, got 'a.model' with text.segmenter words",
        ),
        (
            ["text.segmenter=sentencepiece", "text.stop_words=stop.txt"],
            (
                "text.stop_words: needs text.segmenter auto, space, words, jieba or char, "
                "got 'stop.txt' with text.segmenter sentencepiece"
            ),
        ),
        (
            ["text.segmenter=sentencepiece", "text.model_file=a.model", "text.subword_algorithm=bpe"],
            (
                "text.subword_algorithm: cannot be set together with text.model_file, which has its pieces; "
                "got 'bpe' and 'a.model'"
            ),
        ),
        (
            ["text.segmenter=sentencepiece", "text.subwords=2000", "vocabulary.size=1000"],
            (
                "text.subwords: 2000 pieces are more than the vocabulary holds (vocabulary.size 1000); "
                "set one of them"
            ),
        ),
        (
            ["text.segmenter=char", "text.user_dictionary=d.txt"],
            (
                "text.user_dictionary: needs text.segmenter auto, words or jieba, "
                "got 'd.txt' with text.segmenter char"
            ),
        ),
    ],
)
def test_settings_that_cannot_hold_together_are_refused(assignments, expected, message):
    assert message(*assignments) == expected


def test_plain_gradient_descent_needs_a_rate_of_its_own():
    with pytest.raises(
        UsageError, match=r"^training.learning_rate: 0.004 does not suit sgd; set a rate such as 20"
    ):
        read_settings([], ["preset=medium", "training.optimizer=sgd"], {}).resolve()
    asked = ["preset=medium", "training.optimizer=sgd", "training.learning_rate=0.01"]
    assert read_settings([], asked, {}).resolve().training.learning_rate == 0.01


def test_weight_decay_that_leaves_nothing_of_the_weights_is_refused():
    sgd = ["preset=medium", "training.optimizer=sgd", "training.learning_rate=20"]

    with pytest.raises(
        UsageError, match=r"^training.weight_decay: 0.05 times a learning rate of 20 takes 100 % of the weights"
    ):
        read_settings([], sgd, {}).resolve()
    asked = [*sgd, "training.weight_decay=0.0005"]
    assert read_settings([], asked, {}).resolve().training.weight_decay == 0.0005


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "rmsprop"])
def test_a_rate_that_only_plain_gradient_descent_can_take_is_refused(optimizer):
    asked = read_settings(
        [], ["preset=medium", f"training.optimizer={optimizer}", "training.learning_rate=20"], {}
    )

    with pytest.raises(
        UsageError, match=rf"^training.learning_rate: 20 suits sgd, not {optimizer}; set a rate below 1"
    ):
        asked.resolve()
    with_a_rate = ["preset=medium", f"training.optimizer={optimizer}", "training.learning_rate=0.002"]
    assert read_settings([], with_a_rate, {}).resolve().training.learning_rate == 0.002


@pytest.mark.parametrize(("family", "further"), [("masked", []), ("transformer", ["model.positions=rotary"])])
def test_values_that_suit_one_automatic_preset_are_not_refused_before_it_is_chosen(family, further):
    # 30 elements for each of the 2 heads of the smallest preset; 15 for each of the 4 heads of the defaults.
    settings = read_settings([], [f"model.family={family}", "model.hidden_units=60", *further], {})

    assert settings.resolve().family.name == family
    assert settings.resolve(5_000).model.heads == 2
    with pytest.raises(UsageError, match=r"^model\.heads: 4 of 60 hidden_units have an odd length"):
        settings.resolve(5_000_000)


def test_values_that_suit_no_automatic_preset_are_refused_before_it_is_chosen():
    settings = read_settings([], ["model.family=transformer", "model.heads=7"], {})

    with pytest.raises(UsageError, match=r"^model\.heads: 7 does not divide hidden_units, 64$"):
        settings.resolve()


@pytest.mark.parametrize(("family", "most"), [("lstm", 8), ("transformer", 64)])
def test_a_value_that_no_family_takes_is_refused_with_the_bounds_of_the_family(family, most):
    asked = [f"model.family={family}", "model.layers=100"]

    with pytest.raises(UsageError, match=rf"^model\.layers: expected .* and at most {most}, got 100$"):
        read_settings([], asked, {}).resolve(5_000)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        # 100 layers are too many for every family, 20 only for the LSTM.
        ("model: {layers: 100}", "model.layers: expected a whole number of at least 1 and at most 8, got 100"),
        ("model: {layers: 20}", "model.layers: expected a whole number of at least 1 and at most 8, got 20"),
        (
            "model: {heads: 2}",
            "model.heads: is a key of families transformer and masked, but model.family is lstm",
        ),
    ],
)
def test_a_value_that_the_chosen_family_refuses_is_refused_with_the_name_of_its_file(write, content, refusal):
    first, last = write("model: {layers: 1}", "first.yaml"), write(content, "last.yaml")

    with pytest.raises(UsageError, match=rf"^last\.yaml: {re.escape(refusal)}"):
        read_settings([first, last]).resolve(5_000)
    # The same value on the command line has no file, even if a file sets the key, too.
    key, _, value = content.removeprefix("model: {").removesuffix("}").partition(": ")
    with pytest.raises(UsageError, match=rf"^{re.escape(refusal)}"):
        read_settings([first, last], [f"model.{key}={value}"]).resolve(5_000)


def test_a_stored_configuration_that_its_family_refuses_is_named():
    with pytest.raises(UsageError, match=r"^bundle/config\.yaml: model\.layers: expected .* at most 8, got 100$"):
        config_from_yaml("model: {family: lstm, layers: 100}", "bundle/config.yaml")


@pytest.mark.parametrize("family", ["lstm", "linearrnn", "feedforward", "vae", "transformer", "masked"])
@pytest.mark.parametrize(
    ("further", "refusal"),
    [
        ("model.softmax=full", "a full softmax has no clusters; leave it out, or set model.softmax"),
        ("model.softmax=auto", "expected rising numbers such as 2000,10000, got 9000, 100"),
    ],
)
def test_cutoffs_that_have_no_meaning_are_refused_before_the_text_is_read(message, family, further, refusal):
    asked = [f"model.family={family}", 'model.cutoffs="9000, 100"', further]

    assert message(*asked) == f"model.cutoffs: {refusal}"
