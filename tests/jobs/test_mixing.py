"""A network beside n-grams of the same text, their mixture, and a cache."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import InterruptedRunError
from lmctl.families import load_language_model
from lmctl.families.ngram.config import NgramConfig
from lmctl.jobs.train.initial_weights import OldModel
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies
from lmctl.jobs.watching.events import Compared
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import verify_model
from lmctl.query.tuning import tune_cache
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.training.events import StepDone

pytestmark = pytest.mark.usefixtures("eagerly")

# A network that learns nothing in its one epoch, so n-grams are better.
USELESS = ("training.learning_rate=1e-30", "training.epochs=1", "training.with_ngram=true")


def target_log_probs(bundle, lines, state):
    """Natural log probabilities of the tokens of a text, computed one by one, and the token ids."""
    model, vocabulary = load_language_model(bundle), bundle.vocabulary()
    log_probs, token_ids = [], []
    end = np.array([[SENTENCE_END_ID]])
    here = model.advance(model.null_state(1), end)
    for line in lines:
        if state == "reset":
            here = model.advance(model.null_state(1), end)
        for token_id in [*vocabulary.encode(line.split()), SENTENCE_END_ID]:
            log_probs.append(float(model.log_probs(here)[0, token_id]))
            token_ids.append(token_id)
            here = model.advance(here, np.array([[token_id]]))
    return np.array(log_probs), np.array(token_ids)


@pytest.mark.parametrize("min_count", [1, 2])
@pytest.mark.parametrize("state", ["reset", "carry"])
def test_the_figures_are_those_of_the_members(text, valid, tmp_path, settings, state, min_count):
    told = []
    asked = (f"validation.file={valid}", f"validation.state={state}", f"vocabulary.min_count={min_count}")

    trained = train([text], tmp_path / "model", settings(*USELESS, *asked), on_event=told.append)

    assert (trained.family, trained.preset) == ("mixture", "tiny")
    compared = trained.compared
    bundle = open_bundle(Path(trained.published))
    network, ngram = bundle.members()
    assert (network.record.family, ngram.record.family) == ("lstm", "ngram")
    lines = [line for line in Path(valid).read_text().splitlines() if line]
    of_network, token_ids = target_log_probs(network, lines, state)
    of_ngram, _ = target_log_probs(ngram, lines, state)
    # Training has no <unk>, so the cost of <unk> is left out.
    counted = np.full(len(token_ids), True) if min_count == 2 else token_ids != UNKNOWN_ID
    assert compared["includes_oov"] == (min_count == 2)
    first, second = compared["weights"]
    assert first + second == pytest.approx(1.0)
    mixed = np.log(first * np.exp(of_network) + second * np.exp(of_ngram))
    for name, log_probs in (
        ("network_perplexity", of_network),
        ("ngram_perplexity", of_ngram),
        ("mixture_perplexity", mixed),
    ):
        assert compared[name] == pytest.approx(np.exp(-log_probs[counted].mean()), rel=1e-4), name
    assert (compared["baseline"], compared["state"], compared["mixture_is_chosen"]) == ("5-grams", state, True)
    assert bundle.record.sizes.weights == compared["weights"]
    (event,) = (event for event in told if isinstance(event, Compared))
    assert (event.mixture_perplexity, event.weights) == (compared["mixture_perplexity"], compared["weights"])


def test_a_mixture_is_published_if_it_is_better(text, valid, tmp_path, settings):
    trained = train([text], tmp_path / "model", settings(*USELESS, f"validation.file={valid}"))

    compared = trained.compared
    assert compared["weights"][1] > 0.5
    assert compared["mixture_perplexity"] < compared["network_perplexity"]
    model = lmctl.load(tmp_path / "model")
    verify_model(model.bundle.folder)
    # Training has no <unk>.
    found = evaluate_file(model, valid, state="carry").perplexity_excluding_oov
    assert trained.valid_perplexity == compared["mixture_perplexity"] == pytest.approx(found, rel=1e-5)
    assert trained.parameters == sum(member.parameters() for member in model.bundle.members())
    # Each member keeps its own figures.
    network, ngrams = (member.metrics()["valid"] for member in model.bundle.members())
    assert network["perplexity"] == pytest.approx(compared["network_perplexity"])
    assert ngrams["perplexity"] == pytest.approx(compared["ngram_perplexity"])
    assert model.bundle.metrics()["valid"]["perplexity"] == trained.valid_perplexity
    assert not list((tmp_path / "model/work").iterdir())


def test_the_ngrams_are_published_alone_if_the_network_has_no_weight(
    text, valid, tmp_path, settings, monkeypatch, caplog
):
    monkeypatch.setattr("lmctl.jobs.mixing.tune_weights", lambda *_: [0.0, 1.0])

    trained = train([text], tmp_path / "model", settings(*USELESS, f"validation.file={valid}"))

    assert trained.family == "ngram"
    assert "the network adds nothing to the baseline (5-grams) on the validation text" in caplog.text
    assert (trained.compared["weights"], trained.compared["mixture_is_chosen"]) == ([0.0, 1.0], False)
    assert trained.valid_perplexity == trained.compared["ngram_perplexity"]
    verify_model(Path(trained.published))
    assert not list((tmp_path / "model/work").iterdir())


def test_the_network_is_published_if_the_mixture_is_no_better(tmp_path, settings, monkeypatch):
    # No bigram of one text occurs in the other, so by maximum likelihood it is impossible.
    (tmp_path / "text.txt").write_text("a b\n")
    (tmp_path / "valid.txt").write_text("b a\n")
    asked = (*USELESS, f"validation.file={tmp_path / 'valid.txt'}")
    monkeypatch.setattr(
        "lmctl.jobs.train.estimating.estimation_config", lambda *_: NgramConfig(order=2, smoothing="mle")
    )

    trained = train([str(tmp_path / "text.txt")], tmp_path / "model", settings(*asked))

    compared = trained.compared
    assert (trained.family, compared["mixture_is_chosen"]) == ("lstm", False)
    # It is infinite. JSON has no infinity, so it is null.
    assert (compared["weights"], compared["ngram_perplexity"]) == ([1.0, 0.0], None)
    assert compared["mixture_perplexity"] == compared["network_perplexity"]
    assert trained.valid_perplexity == pytest.approx(compared["network_perplexity"], rel=1e-4)
    assert not list((tmp_path / "model/work").iterdir())


def test_without_with_ngram_the_network_is_published_though_the_mixture_be_better(text, valid, tmp_path, settings):
    asked = (f"validation.file={valid}", *USELESS[:2])
    trained = train([text], tmp_path / "model", settings(*asked))

    assert trained.family == "lstm"
    assert trained.compared["mixture_perplexity"] < trained.compared["network_perplexity"]
    assert not trained.compared["mixture_is_chosen"]
    assert open_bundle(Path(trained.published)).metrics()["compared"] == trained.compared


def test_without_a_baseline_or_a_validation_text_nothing_is_compared(text, valid, tmp_path, settings):
    off = train([text], tmp_path / "off", settings(f"validation.file={valid}", "training.baseline=false"))
    blind = train([text], tmp_path / "blind", settings("training.with_ngram=true"))

    assert (off.compared, blind.compared) == (None, None)
    assert (off.family, blind.family, blind.cache) == ("lstm", "lstm", None)


def test_a_mixture_that_was_cut_off_is_continued_to_the_same_bytes(text, valid, tmp_path, settings):
    asked = settings("training.with_ngram=true", f"validation.file={valid}", "training.epochs=3")
    whole = Path(train([text], tmp_path / "whole", asked).published)

    def interrupt(event):
        if isinstance(event, StepDone) and event.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train([text], tmp_path / "cut", asked, on_event=interrupt)
    resumed = Path(train([text], tmp_path / "cut", asked, Policies(resume="require")).published)

    assert open_bundle(whole).record.family == "mixture"
    # Only the times in history.jsonl differ, and so its hash and size in model.json.
    names = sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file())
    assert len(names) > 20
    for name in names:
        if not name.endswith(("history.jsonl", "model.json")):
            assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    assert open_bundle(resumed).record.sizes == open_bundle(whole).record.sizes
    assert open_bundle(resumed).record.cache == open_bundle(whole).record.cache


def test_the_network_of_a_mixture_is_trained_on(text, valid, tmp_path, settings):
    first = train([text], tmp_path / "model", settings(*USELESS, f"validation.file={valid}"))
    network, _ = open_bundle(Path(first.published)).members()

    old = OldModel.find("current", ModelFolder(tmp_path / "model"))
    second = train(
        [text],
        tmp_path / "model",
        settings(*USELESS[:2], f"validation.file={valid}", "publishing.gate=false", "training.init_from=current"),
    )

    assert old.bundle.record == network.record
    assert second.drift["model_sha256"] == network.record.sha256
    for name, weight in network.weights().items():
        np.testing.assert_allclose(open_bundle(Path(second.published)).weights()[name], weight, atol=1e-6)


def test_a_cache_is_tuned_on_the_validation_text(tmp_path, settings):
    # Words are repeated, which does not occur in the training text.
    (tmp_path / "text.txt").write_text("a b c d e f g h\nh g f e d c b a\nb d f h a c e g\n")
    (tmp_path / "runs.txt").write_text("a a a a a a a a\nb b b b b b b b\nc c c c c c c c\n")
    told = settings(f"validation.file={tmp_path / 'runs.txt'}", *USELESS[:2])

    trained = train([str(tmp_path / "text.txt")], tmp_path / "model", told)

    bundle = open_bundle(Path(trained.published))
    token_ids = target_log_probs(bundle, (tmp_path / "runs.txt").read_text().splitlines(), "carry")[1]
    tuned = tune_cache(load_language_model(bundle), token_ids, 2000)
    assert bundle.record.cache == tuned.parameters
    assert trained.cache == {
        "words": 2000,
        "tokens": 27,
        "perplexity_without": tuned.perplexity_without,
        "perplexity": tuned.perplexity,
        # <unk> was never seen in training; no word of this text is unknown.
        "includes_oov": False,
    }
    assert tuned.perplexity < 0.8 * tuned.perplexity_without


def test_a_cache_that_helps_nothing_is_not_stored(tmp_path, settings):
    # No word occurs twice.
    text, valid = tmp_path / "text.txt", tmp_path / "valid.txt"
    for file in (text, valid):
        file.write_text("a b c d e f g h\n")

    trained = train([str(text)], tmp_path / "model", settings(f"validation.file={valid}", *USELESS[:2]))

    assert trained.cache is None
    assert open_bundle(Path(trained.published)).record.cache is None


def test_a_comparison_that_fails_keeps_no_network_from_being_trained(
    text, valid, tmp_path, settings, monkeypatch, caplog
):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lmctl.jobs.train.fitting.estimate_bundle", fail)

    trained = train([text], tmp_path / "model", settings(f"validation.file={valid}"))

    assert (trained.family, trained.compared) == ("lstm", None)
    assert "no baseline (family ngram) was estimated" in caplog.text
    with pytest.raises(OSError, match="No space left"):
        train([text], tmp_path / "other", settings(f"validation.file={valid}", "training.with_ngram=true"))


def test_thresholds_for_more_orders_than_follow_from_the_text_are_left_out(text, valid, tmp_path, monkeypatch):
    monkeypatch.setattr("lmctl.families.ngram.FULL_ORDER_TOKENS", 5)
    asked = ("preset=ngram", f"validation.file={valid}", "model.pruning=0 0 0 0 1")

    trained = train([text], tmp_path / "model", read_settings(assignments=asked))

    assert open_bundle(Path(trained.published)).record.sizes.order == 3
