"""Training runs of a family that fills gaps: figures, gate, warm start, and settings that need the next word."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lmctl.config import read_settings
from lmctl.errors import QualityGateError, UsageError
from lmctl.jobs.rollback import roll_back
from lmctl.jobs.train.run import plan, train
from lmctl.jobs.train.training_job import Policies
from lmctl.jobs.watching.events import GateDone, ignore_event
from lmctl.jobs.watching.live_line import figures_of
from lmctl.query.evaluation import evaluate_gaps
from lmctl.query.model import load
from lmctl.query.text_bits import bits_of_gaps
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.listing import list_generations
from lmctl.store.runs import RunLog
from lmctl.training.events import EpochDone, StepDone, TrainingStarted

GAPS = (
    "preset=masked-tiny",
    "model.hidden_units=8",
    "model.layers=1",
    "model.feedforward_units=8",
    "training.batch_size=2",
    "training.num_steps=8",
    "training.epochs=2",
    "device.placement=cpu",
)

pytestmark = pytest.mark.usefixtures("cpu")


@pytest.fixture
def run(text, known, tmp_path, eagerly):
    """`run(*assignments, on_event=, **policies)`: a training of a family that fills gaps, with validation text."""

    def train_once(*assignments, on_event=ignore_event, preset=GAPS, **policies):
        settings = read_settings(assignments=[*preset, f"validation.file={known}", *assignments])
        return train([text], tmp_path / "model", settings, Policies(**policies), on_event)

    return train_once


def test_a_run_reports_masked_cross_entropies_and_a_pseudo_perplexity(run, known, tmp_path):
    seen = []
    trained = run(on_event=seen.append)

    bundle = open_bundle(Path(trained.published))
    metrics, history = bundle.metrics(), bundle.history()
    model = load(trained.published)
    # All words of so short a text are scored; none is OOV.
    expected = evaluate_gaps(model, model.gap_model, known)
    assert metrics["valid"] is None
    assert metrics["valid_gaps"] == {
        "pseudo_cross_entropy_nats": pytest.approx(expected.pseudo_cross_entropy_nats),
        "pseudo_perplexity": pytest.approx(expected.pseudo_perplexity),
        "scored_words": expected.words,
        "includes_oov": False,
        "vocabulary_size": 11,
        "oov_rate": 0.0,
    }
    assert trained.valid_pseudo_perplexity == metrics["valid_gaps"]["pseudo_perplexity"]
    assert (trained.valid_perplexity, trained.train_perplexity, trained.compared, trained.cache) == (None,) * 4
    best = history[bundle.record.training.best_epoch - 1]
    assert trained.train_masked_cross_entropy_nats == best["train_masked_cross_entropy_nats"]
    # Near the start, a word is about as probable as any of the eleven.
    assert best["valid_masked_cross_entropy_nats"] == pytest.approx(math.log(11), abs=0.8)
    assert (best["train_perplexity"], best["valid_perplexity"]) == (None, None)
    (started,) = (event for event in seen if isinstance(event, TrainingStarted))
    assert started.fills_gaps
    epochs = [event for event in seen if isinstance(event, EpochDone)]
    steps = [event for event in seen if isinstance(event, StepDone)]
    assert steps[-1].valid_masked_cross_entropy_nats == epochs[0].valid_masked_cross_entropy_nats
    assert figures_of(epochs[0], 2) == (
        f"masked cross-entropy (nats): train {epochs[0].train_masked_cross_entropy_nats:.3f}, "
        f"valid {epochs[0].valid_masked_cross_entropy_nats:.3f}"
    )


def test_the_records_of_a_run_name_no_perplexity(run, tmp_path):
    trained = run()

    (line,) = (tmp_path / "model/runs.jsonl").read_text().splitlines()
    figures = json.loads(line)["figures"]
    assert figures["valid_pseudo_perplexity"] == trained.valid_pseudo_perplexity
    assert (figures["valid_perplexity"], figures["train_perplexity"]) == (None, None)
    (listed,) = list_generations(tmp_path / "model")
    assert (listed.valid_perplexity, listed.valid_pseudo_perplexity) == (None, trained.valid_pseudo_perplexity)


def test_the_gate_compares_pseudo_bits_per_character(run, known, tmp_path):
    seen = []
    first = run("training.epochs=30", "training.learning_rate=0.02")
    with pytest.raises(QualityGateError) as caught:
        run("training.epochs=1", "training.seed=2", on_event=seen.append)

    published, new = (load(place) for place in (first.published, tmp_path / "model/work/rejected"))
    before, after = (
        bits_of_gaps(model, model.gap_model, Path(known)).per_character() for model in (published, new)
    )
    assert f"({after:.4f} against {before:.4f} pseudo bits per character" in str(caught.value)
    (told,) = (event for event in seen if isinstance(event, GateDone))
    assert (told.published_bits_per_character, told.new_bits_per_character) == (before, after)
    assert (told.figure, told.passed) == ("pseudo_bits_per_character", False)
    (*_, refused) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert refused.figures == {
        "pseudo_bits_per_character": after,
        "published_pseudo_bits_per_character": before,
    }
    assert run("training.epochs=1", "publishing.gate=false").published.endswith("000002")
    assert roll_back(tmp_path / "model").name == "000001"


def test_a_model_of_the_next_word_and_one_of_gaps_are_not_compared(run, tmp_path, monkeypatch):
    ngram = ("preset=ngram",)
    run(preset=ngram)
    monkeypatch.setattr("lmctl.jobs.train.run._choose_fit", lambda *_: pytest.fail("it trains"))

    with pytest.raises(QualityGateError) as caught:
        run()
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "not trained: the current model (family ngram) predicts the next word, and a model of family masked fills "
        "gaps, so the two cannot be compared; --no-gate publishes without a comparison"
    )
    monkeypatch.undo()
    assert run("publishing.gate=false").family == "masked"
    with pytest.raises(
        QualityGateError, match=r"family masked\) fills gaps, and a model of family ngram predicts"
    ):
        run(preset=ngram)


def test_a_warm_start_keeps_the_weights_of_known_words(run, tmp_path, text):
    first = run()
    Path(text).write_text(Path(text).read_text() + "the new cow sat on the mat\n")

    second = run(
        "training.init_from=current",
        "training.grow_vocabulary=true",
        "training.learning_rate=1e-9",
        "publishing.gate=false",
    )

    old, new = (open_bundle(Path(each.published)) for each in (first, second))
    assert second.drift["rows_new"] == 2
    assert second.drift["valid_perplexity"] is None
    np.testing.assert_allclose(new.weights()["masked.mask"], old.weights()["masked.mask"], atol=1e-6)
    before, after = (list(bundle.vocabulary().words) for bundle in (old, new))
    for word in before:
        np.testing.assert_allclose(
            new.weights()["embedding"][after.index(word)],
            old.weights()["embedding"][before.index(word)],
            atol=1e-6,
        )


def test_a_time_limit_leaves_time_to_score(run):
    trained = run("training.time_limit=60s")

    assert trained.valid_pseudo_perplexity > 1


@pytest.mark.parametrize(
    ("assignment", "shown"),
    [
        ("training.with_ngram=true", "true"),
        ("training.baseline=true", "true"),
        ("validation.state=carry", "'carry'"),
    ],
)
def test_settings_that_need_the_next_word_are_refused(text, tmp_path, assignment, shown):
    key = assignment.split("=")[0]
    with pytest.raises(UsageError) as caught:
        plan([text], tmp_path / "model", read_settings(assignments=[*GAPS, assignment]))

    assert str(caught.value) == (
        f"{key}: {shown} needs a model that predicts the next word, and a model of family masked fills gaps; "
        "leave it out"
    )


def test_the_resolved_configuration_has_no_baseline_and_reads_each_sentence_by_itself():
    config = read_settings(assignments=["model.family=masked"]).resolve(100)

    assert (config.preset, config.validation.state) == ("masked-tiny", "reset")
    assert (config.training.baseline, config.training.with_ngram) == (False, False)
