"""The gate over a published mixture: a new model of any family must be as good as the mixture."""

import math
from pathlib import Path

import pytest
from folders import contents

import lmctl
from lmctl.config import read_settings
from lmctl.errors import QualityGateError
from lmctl.jobs.mix import mix
from lmctl.jobs.train.run import train
from lmctl.jobs.watching.events import GateDone
from lmctl.query.evaluation import evaluate_file
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.runs import RunLog

# 7 words and a line end: 8 tokens, 14 characters.
HELD_OUT = "a a a b b b b\n"
UNIGRAMS = ("preset=ngram", "model.order=1", "model.smoothing=mle")


@pytest.fixture
def count(tmp_path):
    """`count(name, text, *assignments)`: train n-grams of the words a and b, unigrams by shares of counts."""
    (tmp_path / "words.txt").write_text("a\nb\n")

    def run(name, text, *assignments, valid=None, **options):
        (tmp_path / "text.txt").write_text(text)
        asked = [*UNIGRAMS, f"vocabulary.file={tmp_path / 'words.txt'}", *assignments]
        if valid is None:
            asked.append("validation.fraction=0")
        else:
            (tmp_path / "valid.txt").write_text(valid)
            asked.append(f"validation.file={tmp_path / 'valid.txt'}")
        return train([str(tmp_path / "text.txt")], tmp_path / name, read_settings(assignments=asked), **options)

    return run


@pytest.fixture
def mixture(count, tmp_path):
    """A published mixture that gives a 3/8, and b and </s> 5/16 each: see test_mix.py."""
    count("one", "a a b\n")
    count("other", "a b\n")
    (tmp_path / "held-out.txt").write_text(HELD_OUT)
    return mix(
        [str(tmp_path / "one"), str(tmp_path / "other")], tmp_path / "model", str(tmp_path / "held-out.txt")
    )


def test_a_worse_model_is_refused_on_the_text_that_the_mixture_was_tuned_on(mixture, count, tmp_path):
    before = contents(Path(mixture.published) / "members/0")

    # Unigrams of 1/2, 1/4 and 1/4.
    with pytest.raises(QualityGateError) as caught:
        count("model", "a a b\n")

    published = -(3 * math.log2(3 / 8) + 5 * math.log2(5 / 16)) / 14
    new = (3 * 1 + 5 * 2) / 14
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "not published: on the validation text that the current generation keeps, the new model is 2.9 % worse "
        f"than the current one ({new:.4f} against {published:.4f} bits per character; 1 % is allowed). It is kept "
        f"in {tmp_path / 'model/work/rejected'}; --no-gate publishes it."
    )
    assert (tmp_path / "model/current").resolve() == Path(mixture.published)
    assert contents(Path(mixture.published) / "members/0") == before
    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.generation) == ("rejected", 3, None)
    assert run.figures == pytest.approx(
        {"bits_per_character": new, "published_bits_per_character": published}, rel=1e-4
    )


def test_a_model_within_the_tolerance_takes_the_place_of_the_mixture_and_keeps_its_text(mixture, count, tmp_path):
    seen = []
    # Unigrams of 1/3 each: 8 log2(3) / 14 = 0.9057 bits per character, and the mixture has 0.9025.
    trained = count("model", "a b\n", on_event=seen.append)

    assert (trained.family, trained.outcome) == ("ngram", "published")
    assert trained.published.endswith("000002")
    (told,) = (event for event in seen if isinstance(event, GateDone))
    assert (told.text, told.tolerance, told.passed) == ("kept", 0.01, True)
    assert told.new_bits_per_character == pytest.approx(8 * math.log2(3) / 14)
    assert (tmp_path / "model/current/valid.txt").read_text() == HELD_OUT


def test_new_validation_text_is_compared_beside_the_text_that_the_weights_were_tuned_on(count, tmp_path):
    # Both members have the same corpus without validation text. The mixture has a validation text.
    count("one", "a b\nb a\na a b b\n")
    count("other", "a b\nb a\na a b b\n", "model.order=2")
    (tmp_path / "held-out.txt").write_text("a b\nb a\na a a\nb b b\n")
    mixed = mix(
        [str(tmp_path / "one"), str(tmp_path / "other")], tmp_path / "model", str(tmp_path / "held-out.txt")
    )
    record = open_bundle(Path(mixed.published)).record
    assert (record.family, record.corpus.valid.sentences) == ("mixture", 0)

    seen = []
    count("model", "a b\nb a\na a b b\n", "publishing.gate_tolerance=9", valid="b a b\n", on_event=seen.append)

    told = [(event.text, event.tolerance) for event in seen if isinstance(event, GateDone)]
    assert told == [("validation", 9), ("kept", 0.2)]


def test_without_a_comparison_a_text_that_has_grown_does_not_replace_the_mixture(count, tmp_path):
    # The mixture has the configuration of its first member. A run with it makes only this member.
    (tmp_path / "stop.txt").write_text("c\n")
    stop_words = f"text.stop_words={tmp_path / 'stop.txt'}"
    text = "a b\nb a\na a b b\n"
    count("one", text, stop_words)
    count("other", text, stop_words, "model.order=2")
    (tmp_path / "held-out.txt").write_text("a b\nb a\na a a\nb b b\n")
    mixed = mix(
        [str(tmp_path / "one"), str(tmp_path / "other")], tmp_path / "model", str(tmp_path / "held-out.txt")
    )
    assert open_bundle(Path(mixed.published)).record.family == "mixture"

    with pytest.raises(
        QualityGateError, match="not trained: stop words are left out of the text, so bits per character"
    ):
        count("model", f"{text}a b\n", stop_words)

    assert (tmp_path / "model/current").resolve() == Path(mixed.published)


@pytest.mark.usefixtures("eagerly")
def test_a_worse_network_is_refused_by_the_figures_of_both(mixture, tiny, tmp_path):
    (tmp_path / "text.txt").write_text("b a\nb b\n")
    # All four tokens of an untrained network are about equally probable: 2 bits a token; the mixture has 1.58.
    asked = [
        *tiny,
        f"vocabulary.file={tmp_path / 'words.txt'}",
        "validation.fraction=0",
        "training.learning_rate=1e-9",
    ]

    with pytest.raises(QualityGateError) as caught:
        train([str(tmp_path / "text.txt")], tmp_path / "model", read_settings(assignments=asked))

    new, published = (
        evaluate_file(
            lmctl.load(tmp_path / "model" / bundle), str(tmp_path / "held-out.txt"), state="carry"
        ).bits_per_character
        for bundle in ("work/rejected", "current")
    )
    assert open_bundle(tmp_path / "model/work/rejected").record.family == "lstm"
    assert caught.value.figures == {"bits_per_character": new, "published_bits_per_character": published}
    assert published == pytest.approx(8 * math.log2(mixture.perplexity) / 14)
    assert f"the new model is {100 * (new / published - 1):.1f} % worse than the current one" in str(caught.value)


@pytest.mark.usefixtures("eagerly")
def test_a_mixture_made_by_training_is_made_again_of_a_text_that_has_grown(tiny, text, known, tmp_path):
    (tmp_path / "stop.txt").write_text("zebra\n")
    asked = [
        *tiny,
        "training.with_ngram=true",
        f"validation.file={known}",
        f"text.stop_words={tmp_path / 'stop.txt'}",
    ]
    settings = read_settings(assignments=asked)
    first = train([text], tmp_path / "model", settings)
    assert first.family == "mixture"
    with Path(text).open("a") as file:
        file.write("the dog sat on the mat\n")

    assert train([text], tmp_path / "model", settings).published.endswith("000002")
