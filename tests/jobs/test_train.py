import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

import lmctl
from lmctl.config import config_from_yaml, read_settings
from lmctl.errors import (
    DataError,
    DeviceError,
    DivergenceError,
    InputMissingError,
    InterruptedRunError,
    LmctlError,
    LockedError,
    MissingExtraError,
    QualityGateError,
    UsageError,
)
from lmctl.jobs.events import (
    CheckpointSaved,
    GateDone,
    LockTaken,
    Prepared,
    RunEnded,
    RunStarted,
    TextRead,
)
from lmctl.jobs.prepare import prepare
from lmctl.jobs.rollback import roll_back
from lmctl.jobs.train import plan, train
from lmctl.query.evaluation import evaluate_file
from lmctl.store.bundle import open_bundle, verify_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.lock import locked
from lmctl.store.runs import Changes, RunLog
from lmctl.training.events import EpochDone, StepDone, TrainingStarted

TEXT = "the cat sat on the mat\nthe dog sat on the log\na cat and a dog\non the mat sat a dog\n"
VALID = "the cat sat on a log\n\nthe zebra sat\na dog and a gnu and the cat on the mat\n"
FOUR_SENTENCES = "我爱编程。\n编程是一种艺术。\n艺术是人类创造的。\n创造是人类的天赋。\n"

# A network so small that a run takes about a second, on the device that every test of this process uses.
TINY = (
    "preset=tiny",
    "model.embedding_dim=8",
    "model.hidden_units=8",
    "model.layers=1",
    "model.dropout=0",
    "training.batch_size=2",
    "training.num_steps=8",
    "training.epochs=2",
    "device.placement=cpu",
)


def settings(*assignments):
    """What is trained on, all of it unless a file to validate on is named."""
    held_out = [] if any(text.startswith("validation.file") for text in assignments) else ["validation.fraction=0"]
    return read_settings(assignments=[*TINY, *held_out, *assignments])


def content(folder):
    """The bytes of every file in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_four_sentences_are_learned_and_asked(cpu, tmp_path):
    (tmp_path / "four.txt").write_text(FOUR_SENTENCES, encoding="utf-8")
    asked = read_settings(assignments=["preset=tiny", "validation.fraction=0", "device.placement=cpu"])

    trained = train([str(tmp_path / "four.txt")], tmp_path / "model", asked)

    assert trained.preset == "tiny"
    model = lmctl.load(tmp_path / "model")
    # By maximum likelihood 是 follows 编程 at the start of a sentence always, and 。 follows 我爱编程.
    first, *_ = model.predict("编程")
    assert first.word == "是"
    assert first.prob > 0.5
    assert model.predict("我爱编程")[0].word == "。"
    assert model.log_probs("编程")[model.vocabulary.encode(["是"])[0]] == pytest.approx(first.logprob, abs=1e-6)
    # 17 words and 4 ends, each far more probable than one of the 13 tokens at random.
    scores = [model.score(line) for line in FOUR_SENTENCES.splitlines()]
    assert sum(len(score.token_ids) for score in scores) == trained.tokens // trained.epochs
    assert sum(score.total_log_prob for score in scores) > -21 * math.log(3)


@pytest.mark.usefixtures("eagerly")
def test_each_run_publishes_the_next_generation(text, tmp_path):
    first = train([text], tmp_path / "model", settings())
    content_of_first = content(Path(first.published))

    second = train([text], tmp_path / "model", settings("training.seed=2"))

    assert first.published == str(tmp_path / "model/generations/000001")
    assert second.published == str(tmp_path / "model/generations/000002")
    assert (tmp_path / "model/current").resolve() == Path(second.published)
    assert content(Path(first.published)) == content_of_first
    assert list((tmp_path / "model/work").iterdir()) == []
    for published in (first.published, second.published):
        verify_bundle(Path(published))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("assignments", "error"),
    [
        (("training.optimizer=sgd", "training.learning_rate=1e38"), DivergenceError),
        (("device.placement=gpu:99",), DeviceError),
    ],
)
def test_a_run_that_fails_leaves_what_was_published(text, tmp_path, assignments, error):
    first = train([text], tmp_path / "model", settings())
    before = content(Path(first.published))

    with pytest.raises(error):
        train([text], tmp_path / "model", settings(*assignments))

    assert (tmp_path / "model/current").resolve() == Path(first.published)
    assert content(Path(first.published)) == before
    assert [path.name for path in (tmp_path / "model/generations").iterdir()] == ["000001"]
    assert list((tmp_path / "model/work").iterdir()) == []


@pytest.mark.usefixtures("eagerly")
def test_what_a_run_returns_and_what_its_bundle_states(text, valid, tmp_path):
    trained = train([text], tmp_path / "model", settings(f"validation.file={valid}", "training.seed=7"))

    bundle = open_bundle(Path(trained.published))
    record = bundle.record
    # 23 words in 4 sentences, an epoch; 9 distinct words and two specials.
    assert trained.tokens == record.training.tokens == 2 * 27
    assert trained.vocabulary_size == record.sizes.vocabulary_size == 11
    assert (trained.epochs, record.training.seed) == (2, 7)
    assert (record.corpus.train.words, record.corpus.train.sentences) == (23, 4)
    # The blank line is dropped; zebra and gnu are unknown among 6 + 3 + 11 words.
    assert (record.corpus.valid.words, record.corpus.valid.sentences, record.corpus.valid.oov) == (20, 3, 2)
    assert trained.valid_oov_rate == pytest.approx(2 / 20)
    assert [source.name for source in record.corpus.sources] == [text, valid]

    history = bundle.history()
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    assert [epoch["tokens"] for epoch in history] == [27, 54]
    assert history[-1]["step"] == trained.steps == record.training.steps
    best = history[trained.best_epoch - 1]
    assert best["best"]
    assert best["valid_perplexity"] == min(epoch["valid_perplexity"] for epoch in history)

    metrics = bundle.metrics()
    assert metrics["valid"]["perplexity"] == trained.valid_perplexity == best["valid_perplexity"]
    assert metrics["valid"]["perplexity"] == pytest.approx(math.exp(metrics["valid"]["cross_entropy_nats"]))
    assert metrics["valid"]["vocabulary_size"] == 11
    assert metrics["valid"]["oov_rate"] == pytest.approx(2 / 20)
    assert metrics["valid"]["state"] == trained.valid_state == "carry"
    assert metrics["train"] == {"perplexity": trained.train_perplexity}

    config = config_from_yaml(bundle.read("config.yaml").decode())
    assert (config.training.seed, config.training.epochs, config.text.segmenter) == (7, 2, "space")
    assert sum(weight.size for weight in bundle.weights().values()) == trained.parameters


@pytest.mark.usefixtures("eagerly")
def test_without_validation_the_last_epoch_is_the_best(text, tmp_path):
    trained = train([text], tmp_path / "model", settings())

    assert trained.best_epoch == trained.epochs == 2
    assert (trained.valid_perplexity, trained.valid_oov_rate, trained.valid_state) == (None, None, None)
    assert open_bundle(Path(trained.published)).metrics()["valid"] is None


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("oov", ["in training too", "in validation alone"])
@pytest.mark.parametrize(("state", "batch_size"), [("reset", 3), ("carry", 1)])
def test_the_validation_perplexity_is_the_one_that_eval_finds(text, valid, tmp_path, state, batch_size, oov):
    in_training = oov == "in training too"

    trained = train(
        [text],
        tmp_path / "model",
        settings(
            f"validation.file={valid}",
            f"validation.state={state}",
            f"training.batch_size={batch_size}",
            "training.num_steps=4",
            "training.init_scale=1",
            f"vocabulary.min_count={2 if in_training else 1}",
        ),
    )

    found = evaluate_file(lmctl.load(tmp_path / "model"), valid, state=state)
    assert found.oov > 0
    assert trained.valid_oov_rate == pytest.approx(found.oov_rate)
    # Where nothing in training maps to <unk>, what it costs in validation is left out.
    expected = found.perplexity if in_training else found.perplexity_excluding_oov
    assert trained.valid_perplexity == pytest.approx(expected, rel=1e-4)
    assert abs(found.perplexity / found.perplexity_excluding_oov - 1.0) > 1e-3


# Nothing to do


@pytest.fixture
def published(text, valid, tmp_path):
    """What a run did, whose settings name a file."""
    return again(text, tmp_path, valid)


def again(text, tmp_path, valid, *assignments, **options):
    asked = settings(f"validation.file={valid}", "publishing.gate=false", *assignments)
    return train([text], tmp_path / "model", asked, **options)


@pytest.mark.usefixtures("eagerly")
def test_the_same_run_again_has_nothing_to_do(published, text, valid, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise AssertionError

    monkeypatch.setattr("lmctl.jobs.train._opened_corpus", fail)

    found = again(text, tmp_path, valid)

    assert found == msgspec.structs.replace(published, outcome="unchanged")


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["text.txt", "valid.txt"])
def test_a_file_that_was_only_touched_or_copied_has_not_changed(published, text, valid, tmp_path, name):
    file = tmp_path / name
    os.utime(file, ns=(1, 1))
    assert again(text, tmp_path, valid).outcome == "unchanged"
    content_before = file.read_bytes()
    file.unlink()
    file.write_bytes(content_before)

    assert again(text, tmp_path, valid).outcome == "unchanged"


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["text.txt", "valid.txt"])
def test_a_file_of_the_same_size_and_another_content_has_changed(published, text, valid, tmp_path, name):
    file = tmp_path / name
    file.write_text(file.read_text().replace("mat", "hat"))

    assert again(text, tmp_path, valid).published.endswith("000002")


@pytest.mark.usefixtures("eagerly")
def test_other_settings_another_version_or_force_train_again(published, text, valid, tmp_path, monkeypatch):
    assert again(text, tmp_path, valid, "training.seed=5").published.endswith("000002")
    assert again(text, tmp_path, valid, "training.seed=5", force=True).published.endswith("000003")
    assert again(text, tmp_path, valid, "training.seed=5").outcome == "unchanged"
    monkeypatch.setattr("lmctl.jobs.unchanged.__version__", "99")
    assert again(text, tmp_path, valid, "training.seed=5").published.endswith("000004")


@pytest.mark.usefixtures("eagerly")
def test_a_generation_that_is_gone_is_made_again(published, text, valid, tmp_path):
    shutil.rmtree(published.published)
    assert again(text, tmp_path, valid).outcome == "published"

    (tmp_path / "model/request.json").write_text("{")
    assert again(text, tmp_path, valid).outcome == "published"


@pytest.mark.usefixtures("eagerly")
def test_what_was_rolled_back_is_not_made_again_from_the_same_texts(published, text, valid, tmp_path):
    again(text, tmp_path, valid, "training.seed=2")
    roll_back(tmp_path / "model")

    found = again(text, tmp_path, valid, "training.seed=2")
    assert (found.outcome, found.published[-6:]) == ("unchanged", "000001")
    Path(text).write_text(TEXT + "a cat\n")
    assert again(text, tmp_path, valid, "training.seed=2").published.endswith("000003")


@pytest.mark.usefixtures("eagerly")
def test_every_run_leaves_a_line_in_its_models_log(published, text, valid, tmp_path):
    again(text, tmp_path, valid)
    with pytest.raises(DivergenceError):
        again(text, tmp_path, valid, "training.optimizer=sgd", "training.learning_rate=1e38")

    made, unchanged, failed = RunLog(ModelFolder(tmp_path / "model")).read()

    assert (made.outcome, made.exit_code, made.generation) == ("published", 0, "000001")
    assert made.figures["valid_perplexity"] == published.valid_perplexity
    assert made.figures["steps"] == published.steps
    assert (unchanged.outcome, unchanged.exit_code, unchanged.generation) == ("unchanged", 0, "000001")
    assert (failed.outcome, failed.exit_code, failed.generation) == ("failed", 1, None)
    assert failed.message.startswith("training diverged")
    # The first run has nothing to compare with, and the second found nothing.
    assert (made.changes, unchanged.changes, unchanged.figures) == (None, None, made.figures)
    assert failed.changes == Changes(settings=["training.learning_rate", "training.optimizer"])


@pytest.mark.usefixtures("eagerly")
def test_a_run_says_what_made_it_train(published, text, valid, tmp_path, monkeypatch):
    Path(text).write_text(TEXT + "a cat\n")
    again(text, tmp_path, valid)
    other = tmp_path / "other.txt"
    other.write_text("the cat\n")

    def run(*sources, **options):
        asked = settings(f"validation.file={valid}", "publishing.gate=false", "training.seed=3")
        train([str(source) for source in sources], tmp_path / "model", asked, **options)

    run(other)
    monkeypatch.setattr("lmctl.jobs.unchanged.__version__", "99")
    run(other)
    run(other, force=True)
    run(other, text)
    run(text, other)

    assert [run.changes for run in RunLog(ModelFolder(tmp_path / "model")).read()[1:]] == [
        Changes(inputs=[text]),
        Changes(inputs=[str(other), text], settings=["training.seed"]),
        Changes(versions=[f"lmctl {lmctl.__version__} -> 99"]),
        Changes(),
        Changes(inputs=[text]),
        Changes(inputs=[text, str(other), valid]),  # the same files in another order
    ]


# Watching


@pytest.mark.usefixtures("eagerly")
def test_a_run_tells_of_all_that_happens_from_its_start_to_its_end(text, valid, tmp_path):
    seen = []

    trained = again(text, tmp_path, valid, on_event=seen.append)

    kinds = [type(event) for event in seen if not isinstance(event, StepDone)]
    reading = kinds.count(TextRead)
    assert kinds == [
        *(RunStarted, LockTaken, *[TextRead] * reading, Prepared, TrainingStarted),
        *(CheckpointSaved, EpochDone) * 2,
        RunEnded,
    ]
    assert reading > 0
    start, lock, *_, end = seen
    assert (start.pid, start.model, start.inputs) == (os.getpid(), tmp_path / "model", [text])
    assert start.settings["training.epochs"] == 2
    assert lock.generation is None
    (prepared,) = (event for event in seen if isinstance(event, Prepared))
    # 2 of the 20 words that validate are unknown; 3 sentences have 3 ends.
    assert (prepared.tokens, prepared.vocabulary_size, prepared.oov_rate) == (27, 11, 0)
    assert (prepared.valid_tokens, prepared.valid_oov_rate) == (23, pytest.approx(2 / 20))
    steps = [event.tokens for event in seen if isinstance(event, StepDone)]
    assert steps == sorted(steps)
    assert steps[-1] == trained.tokens == 54
    assert (end.outcome, end.exit_code, end.generation) == ("published", 0, "000001")
    assert (end.figures["steps"], end.seconds > 0) == (trained.steps, True)


@pytest.mark.usefixtures("eagerly")
def test_a_run_with_nothing_to_do_tells_of_its_start_and_its_end(published, text, valid, tmp_path):
    seen = []

    again(text, tmp_path, valid, on_event=seen.append)

    assert [type(event) for event in seen] == [RunStarted, RunEnded]
    assert (seen[-1].outcome, seen[-1].exit_code, seen[-1].generation) == ("unchanged", 0, "000001")
    assert seen[-1].figures["valid_perplexity"] == published.valid_perplexity


@pytest.mark.usefixtures("eagerly")
def test_a_run_that_diverges_tells_of_its_end(published, text, valid, tmp_path):
    seen = []

    with pytest.raises(DivergenceError) as caught:
        again(
            text,
            tmp_path,
            valid,
            "training.optimizer=sgd",
            "training.learning_rate=1e38",
            on_event=seen.append,
        )

    end = seen[-1]
    assert [type(event) for event in seen].count(RunEnded) == 1
    assert (end.outcome, end.exit_code, end.message) == ("failed", 1, str(caught.value))


@pytest.mark.usefixtures("eagerly")
def test_a_run_that_fails_before_it_begins_leaves_its_line_where_there_is_a_model(
    published, text, valid, tmp_path
):
    Path(text).unlink()
    seen = []

    with pytest.raises(InputMissingError):
        again(text, tmp_path, valid, on_event=seen.append)

    assert [type(event) for event in seen] == [RunStarted, RunEnded]
    *_, last = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (last.outcome, last.exit_code, last.generation) == ("failed", 66, None)


@pytest.mark.usefixtures("eagerly")
def test_a_run_that_finds_the_lock_held_says_so_and_leaves_no_line(published, text, valid, tmp_path):
    seen = []

    with locked(tmp_path / "model"), pytest.raises(LockedError):
        again(text, tmp_path, valid, "training.seed=2", on_event=seen.append)

    assert (seen[-1].outcome, seen[-1].exit_code) == ("locked", 75)
    assert len(RunLog(ModelFolder(tmp_path / "model")).read()) == 1


# Time


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_leaves_time_to_publish(good, text, known, tmp_path, monkeypatch):
    deadlines = []

    def take_note(*_, deadline, **__):
        deadlines.append(deadline - time.monotonic())
        raise DivergenceError

    def seconds(parameters, standard):
        assert (parameters, standard.parameters) == (good.parameters, good.parameters)
        return 1000.0

    monkeypatch.setattr("lmctl.training.trainer.train_network", take_note)
    monkeypatch.setattr("lmctl.jobs.train.publishing_seconds", seconds)

    with pytest.raises(DivergenceError):
        retrain(text, known, tmp_path, "training.time_limit=3000s")

    # 3,000 of the whole run without 1,000 for publishing and what preparation took, a second or two.
    assert 1900 < deadlines[0] <= 2000


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_that_is_too_short_to_publish_is_refused_before_training(
    good, text, known, tmp_path, monkeypatch
):
    monkeypatch.setattr("lmctl.jobs.train.publishing_seconds", lambda *_: 70.0)

    with pytest.raises(
        LmctlError, match=r"training.time_limit: 60s leaves no time to train: \d+ s .* about 70, as"
    ):
        retrain(text, known, tmp_path, "training.time_limit=60s")


@pytest.mark.usefixtures("eagerly")
def test_a_signal_while_the_published_model_is_scored_ends_the_run_before_training(
    good, text, known, tmp_path, monkeypatch
):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("lmctl.jobs.train.score_published", interrupt)
    monkeypatch.setattr("lmctl.training.trainer.train_network", None)

    with pytest.raises(InterruptedRunError, match="the same command starts over") as caught:
        retrain(text, known, tmp_path)

    assert caught.value.exit_code == 143


@pytest.mark.parametrize(("assignments", "jobs", "expected"), [((), 0, 0), (("device.threads=1",), 0, 1)])
def test_threads_cap_the_processes_of_preparation_too(text, tmp_path, monkeypatch, assignments, jobs, expected):
    seen = []

    def take_note(*_, jobs, **__):
        seen.append(jobs)
        raise DataError

    monkeypatch.setattr("lmctl.jobs.train.prepare", take_note)
    with pytest.raises(DataError):
        plan([text], tmp_path / "model", settings(*assignments), jobs=jobs)
    with pytest.raises(DataError):
        plan([text], tmp_path / "model", settings(*assignments), jobs=7)

    assert seen == [expected, 7]


@pytest.mark.usefixtures("eagerly")
def test_a_current_generation_that_is_damaged_is_made_again(published, text, valid, tmp_path, caplog):
    (Path(published.published) / "model.json").write_bytes(b"{")

    assert again(text, tmp_path, valid).published.endswith("000002")
    assert "model.json: damaged" in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_what_killed_runs_left_is_swept(published, text, valid, tmp_path):
    model = tmp_path / "model"
    for place in ("work/finished", "work/pruned-000001", "work/corpus"):
        (model / place).mkdir()
        (model / place / "file").write_text("left")
    for place in ("work/.checkpoint.abc", ".request.json.abc", ".pin.abc"):
        (model / place).write_text("left")

    again(text, tmp_path, valid, force=True)

    assert list((model / "work").iterdir()) == []
    assert sorted(path.name for path in model.iterdir()) == [
        *("current", "generations", "lock", "request.json", "runs.jsonl", "work")
    ]


@pytest.mark.usefixtures("eagerly")
def test_a_log_that_cannot_be_written_changes_no_outcome(published, text, valid, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunLog, "append", full)

    assert again(text, tmp_path, valid).outcome == "unchanged"
    assert again(text, tmp_path, valid, force=True).outcome == "published"
    assert "runs.jsonl: could not be written" in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_a_prepared_folder_is_unchanged_while_its_record_is(text, tmp_path):
    prepare([text], tmp_path / "prepared", settings().resolve(), jobs=1)
    asked = read_settings(assignments=TINY)

    first, second = (train([str(tmp_path / "prepared")], tmp_path / "model", asked) for _ in range(2))

    assert (first.outcome, second.outcome) == ("published", "unchanged")


# The gate


@pytest.fixture
def known(tmp_path):
    """A text to validate on of which every word is in the training text."""
    (tmp_path / "known.txt").write_text("the cat sat on a log\na dog sat on the mat\n")
    return str(tmp_path / "known.txt")


@pytest.fixture
def good(text, known, tmp_path):
    """A model that has learned something is published."""
    return train([text], tmp_path / "model", settings(f"validation.file={known}", "training.epochs=30"))


def retrain(text, known, tmp_path, *assignments, **options):
    """A run that learns next to nothing."""
    asked = settings(f"validation.file={known}", "training.learning_rate=1e-9", *assignments)
    return train([text], tmp_path / "model", asked, **options)


@pytest.mark.usefixtures("eagerly")
def test_a_worse_model_is_not_published_and_both_figures_are_said(good, text, known, tmp_path):
    seen = []
    with pytest.raises(QualityGateError) as caught:
        retrain(text, known, tmp_path, on_event=seen.append)

    assert caught.value.exit_code == 3
    assert (tmp_path / "model/current").resolve() == Path(good.published)
    rejected = tmp_path / "model/work/rejected"
    new, published = (
        evaluate_file(lmctl.load(bundle), known, state="carry").bits_per_character
        for bundle in (rejected, good.published)
    )
    assert f"{new:.4f} bits per character on the validation text, {published:.4f} for what" in str(caught.value)
    assert f"{100 * (new / published - 1):+.1f} %" in str(caught.value)
    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.generation) == ("rejected", 3, None)
    assert run.figures == {"bits_per_character": new, "published_bits_per_character": published}
    (told,) = (event for event in seen if isinstance(event, GateDone))
    assert (told.published_bits_per_character, told.new_bits_per_character) == (published, new)
    assert (told.tolerance, told.passed) == (0.01, False)
    assert (seen[-1].outcome, seen[-1].exit_code) == ("rejected", 3)


@pytest.mark.usefixtures("eagerly")
def test_a_refusal_that_cannot_be_remembered_is_a_refusal(good, text, known, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lmctl.jobs.train.remember_rejection", full)

    with pytest.raises(QualityGateError):
        retrain(text, known, tmp_path)
    assert "the gate's refusal could not be remembered" in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_the_same_run_again_is_refused_again_without_training(good, text, known, tmp_path, monkeypatch):
    with pytest.raises(QualityGateError) as caught:
        retrain(text, known, tmp_path)
    monkeypatch.setattr("lmctl.jobs.train._opened_corpus", None)

    with pytest.raises(QualityGateError, match=re.escape(str(caught.value))):
        retrain(text, known, tmp_path)
    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.message) == ("rejected", 3, str(caught.value))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("assignments", "options"),
    [
        (("publishing.gate=false",), {}),
        (("publishing.gate_tolerance=9",), {}),
        (("training.learning_rate=0.01", "training.epochs=30", "training.seed=2"), {}),
    ],
    ids=["no gate", "a wide tolerance", "as good"],
)
def test_what_the_gate_lets_through_is_published(good, text, known, tmp_path, assignments, options):
    with pytest.raises(QualityGateError):
        retrain(text, known, tmp_path)

    assert retrain(text, known, tmp_path, *assignments, **options).published.endswith("000002")


@pytest.mark.usefixtures("eagerly")
def test_a_published_model_that_is_damaged_is_no_standard(good, text, known, tmp_path, caplog):
    (Path(good.published) / "weights.safetensors").write_bytes(b"")

    assert retrain(text, known, tmp_path).published.endswith("000002")
    assert any(message.startswith("no gate: what is published cannot be scored") for message in caplog.messages)


@pytest.mark.usefixtures("eagerly")
def test_without_a_text_to_validate_on_there_is_no_gate(text, tmp_path):
    train([text], tmp_path / "model", settings("training.epochs=30"))

    published = train([text], tmp_path / "model", settings("training.learning_rate=1e-9")).published
    assert published.endswith("000002")


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("tied", ["true", "false"])
def test_an_adaptive_softmax_is_validated_as_eval_scores_it(text, tmp_path, tied):
    # 2,500 words that occur once each: more than the smallest head takes.
    rare = tmp_path / "rare.txt"
    rare.write_text("".join(f"w{number} the cat\n" for number in range(2500)))
    valid = tmp_path / "valid.txt"
    valid.write_text("the cat sat\nw7 w2400 w1200\nw2499 the\n")

    trained = train(
        [text, str(rare)],
        tmp_path / "model",
        settings(
            f"validation.file={valid}",
            "validation.state=reset",
            "model.softmax=adaptive",
            f"model.tied={tied}",
            "training.init_scale=1",
            "training.steps=30",
        ),
    )

    model = lmctl.load(tmp_path / "model")
    clusters = model.bundle.record.sizes.clusters
    assert sum(cluster.words for cluster in clusters) == len(model.vocabulary)
    assert [cluster.width for cluster in clusters] == [8, 4, 2]
    found = evaluate_file(model, str(valid), state="reset")
    assert trained.valid_perplexity == pytest.approx(found.perplexity_excluding_oov, rel=1e-4)
    # Several of the targets are in the later clusters, and all words together have probability 1.
    assert max(model.vocabulary.encode(["w7", "w2400", "w1200", "w2499"])) > clusters[0].words
    assert np.exp(model.log_probs("the cat").astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_a_prepared_folder_is_trained_on_as_it_is(text, tmp_path):
    prepare([text], tmp_path / "corpus", settings("text.lowercase=true").resolve(), jobs=1)

    from_folder = train([str(tmp_path / "corpus")], tmp_path / "one", read_settings(assignments=TINY))
    from_text = train([text], tmp_path / "other", settings("text.lowercase=true"))

    one, other = (open_bundle(Path(trained.published)) for trained in (from_folder, from_text))
    assert one.record.recipe.lowercase
    for name in ("weights.safetensors", "vocabulary.tsv", "characters.tsv"):
        assert one.read(name) == other.read(name)
    assert config_from_yaml(one.read("config.yaml").decode()).text.lowercase


@pytest.mark.parametrize(
    ("assignment", "key"),
    [
        ("text.lowercase=true", "text.lowercase"),
        ("text.segmenter=space", "text.segmenter"),
        ("vocabulary.size=100", "vocabulary.size"),
        ("validation.fraction=0.1", "validation.fraction"),
    ],
)
def test_what_preparation_decided_cannot_be_asked_for_again(text, tmp_path, assignment, key):
    corpus = str(tmp_path / "corpus")
    prepare([text], tmp_path / "corpus", settings().resolve(), jobs=1)

    with pytest.raises(UsageError, match=f"{key}: .*corpus is prepared already"):
        train([corpus], tmp_path / "model", read_settings(assignments=[assignment, "device.placement=cpu"]))


@pytest.mark.usefixtures("eagerly")
def test_without_a_name_the_model_is_named_after_its_first_source(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    trained = train([text], None, settings())
    again = train(["text.txt"], None, settings("training.seed=2"))

    assert trained.published == "models/text/generations/000001"
    assert again.published == "models/text/generations/000002"


@pytest.mark.usefixtures("eagerly")
def test_a_default_name_that_another_corpus_has_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/text.md").write_text(TEXT)
    first = train([text], None, settings())

    with pytest.raises(UsageError, match=r"models/text was trained on other sources \(.*/text.txt\)"):
        train(["elsewhere/text.md"], None, settings())
    with pytest.raises(UsageError, match="was trained on other sources"):
        train([text, "elsewhere/text.md"], None, settings())

    assert (tmp_path / "models/text/current").resolve() == tmp_path / first.published
    # Named, it may be replaced.
    second = train(["elsewhere/text.md"], Path("models/text"), settings())
    assert second.published == "models/text/generations/000002"


def test_standard_input_needs_a_name():
    with pytest.raises(UsageError, match="needs a name: -o MODEL"):
        train(["-"], None, settings())


def test_without_tensorflow_the_extra_is_named_and_nothing_is_made(text, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "tensorflow" else find_spec(name, *rest)
    )

    with pytest.raises(MissingExtraError, match=r"pip install 'lmctl\[train\]'"):
        train([text], tmp_path / "model", settings())

    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, InputMissingError, "corpus.txt"),
        ("", DataError, "corpus.txt: empty"),
        ("\n\n", DataError, "nothing to train on; the text has no words"),
    ],
)
def test_a_corpus_without_words_publishes_nothing(cpu, tmp_path, text, error, message):
    corpus = tmp_path / "corpus.txt"
    if text is not None:
        corpus.write_text(text)

    with pytest.raises(error, match=message):
        train([str(corpus)], tmp_path / "model", settings())

    assert not (tmp_path / "model/current").exists()


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_the_same_run_again_continues_it(text, tmp_path, number):
    before = signal.getsignal(number)

    def interrupt(event):
        if isinstance(event, StepDone) and event.epoch == 2:
            os.kill(os.getpid(), number)

    whole = Path(train([text], tmp_path / "whole", settings("training.epochs=4")).published)
    with pytest.raises(InterruptedRunError, match=r"^interrupted; nothing was published") as caught:
        train([text], tmp_path / "model", settings("training.epochs=4"), on_event=interrupt)

    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is before
    assert not (tmp_path / "model/current").exists()
    seen = []
    continued = train([text], tmp_path / "model", settings("training.epochs=4"), on_event=seen.append)

    assert min(event.epoch for event in seen if isinstance(event, StepDone)) == 2
    for name in ("weights.safetensors", "vocabulary.tsv", "config.yaml", "metrics.json"):
        assert (Path(continued.published) / name).read_bytes() == (whole / name).read_bytes()
    assert list((tmp_path / "model/work").iterdir()) == []


@pytest.fixture
def cut_off(text, tmp_path):
    """A model's folder in which a run was interrupted after its first step."""

    def interrupt(event):
        if isinstance(event, StepDone):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train([text], tmp_path / "model", settings(), on_event=interrupt)
    return tmp_path / "model"


def first_step_of(text, model, *assignments, resume="auto"):
    """The first step of a run in this folder: 1 where it starts over."""
    seen = []
    train([text], model, settings(*assignments), resume=resume, on_event=seen.append)
    return next(event.step for event in seen if isinstance(event, StepDone))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("asked", "resume", "first"),
    [
        ((), "auto", 2),
        ((), "require", 2),
        ((), "never", 1),
        (("publishing.keep=5",), "auto", 2),  # what becomes of the model does not matter
        (("training.seed=2",), "auto", 1),
        (("vocabulary.size=5",), "auto", 1),
    ],
)
def test_where_a_run_begins_that_finds_a_checkpoint(text, cut_off, asked, resume, first):
    assert first_step_of(text, cut_off, *asked, resume=resume) == first


@pytest.mark.usefixtures("eagerly")
def test_starting_over_is_explained(text, cut_off, caplog):
    first_step_of(text, cut_off, "training.seed=2")

    assert f"{cut_off}/work/checkpoint is of another configuration; starting over" in caplog.messages


@pytest.mark.usefixtures("eagerly")
def test_to_require_a_checkpoint_is_to_refuse_another_run_or_none(text, cut_off, tmp_path):
    with pytest.raises(UsageError, match=r"--resume require: .*/checkpoint is of another configuration"):
        train([text], cut_off, settings("training.seed=2"), resume="require")
    with pytest.raises(UsageError, match="--resume require: there is no checkpoint"):
        train([text], tmp_path / "other", settings(), resume="require")


@pytest.mark.usefixtures("eagerly")
def test_a_damaged_checkpoint_is_not_believed(text, cut_off, caplog):
    checkpoint = cut_off / "work/checkpoint"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])

    with pytest.raises(DataError, match="/checkpoint: damaged"):
        train([text], cut_off, settings(), resume="require")
    assert first_step_of(text, cut_off) == 1
    assert any("checkpoint: damaged" in message for message in caplog.messages)


def test_a_plan_says_what_training_would_do_and_keeps_nothing(text, tmp_path):
    asked = settings("model.embedding_dim=5", "model.tied=false")

    planned = plan([text], tmp_path / "model", asked)

    assert planned.model == tmp_path / "model"
    assert (planned.training_tokens, planned.valid_tokens) == (27, 0)
    # Embedding 11 * 5, LSTM 4 * 8 * (5 + 8 + 1), softmax 11 * (8 + 1).
    assert planned.parameters == 55 + 448 + 99
    assert planned.config.preset == "tiny"
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_preset_auto_is_chosen_by_the_number_of_training_tokens(text, tmp_path):
    planned = plan([text], tmp_path / "model", read_settings(assignments=["validation.fraction=0"]))

    assert planned.config.preset == "tiny"
    assert planned.config.model.layers == 1


RUN = """
import sys
from pathlib import Path
from lmctl.config import read_settings
from lmctl.jobs.train import train
print(train([sys.argv[1]], Path(sys.argv[2]), read_settings(assignments=sys.argv[3:])).published)
"""


def run_in_another_process(text, model, *assignments):
    arguments = [sys.executable, "-c", RUN, text, str(model), *TINY, *assignments]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=300)
    return Path(done.stdout.strip())


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(cpu, text, valid, tmp_path):
    asked = (f"validation.file={valid}", "model.dropout=0.4")

    here = Path(train([text], tmp_path / "here", settings(*asked)).published)
    there = run_in_another_process(text, tmp_path / "there", *asked)

    for name in ("weights.safetensors", "vocabulary.tsv", "characters.tsv", "metrics.json", "config.yaml"):
        assert hashlib.sha256((here / name).read_bytes()).hexdigest() == (
            hashlib.sha256((there / name).read_bytes()).hexdigest()
        ), name


@pytest.fixture
def gpu(cpu):
    """A GPU for a process of its own: this one computes on the processor."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("needs a GPU")


@pytest.mark.gpu
@pytest.mark.slow
def test_a_network_trained_on_a_gpu_answers_as_it_did_there(gpu, text, valid, tmp_path):
    asked = (f"validation.file={valid}", "validation.state=reset")

    published = run_in_another_process(text, tmp_path / "model", *asked, "device.placement=gpu")

    assert json.loads((published / "model.json").read_bytes())["training"]["device"].startswith("GPU 0")
    stated = open_bundle(published).metrics()["valid"]["perplexity"]
    found = evaluate_file(lmctl.load(published), valid, state="reset")
    assert found.perplexity_excluding_oov == pytest.approx(stated, rel=1e-3)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("dropconnect", ["0", "0.5"])
def test_a_gpu_trains_as_the_processor_does(gpu, text, valid, tmp_path, dropconnect):
    # keras.layers.LSTM, which is cuDNN's there, beside the loop of our own; with DropConnect both run the loop.
    asked = (f"validation.file={valid}", "training.epochs=4", f"model.weight_dropout={dropconnect}")

    histories = [
        open_bundle(run_in_another_process(text, tmp_path / place, *asked, f"device.placement={place}")).history()
        for place in ("cpu", "gpu")
    ]

    for on_cpu, on_gpu in zip(*histories, strict=True):
        assert on_gpu["train_perplexity"] == pytest.approx(on_cpu["train_perplexity"], rel=1e-3)
        assert on_gpu["valid_perplexity"] == pytest.approx(on_cpu["valid_perplexity"], rel=1e-3)


@pytest.mark.gpu
@pytest.mark.slow
def test_two_runs_on_a_gpu_give_the_same_bytes(gpu, text, tmp_path):
    first, second = (
        run_in_another_process(
            text, tmp_path / name, "device.placement=gpu", "model.dropout=0.4", "validation.fraction=0"
        )
        for name in ("first", "second")
    )

    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()


def test_an_input_that_is_missing_leaves_no_folder_behind(tmp_path):
    from lmctl.errors import InputMissingError

    with pytest.raises(InputMissingError, match="no such file"):
        train([str(tmp_path / "typo.txt")], tmp_path / "model", read_settings([], [], {}))

    assert not (tmp_path / "model").exists()


def test_a_prepared_corpus_brings_the_settings_it_was_prepared_with(tmp_path):
    from lmctl.jobs.prepare import prepare

    (tmp_path / "text.txt").write_text("a b c d e\n" * 9)
    settings = read_settings([], ["vocabulary.size=4", "validation.fraction=0"], {})
    prepare([str(tmp_path / "text.txt")], tmp_path / "prepared", settings.resolve())

    planned = plan([str(tmp_path / "prepared")], tmp_path / "model", read_settings([], [], {}))

    assert (planned.config.vocabulary.size, planned.config.validation.fraction) == (4, 0)
    assert planned.config.text.segmenter == "space"


def test_a_source_without_a_name_of_its_own_needs_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="needs a name: -o MODEL"):
        plan(["/dev/null"], None, read_settings([], [], {}))
