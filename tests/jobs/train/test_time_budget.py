import math
from pathlib import Path

import pytest

from lmctl.config import read_settings
from lmctl.deadline import NEVER, Deadline
from lmctl.errors import DivergenceError, LmctlError, OutOfTimeError
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.comparison import Standard
from lmctl.jobs.train.run import train
from lmctl.jobs.train.time_budget import TimeBudget
from lmctl.jobs.train.time_estimates import (
    counting_seconds,
    leaves_time_to_count,
    publishing_seconds,
    scoring_seconds,
    tuning_seconds,
)
from lmctl.store.verification import verify_bundle


def test_a_share_of_the_time_ends_when_that_share_is_over_and_never_without_a_limit():
    config = read_settings().resolve()

    # 40 s are left.
    assert TimeBudget(None, config, Deadline(100.0, lambda: 60.0)).share(0.25).end == 70.0
    assert TimeBudget(None, config, NEVER).share(0.25).end == math.inf


def test_a_bundle_takes_as_long_as_a_slow_disk_needs():
    # 25 million float32 are 100 MB, written at 50 MB a second.
    assert publishing_seconds(25_000_000, None) == 2.0


@pytest.mark.parametrize(
    ("parameters", "own", "seconds"),
    [
        (
            500_000,
            10.0,
            0.04 + 10 + 30,
        ),  # smaller than the published model, which the gate scores, too
        (1_000_000, 10.0, 0.08 + 10 + 30),
        (3_000_000, 10.0, 0.24 + 10 + 90),
        (1_000_000, 50.0, 0.08 + 50 + 50),  # the machine has become slower since then
    ],
)
def test_the_gate_takes_as_long_as_it_took_the_published_model(parameters, own, seconds):
    standard = Standard((), family="lstm", parameters=1_000_000, seconds=30.0, state="carry")

    assert publishing_seconds(parameters, standard, own, family="lstm", tunes_cache=False) == pytest.approx(
        seconds
    )


def test_how_fast_another_family_is_says_nothing_of_a_network():
    standard = Standard((), family="ngram", parameters=1_000_000, seconds=0.001, state="carry")

    # Scoring 100,000 tokens takes 10 s, for itself and for the gate; tuning a cache on half of them takes 5 s and
    # 15 s; 24 MB take 0.48 s.
    assert publishing_seconds(6_000_000, standard, 10.0, 100_000, family="lstm") == pytest.approx(
        2 * 10 + 5 + 15 + 0.48
    )
    assert publishing_seconds(
        6_000_000, standard, 10.0, 100_000, family="lstm", tunes_cache=False
    ) == pytest.approx(2 * 10 + 0.48)


def test_scoring_is_judged_by_a_part_of_the_text_that_takes_long_enough(tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\n" * 50)
    (tmp_path / "valid.txt").write_text("the cat sat on a mat .\n" * 1000)
    settings = ("preset=tiny", f"validation.file={tmp_path / 'valid.txt'}")
    config = read_settings(assignments=settings).resolve()
    corpus = prepare([str(tmp_path / "text.txt")], tmp_path / "corpus", config)
    # 63 sentences of 8 tokens take 0.1 s, which is too short to measure; 126 take 0.4 s.
    instants = iter([10.0, 10.1, 20.0, 20.4])

    assert scoring_seconds(corpus, config, clock=lambda: next(instants)) == pytest.approx(0.4 * 8000 / 1008)


def test_of_a_short_text_all_is_scored(tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\n" * 50)
    (tmp_path / "valid.txt").write_text("the cat sat on a mat .\n" * 3)
    settings = ("preset=tiny", f"validation.file={tmp_path / 'valid.txt'}")
    config = read_settings(assignments=settings).resolve()
    corpus = prepare([str(tmp_path / "text.txt")], tmp_path / "corpus", config)
    instants = iter([10.0, 10.1])

    assert scoring_seconds(corpus, config, clock=lambda: next(instants)) == pytest.approx(0.1)


def test_without_a_text_nothing_is_scored(tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\n" * 50)
    config = read_settings(assignments=["preset=tiny", "validation.fraction=0"]).resolve()
    corpus = prepare([str(tmp_path / "text.txt")], tmp_path / "corpus", config)

    assert scoring_seconds(corpus, config) == 0.0


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_leaves_time_to_publish(good, monkeypatch, retrain):
    deadlines = []

    def take_note(*_, time_limit, **__):
        deadlines.append(time_limit.left_seconds())
        raise DivergenceError

    def seconds(parameters, standard, scoring_seconds, valid_tokens, family, **parts):
        assert scoring_seconds > 0
        assert valid_tokens == 14
        if parts:
            # The work that cannot be cut short has no gate.
            assert standard is None
            return 10.0
        assert (parameters, standard.parameters) == (good.parameters, good.parameters)
        return 200.0

    monkeypatch.setattr("lmctl.training.run.train_network", take_note)
    monkeypatch.setattr("lmctl.jobs.train.time_budget.publishing_seconds", seconds)

    with pytest.raises(DivergenceError):
        retrain("training.time_limit=3000s")

    # 3,000 of the whole run without 202 for publishing, a reserve of 2 %, and what preparation took.
    assert 2600 < deadlines[0] <= 2738


@pytest.mark.parametrize(
    ("own_seconds", "reserved"),
    # Of 3,000 s the work after training gets 450 at most, and the figures of the family half of that. Scoring
    # takes 100 s, tuning a cache 100 s, and opening the bundle 2 s.
    [(0.0, 202), (200.0, 402), (300.0, 202)],
)
def test_time_for_figures_of_the_family_is_reserved_if_there_is_enough(
    own_seconds, reserved, text, known, tmp_path, monkeypatch
):
    monkeypatch.setattr("lmctl.jobs.train.time_budget.scoring_seconds", lambda *_, **__: 100.0)
    monkeypatch.setattr("lmctl.families.lstm.LSTM.own_figures_tokens", lambda *_: int(14 * own_seconds / 100))
    config = read_settings(
        assignments=["preset=tiny", f"validation.file={known}", "training.time_limit=3000s"]
    ).resolve()
    corpus = prepare([text], tmp_path / "corpus", config, jobs=1)

    budget = TimeBudget(corpus, config, Deadline(3000.0, lambda: 0.0))

    assert budget.publishing_seconds(None) == pytest.approx(reserved, abs=1)


def test_without_a_limit_no_network_is_scored_to_estimate_the_time(text, known, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("scoring was measured")

    monkeypatch.setattr("lmctl.jobs.train.time_budget.scoring_seconds", fail)
    config = read_settings(assignments=["preset=tiny", f"validation.file={known}"]).resolve()
    corpus = prepare([text], tmp_path / "corpus", config, jobs=1)

    assert not TimeBudget(corpus, config, NEVER).scoring_deadline(None).exists


def test_without_time_to_train_the_n_grams_are_published(text, known, tmp_path, settings, monkeypatch, caplog):
    monkeypatch.setattr("lmctl.jobs.train.time_budget.publishing_seconds", lambda *_, **__: 68.0)
    monkeypatch.setattr("lmctl.jobs.train.time_budget.scoring_seconds", lambda *_, **__: 0.0)
    monkeypatch.setattr("lmctl.jobs.train.time_budget.leaves_time_to_count", lambda *_: True)
    asked = (f"validation.file={known}", "training.with_ngram=true", "training.time_limit=60s")

    published = train([text], tmp_path / "model", settings(*asked))

    assert published.family == "ngram"
    assert "training.time_limit: 60s leaves no time to train" in caplog.text
    assert "the baseline (family ngram) is published alone" in caplog.text
    assert verify_bundle(Path(published.published)).record.family == "ngram"
    with pytest.raises(OutOfTimeError):
        train([text], tmp_path / "other", settings(*asked, "training.with_ngram=false"))


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_that_is_too_short_to_publish_is_refused_before_training(good, monkeypatch, retrain):
    monkeypatch.setattr("lmctl.jobs.train.time_budget.publishing_seconds", lambda *_, **__: 68.0)

    with pytest.raises(
        LmctlError,
        match=r"training.time_limit: 60s leaves no time to train: \d+ s are left, .* 7\d s, the gate included",
    ):
        retrain("training.time_limit=60s")


def test_tuning_a_cache_reads_the_text_once_more_and_compares_each_context_for_0_3_ms():
    # Of 200,000 tokens 50,000 are read: a quarter of 20 s.
    assert tuning_seconds(20.0, 200_000) == pytest.approx(5.0 + 15.0)
    assert tuning_seconds(20.0, 10_000) == pytest.approx(20.0 + 3.0)
    assert tuning_seconds(0.0, 0) == 0.0


def test_counting_is_judged_by_a_part_of_the_text(tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\n" * 5000)
    config = read_settings(assignments=["preset=ngram", "validation.fraction=0"]).resolve()
    corpus = prepare([str(tmp_path / "text.txt")], tmp_path / "corpus", config)
    seconds = iter([10.0, 12.0])

    # 40,000 tokens, of which 20,000 took 2 s.
    assert counting_seconds(corpus, config, tmp_path, clock=lambda: next(seconds)) == 4.0
    assert not list(tmp_path.glob("timed.*"))


@pytest.mark.parametrize(("seconds", "counts"), [(20.0, True), (20.1, False)])
def test_counting_takes_two_fifths_of_the_time_left_at_most(seconds, counts):
    assert leaves_time_to_count(seconds, 50.0) is counts
