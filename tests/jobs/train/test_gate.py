"""A new model replaces the published one only if it is not worse."""

import os
import re
import signal
from pathlib import Path

import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.errors import InterruptedRunError, QualityGateError
from lmctl.jobs.train.run import train
from lmctl.jobs.watching.events import GateDone
from lmctl.query.evaluation import evaluate_file
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.model_record import FORMAT_VERSION
from lmctl.store.runs import RunLog
from lmctl.store.verification import verify_bundle


@pytest.mark.usefixtures("eagerly")
def test_a_worse_model_is_not_published_and_both_figures_are_said(good, text, known, tmp_path, retrain):
    seen = []
    with pytest.raises(QualityGateError) as caught:
        retrain(on_event=seen.append)

    assert caught.value.exit_code == 3
    assert (tmp_path / "model/current").resolve() == Path(good.published)
    rejected = tmp_path / "model/work/rejected"
    new, published = (
        evaluate_file(lmctl.load(bundle), known, state="carry").bits_per_character
        for bundle in (rejected, good.published)
    )
    assert str(caught.value) == (
        f"not published: the new model is {100 * (new / published - 1):.1f} % worse than the current one "
        f"({new:.4f} against {published:.4f} bits per character; 1 % is allowed). "
        f"It is kept in {rejected}; --no-gate publishes it."
    )
    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.generation) == ("rejected", 3, None)
    assert run.figures == {"bits_per_character": new, "published_bits_per_character": published}
    (told,) = (event for event in seen if isinstance(event, GateDone))
    assert (told.published_bits_per_character, told.new_bits_per_character) == (published, new)
    assert (told.tolerance, told.passed) == (0.01, False)
    assert (seen[-1].outcome, seen[-1].exit_code) == ("rejected", 3)


@pytest.mark.usefixtures("eagerly")
def test_a_refusal_that_cannot_be_remembered_is_a_refusal(good, monkeypatch, caplog, retrain):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lmctl.jobs.train.run.save_rejection", full)

    with pytest.raises(QualityGateError):
        retrain()
    assert "the gate's refusal could not be saved: No space left on device" in caplog.messages


@pytest.mark.usefixtures("eagerly")
def test_the_same_run_again_is_refused_again_without_training(good, tmp_path, monkeypatch, retrain):
    with pytest.raises(QualityGateError) as caught:
        retrain()
    monkeypatch.setattr("lmctl.jobs.train.run.opened_inputs", None)

    with pytest.raises(QualityGateError, match=re.escape(str(caught.value))):
        retrain()
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
def test_a_model_that_passes_the_gate_is_published(good, assignments, options, retrain):
    with pytest.raises(QualityGateError):
        retrain()

    assert retrain(*assignments, **options).published.endswith("000002")


@pytest.mark.usefixtures("eagerly")
def test_a_signal_while_the_published_model_is_scored_ends_the_run_at_once(good, retrain, tmp_path, monkeypatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("lmctl.jobs.train.run.score_published", interrupt)
    monkeypatch.setattr("lmctl.training.run.train_network", None)

    with pytest.raises(InterruptedRunError, match="interrupted; nothing was published"):
        retrain()

    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.generation) == ("interrupted", 130, None)


# With n-grams, which are estimated quickly -----------------------------------------------------------------------


SENTENCES = [
    f"the {animal} {verb} on the {place} with {number} {thing}s .\n"
    for number in range(8)
    for animal, verb in (("cat", "sat"), ("dog", "lay"), ("bird", "sang"))
    for place, thing in (("mat", "ball"), ("roof", "stick"), ("tree", "leaf"), ("log", "bone"))
]
OTHER_SENTENCES = [f"{number} ships sailed to port {number * number} at noon\n" for number in range(90)]


@pytest.fixture
def count(tmp_path):
    """`count(lines, *assignments, valid=None)`: train n-grams on lines of text; `valid` is the validation text."""

    def run(lines, *assignments, valid=None, **options):
        (tmp_path / "text.txt").write_text("".join(lines))
        asked = ["preset=ngram", *assignments]
        if valid is not None:
            (tmp_path / "held-out.txt").write_text("".join(valid))
            asked.append(f"validation.file={tmp_path / 'held-out.txt'}")
        elif not any(each.startswith("validation.") for each in assignments):
            asked.append("validation.fraction=0")
        return train([str(tmp_path / "text.txt")], tmp_path / "model", read_settings(assignments=asked), **options)

    return run


def kept(tmp_path):
    return (tmp_path / "model/current/valid.txt").read_text()


def test_a_generation_keeps_its_validation_text_among_its_sound_files(count, tmp_path):
    count(SENTENCES[5:], valid=SENTENCES[:5])

    assert kept(tmp_path) == "".join(SENTENCES[:5])
    assert verify_bundle(tmp_path / "model/current").record.files["valid.txt"].bytes == len(kept(tmp_path))


def test_without_new_validation_text_the_kept_one_decides(count, tmp_path):
    count(SENTENCES[10:], valid=SENTENCES[:10])

    with pytest.raises(QualityGateError) as caught:
        count(OTHER_SENTENCES)

    new, published = (
        evaluate_file(
            lmctl.load(tmp_path / "model" / bundle), str(tmp_path / "model/current/valid.txt"), state="carry"
        )
        for bundle in ("work/rejected", "current")
    )
    assert str(caught.value).startswith(
        "not published: on the validation text that the current generation keeps, "
    )
    assert f"({new.bits_per_character:.4f} against {published.bits_per_character:.4f} bits" in str(caught.value)
    # A model that is as good replaces it, and keeps the text for the next one.
    assert count(SENTENCES).published.endswith("000002")
    assert kept(tmp_path) == "".join(SENTENCES[:10])
    with pytest.raises(QualityGateError):
        count(OTHER_SENTENCES)


def test_with_new_validation_text_the_kept_one_guards_against_another_text(count, tmp_path):
    count(SENTENCES[10:], valid=SENTENCES[:10])

    # The new model is far better on its own validation text, but much worse on the kept text.
    with pytest.raises(QualityGateError, match="that the current generation keeps, the new model is"):
        count(OTHER_SENTENCES[10:], valid=OTHER_SENTENCES[:10])

    assert (
        count(OTHER_SENTENCES[10:], "publishing.drift_tolerance=99", valid=OTHER_SENTENCES[:10]).outcome
        == "published"
    )
    assert kept(tmp_path) == "".join(OTHER_SENTENCES[:10])


def test_both_comparisons_are_told(count, tmp_path):
    seen = []
    count(SENTENCES[10:], valid=SENTENCES[:10])
    count(SENTENCES[10:], valid=SENTENCES[:12], on_event=seen.append)

    told = [(event.text, event.tolerance) for event in seen if isinstance(event, GateDone)]
    assert told == [("validation", 0.01), ("kept", 0.2)]


def test_a_run_whose_model_nothing_could_be_compared_with_is_refused_before_it_trains(
    count, tmp_path, monkeypatch
):
    count(SENTENCES)
    monkeypatch.setattr("lmctl.jobs.train.run.EstimationFit", None)

    with pytest.raises(QualityGateError) as caught:
        count(SENTENCES[1:] + OTHER_SENTENCES)

    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "not trained: there is no text to compare the new model with the current one: the corpus has no "
        "validation text, and the current generation keeps none. --valid FILE names a validation text; "
        "--no-gate publishes without a comparison"
    )
    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.message) == ("rejected", 3, str(caught.value))


def test_no_gate_publishes_a_model_that_cannot_be_compared(count):
    count(SENTENCES)

    assert count(OTHER_SENTENCES, "publishing.gate=false").published.endswith("000002")


def test_without_the_gate_too_the_text_of_the_generation_before_is_kept(count, tmp_path):
    count(SENTENCES[10:], valid=SENTENCES[:10])
    count(OTHER_SENTENCES, "publishing.gate=false")

    assert kept(tmp_path) == "".join(SENTENCES[:10])


@pytest.mark.parametrize("asked", [(), ("text.stop_words={}",)], ids=["no validation text", "stop words"])
def test_a_text_that_has_only_grown_needs_no_comparison(count, tmp_path, asked):
    (tmp_path / "stop.txt").write_text("the\n")
    asked = [each.format(tmp_path / "stop.txt") for each in asked]
    count(SENTENCES, *asked)

    assert count([*SENTENCES, *OTHER_SENTENCES], *asked).published.endswith("000002")
    # With other settings, the model may be worse.
    with pytest.raises(QualityGateError, match="not trained: "):
        count([*SENTENCES, *OTHER_SENTENCES, "more\n"], "model.order=1", *asked)


def test_with_stop_words_left_out_nothing_is_compared(count, tmp_path):
    (tmp_path / "stop.txt").write_text("the\n")
    count(SENTENCES[10:], f"text.stop_words={tmp_path / 'stop.txt'}", valid=SENTENCES[:10])

    with pytest.raises(QualityGateError, match="not trained: stop words are left out of the text, so bits per"):
        count(SENTENCES[11:], valid=SENTENCES[:10])


def test_a_refusal_is_repeated_only_as_long_as_its_model_is_kept(count, tmp_path, monkeypatch):
    rejected = tmp_path / "model/work/rejected"
    count(SENTENCES[10:], valid=SENTENCES[:10])
    with pytest.raises(QualityGateError):
        count(OTHER_SENTENCES)
    first = open_bundle(rejected).record.sha256

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as cut_off:
        cut_off.setattr("lmctl.jobs.train.run.save_rejection", killed)
        with pytest.raises(KeyboardInterrupt):
            count(OTHER_SENTENCES[1:])
    assert open_bundle(rejected).record.sha256 != first

    with pytest.raises(QualityGateError, match=f"It is kept in {rejected};"):
        count(OTHER_SENTENCES)
    assert open_bundle(rejected).record.sha256 == first


def test_a_published_model_that_cannot_be_opened_is_said_and_nothing_takes_its_place(count, tmp_path):
    first = Path(count(SENTENCES[10:], valid=SENTENCES[:10]).published)
    (first / "vocabulary.tsv").write_bytes(b"")

    with pytest.raises(QualityGateError) as caught:
        count(SENTENCES[9:], valid=SENTENCES[:9])

    assert "the current one, which cannot be opened" in str(caught.value)
    assert f"{first / 'vocabulary.tsv'}: damaged" in str(caught.value)
    assert count(SENTENCES[9:], "publishing.gate=false", valid=SENTENCES[:9]).published.endswith("000002")


@pytest.mark.parametrize(("change", "published"), [(-1, True), (1, False)], ids=["older", "newer"])
def test_a_published_model_of_an_older_format_is_replaced_without_a_gate(
    count, tmp_path, caplog, change, published
):
    first = Path(count(SENTENCES[10:], valid=SENTENCES[:10]).published)
    record = first / "model.json"
    version = f'"format_version": {FORMAT_VERSION}'
    assert version in record.read_text()
    record.write_text(record.read_text().replace(version, f'"format_version": {FORMAT_VERSION + change}'))

    if published:
        assert count(SENTENCES[9:], valid=SENTENCES[:9]).published.endswith("000002")
        assert "no gate: the published generation is of an older version of lmctl" in caplog.text
        assert record.exists()
    else:
        with pytest.raises(QualityGateError, match=r"which cannot be opened .*upgrade lmctl"):
            count(SENTENCES[9:], valid=SENTENCES[:9])


def test_a_published_model_that_was_trained_on_the_validation_text_is_named(count, tmp_path):
    # A glob may also match the validation file.
    (tmp_path / "held-out.txt").write_text("".join(OTHER_SENTENCES[:20]))
    texts = [str(tmp_path / "text.txt"), str(tmp_path / "held-out.txt")]
    (tmp_path / "text.txt").write_text("".join(SENTENCES))
    (tmp_path / "valid.txt").write_text("".join(SENTENCES[:5]))
    asked = ["preset=ngram", f"validation.file={tmp_path / 'valid.txt'}"]
    train(texts, tmp_path / "model", read_settings(assignments=asked))

    with pytest.raises(QualityGateError) as caught:
        count(SENTENCES, valid=OTHER_SENTENCES[:20])

    named = f"But the current one was trained on {tmp_path / 'held-out.txt'} and looks better there than it is."
    assert named in str(caught.value)


def test_a_published_model_that_held_nothing_out_may_look_better_than_it_is_and_that_is_said(count):
    many = [line.replace("cat", f"cat{number}") for number in range(20) for line in SENTENCES]
    count(many)

    with pytest.raises(QualityGateError, match="But the current one held nothing out: if it was trained on these"):
        count(many, "validation.fraction=0.05")


HELD_OUT_LESS = (
    " But the current one held out 0.1 of its text, not 0.2: it was trained on some of these lines, and looks "
    "better than it is."
)


@pytest.mark.parametrize(
    ("before", "now", "doubt"), [(0.1, 0.2, HELD_OUT_LESS), (0.2, 0.1, "")], ids=["less", "more"]
)
def test_a_published_model_that_held_out_fewer_lines_may_look_better_than_it_is(count, before, now, doubt):
    many = [line.replace("cat", f"cat{number}") for number in range(20) for line in SENTENCES]
    count(many, f"validation.fraction={before}")

    with pytest.raises(QualityGateError) as caught:
        count(many, f"validation.fraction={now}", "model.order=1")

    assert f"bits per character; 1 % is allowed).{doubt} It is kept in" in str(caught.value)


@pytest.mark.usefixtures("eagerly")
def test_a_foreign_folder_named_rejected_stays(good, tmp_path, retrain, caplog):
    theirs = tmp_path / "model/work/rejected/theirs.txt"
    theirs.parent.mkdir()
    theirs.write_text("theirs")

    with pytest.raises(QualityGateError, match=r"It is kept in .*/work/rejected-2;"):
        retrain()
    verify_bundle(tmp_path / "model/work/rejected-2")
    assert theirs.read_text() == "theirs"
    assert "rejected: not removed; theirs.txt in it is no file of lmctl" in caplog.text
