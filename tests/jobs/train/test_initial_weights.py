import os
import signal
from pathlib import Path

import numpy as np
import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.errors import DataError, InputMissingError, InterruptedRunError, UsageError
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.run import plan, train
from lmctl.jobs.train.training_job import Policies
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.model_record import FORMAT_VERSION
from lmctl.store.runs import RunLog
from lmctl.store.writing import amend_bundle, weights_file
from lmctl.training.events import Drift, StepDone

pytestmark = pytest.mark.usefixtures("eagerly")

# With this learning rate, the weights stay as they start.
NO_TRAINING = ("training.learning_rate=1e-30", "training.epochs=1", "publishing.gate=false")
MORE = "the gnu sat on the gnu\nthe dog and the emu\n"


@pytest.fixture
def old(text, tmp_path, settings):
    """A model that was trained on the text."""
    return train([text], tmp_path / "old", settings())


@pytest.fixture
def grown(text, tmp_path):
    """The text of the day after."""
    path = tmp_path / "grown.txt"
    path.write_text(Path(text).read_text() + MORE)
    return str(path)


def test_a_model_starts_from_the_weights_of_another(old, text, tmp_path, settings):
    train([text], tmp_path / "new", settings(*NO_TRAINING, f"training.init_from={tmp_path / 'old'}"))

    before, after = lmctl.load(tmp_path / "old"), lmctl.load(tmp_path / "new")
    assert after.vocabulary == before.vocabulary
    np.testing.assert_allclose(after.log_probs("the cat"), before.log_probs("the cat"), atol=1e-6)


def test_known_words_take_their_rows_along_and_new_ones_enter(old, grown, tmp_path, settings):
    asked = settings(*NO_TRAINING, f"training.init_from={old.model}", "training.grow_vocabulary=true")

    train([grown], tmp_path / "new", asked)

    before, after = lmctl.load(tmp_path / "old"), lmctl.load(tmp_path / "new")
    assert set(after.vocabulary.words) == {*before.vocabulary.words, "gnu", "emu"}
    places = after.vocabulary.encode(before.vocabulary.words[2:])
    # The text counts emu as often as some old words, but the old words keep their order.
    assert places == list(range(2, len(before.vocabulary)))
    # The logits of old words do not change. New words take the same share of probability from all old words.
    shift = after.log_probs("the cat")[places] - before.log_probs("the cat")[2:]
    np.testing.assert_allclose(shift, shift[0], atol=1e-5)
    assert -1 < shift[0] < 0


def test_words_stay_in_their_clusters(text, grown, tmp_path, settings):
    clustered = train([text], tmp_path / "old", settings("model.cutoffs=5,8"))
    asked = settings(*NO_TRAINING, f"training.init_from={clustered.model}", "training.grow_vocabulary=true")

    after = train([grown], tmp_path / "new", asked)

    assert open_bundle(Path(after.published)).config().model.cutoffs == "5,8"
    assert (after.drift["rows_kept"], after.drift["rows_moved"], after.drift["rows_new"]) == (11, 0, 2)


def test_clusters_of_the_older_model_are_no_change_of_the_settings(tmp_path, settings):
    # Without a validation text, the gate asks whether the settings are the same. 2,100 words make four clusters.
    words = [f"w{number}" for number in range(2100)]
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(words[first : first + 50]) + "\n" for first in range(0, 2100, 50)))
    assigned = ("training.init_from=current", "training.epochs=1", "model.softmax=adaptive")
    asked = settings(*assigned, "publishing.gate=true")
    first = train([str(text)], tmp_path / "model", asked)

    for _ in range(2):
        text.write_text(text.read_text() + "w0 w1 w2\n")
        later = train([str(text)], tmp_path / "model", asked)
        assert later.outcome == "published"

    assert open_bundle(Path(first.published)).config().model.cutoffs is None
    assert len(open_bundle(Path(later.published)).config().model.cutoffs.split(",")) == 3


def test_a_cluster_shrinks_by_the_words_that_are_gone(text, tmp_path, settings):
    clustered = train([text], tmp_path / "old", settings("model.cutoffs=5,8"))
    words = lmctl.load(tmp_path / "old").vocabulary.words
    fewer = tmp_path / "fewer.txt"
    fewer.write_text(" ".join(word for word in words[2:] if word not in {words[3], words[9]}) + "\n")

    after = train([str(fewer)], tmp_path / "new", settings(*NO_TRAINING, f"training.init_from={clustered.model}"))

    assert open_bundle(Path(after.published)).config().model.cutoffs == "4,7"
    assert (after.drift["rows_kept"], after.drift["rows_moved"], after.drift["rows_gone"]) == (9, 0, 2)


def test_cutoffs_that_are_set_are_not_the_old_models(text, tmp_path, settings):
    clustered = train([text], tmp_path / "old", settings("model.cutoffs=5,8"))
    asked = settings(*NO_TRAINING, f"training.init_from={clustered.model}", 'model.cutoffs="6"')

    after = train([text], tmp_path / "new", asked)

    assert open_bundle(Path(after.published)).config().model.cutoffs == "6"
    assert after.drift["rows_moved"] > 0


def test_without_growing_only_the_old_models_words_are_chosen_from(old, grown, tmp_path, settings):
    train([grown], tmp_path / "new", settings(f"training.init_from={old.model}"))

    assert set(lmctl.load(tmp_path / "new").vocabulary.words) == set(lmctl.load(tmp_path / "old").vocabulary.words)


def test_current_is_the_published_generation_and_at_first_there_is_none(text, grown, valid, tmp_path, settings):
    asked = settings("training.init_from=current", "training.grow_vocabulary=true", f"validation.file={valid}")

    first = train([text], tmp_path / "model", asked)
    events = []
    second = train([grown], tmp_path / "model", asked, on_event=events.append)

    assert first.drift is None
    (drift,) = [event for event in events if isinstance(event, Drift)]
    # None of the 19 words of the text is new. Of the 11 words after them, gnu (twice) and emu (once) are.
    words = open_bundle(Path(second.published)).record.corpus.train.words
    assert drift.oov_rate == pytest.approx(3 / words)
    assert drift.new_words == [("gnu", 2), ("emu", 1)]
    assert (drift.rows_kept, drift.rows_moved, drift.rows_new, drift.rows_gone) == (11, 0, 2, 0)
    assert drift.model_sha256 == open_bundle(Path(first.published)).record.sha256
    # The first run measured its perplexity on the same lines, under the same vocabulary.
    assert drift.valid_perplexity is not None
    assert drift.valid_state == "carry"
    # zebra and gnu, of 20 words.
    assert drift.valid_oov_rate == pytest.approx(2 / 20)
    # By hand: MORE has 11 words and 2 ends.
    new_text = 13 / open_bundle(Path(second.published)).record.corpus.train.tokens
    assert drift.new_text == pytest.approx(new_text)
    assert drift.rate_factor == pytest.approx(new_text + 0.05 * (1 - new_text))
    assert second.drift["new_words"] == [["gnu", 2], ["emu", 1]]
    assert RunLog(ModelFolder(tmp_path / "model")).read()[-1].drift == second.drift


def test_the_perplexity_of_the_old_model_is_the_one_it_had(text, valid, tmp_path, settings):
    asked = [f"validation.file={valid}", "vocabulary.min_count=2", "validation.state=reset"]
    first = train([text], tmp_path / "model", settings(*asked))

    second = train([text], tmp_path / "model", settings(*asked, "training.init_from=current"))

    assert second.drift["valid_perplexity"] == pytest.approx(first.valid_perplexity, rel=1e-4)


def test_sizes_that_are_not_set_are_the_old_models(old, text, tmp_path):
    asked = read_settings(
        assignments=["validation.fraction=0", "device.placement=cpu", f"training.init_from={old.model}"]
    )

    planned = plan([text], tmp_path / "new", asked)

    assert (
        planned.config.model.embedding_dim,
        planned.config.model.hidden_units,
        planned.config.model.layers,
    ) == (8, 8, 1)
    assert planned.config.preset == "tiny"


@pytest.mark.parametrize("assignment", ["model.hidden_units=9", "model.tied=false", "model.layers=2"])
def test_another_size_than_the_old_models_is_refused(old, text, tmp_path, settings, assignment):
    with pytest.raises(UsageError, match=rf"{assignment.split('=')[0]}: .* does not fit the model .* has "):
        train([text], tmp_path / "new", settings(f"training.init_from={old.model}", assignment))


def test_an_old_model_that_is_missing_is_named(text, tmp_path, settings):
    with pytest.raises(InputMissingError, match="nowhere: no such model"):
        train([text], tmp_path / "new", settings("training.init_from=nowhere"))

    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("assignment", ["training.grow_vocabulary=true", "training.gone_words=keep"])
def test_settings_that_need_an_older_model_are_refused_without_one(settings, assignment):
    with pytest.raises(UsageError, match=rf"{assignment.split('=')[0]}: needs training.init_from"):
        settings(assignment).resolve()


def test_a_prepared_folder_brings_its_own_vocabulary(old, grown, tmp_path, settings):
    prepare([grown], tmp_path / "corpus", settings().resolve())
    asked = read_settings(
        assignments=["preset=tiny", "device.placement=cpu", f"training.init_from={old.model}", "training.epochs=1"]
        + [f"model.{name}=8" for name in ("embedding_dim", "hidden_units")]
        + ["model.layers=1"]
    )

    trained = train([str(tmp_path / "corpus")], tmp_path / "new", asked)

    assert trained.drift["new_words"] == [["gnu", 2], ["emu", 1]]
    assert trained.drift["rows_new"] == 2
    with pytest.raises(UsageError, match=r"training.grow_vocabulary: .* is prepared already"):
        train(
            [str(tmp_path / "corpus")],
            tmp_path / "new",
            read_settings(assignments=[f"training.init_from={old.model}", "training.grow_vocabulary=true"]),
        )


def test_a_run_that_is_killed_once_it_has_published_is_not_run_again_on_its_own_result(
    text, grown, tmp_path, settings, monkeypatch
):
    asked = settings("training.init_from=current", "training.grow_vocabulary=true")
    train([text], tmp_path / "model", asked)

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lmctl.jobs.train.run.save_request", kill)
        with pytest.raises(KeyboardInterrupt):
            train([grown], tmp_path / "model", asked)
    folder = ModelFolder(tmp_path / "model")
    assert (folder.numbers(), (folder.work / "checkpoint").exists()) == ([1, 2], True)
    again = train([grown], tmp_path / "model", asked)

    assert again.published == str(folder.generation(2))
    assert folder.numbers() == [1, 2]
    assert not (folder.work / "checkpoint").exists()
    assert train([grown], tmp_path / "model", asked).outcome == "unchanged"


def test_another_old_model_is_another_run(old, text, tmp_path, settings):
    asked = settings(f"training.init_from={old.model}")
    first = train([text], tmp_path / "new", asked)

    assert train([text], tmp_path / "new", asked).outcome == "unchanged"
    train([text], tmp_path / "old", settings("training.seed=2"))

    second = train([text], tmp_path / "new", asked)
    assert (second.outcome, second.drift["model_sha256"] != first.drift["model_sha256"]) == ("published", True)


def test_a_warm_start_that_was_cut_off_is_continued_to_the_same_bytes(old, grown, tmp_path, settings):
    asked = settings(f"training.init_from={old.model}", "training.grow_vocabulary=true", "training.epochs=3")
    whole = train([grown], tmp_path / "whole", asked)

    def interrupt(event):
        if isinstance(event, StepDone) and event.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train([grown], tmp_path / "cut", asked, on_event=interrupt)
    resumed = train([grown], tmp_path / "cut", asked, Policies(resume="require"))

    weights = [Path(run.published, "weights.safetensors").read_bytes() for run in (whole, resumed)]
    assert weights[0] == weights[1]


def test_a_warm_start_goes_on_with_the_second_moments_of_the_optimizer(old, grown, tmp_path, settings):
    keys = ("training.optimizer=adam", f"training.init_from={old.model}", "training.grow_vocabulary=true")
    before = open_bundle(Path(old.published))
    new = train([grown], tmp_path / "new", settings(*NO_TRAINING, *keys))
    after = open_bundle(Path(new.published))

    moments = [bundle.moments() for bundle in (before, after)]
    assert [moment["steps"].tolist() for moment in moments] == [[old.steps], [old.steps + new.steps]]
    # Each step keeps 0.999 of a mean, and adds to it.
    rows = [moment["embedding/rows"] for moment in moments]
    known = len(before.vocabulary())
    assert len(rows[1]) == known + 2
    assert (rows[1][:known] >= 0.999 * 0.999**new.steps * rows[0]).all()


def test_a_model_without_second_moments_is_started_from_all_the_same(old, grown, tmp_path, settings):
    before = open_bundle(Path(old.published))
    (before.folder / "moments.safetensors").unlink()
    files = {name: record for name, record in before.record.files.items() if name != "moments.safetensors"}
    amend_bundle(before, files=files)

    new = train([grown], tmp_path / "new", settings(*NO_TRAINING, f"training.init_from={old.model}"))

    assert open_bundle(Path(new.published)).moments()["steps"].tolist() == [new.steps]


def test_second_moments_that_do_not_fit_the_weights_stop_a_warm_start_before_it_trains(
    old, grown, tmp_path, settings
):
    before = open_bundle(Path(old.published))
    moments = {name: moment for name, moment in before.moments().items() if name != "softmax.bias"}
    amend_bundle(before, {"moments.safetensors": weights_file(moments)})

    with pytest.raises(DataError, match=r"moments\.safetensors: damaged; softmax\.bias is missing$"):
        train([grown], tmp_path / "new", settings(f"training.init_from={old.model}"))

    assert ModelFolder(tmp_path / "new").current() is None


def test_a_warm_start_takes_the_steps_of_the_new_text_and_of_some_of_the_old(old, text, grown, tmp_path, settings):
    asked = settings(f"training.init_from={old.model}", "training.epochs=20")
    of_all = settings(f"training.init_from={old.model}", "training.epochs=20", "training.rehearsal=1")

    short = train([grown], tmp_path / "short", asked)
    alike = train([grown], tmp_path / "alike", of_all)

    assert alike.drift["rate_factor"] == 1
    assert alike.epochs == 20
    tokens = alike.tokens / 20
    new_text = 13 / tokens
    share = new_text + 0.05 * (1 - new_text)
    assert short.drift["new_text"] == pytest.approx(new_text)
    assert short.epochs == round(20 * share)
    # The few old sentences are drawn whole.
    assert short.tokens == pytest.approx(20 * share * tokens, rel=0.2)


def test_a_text_that_has_not_changed_is_read_whole(old, text, tmp_path, settings):
    again = train([text], tmp_path / "again", settings(f"training.init_from={old.model}", "training.epochs=2"))

    assert (again.drift["new_text"], again.drift["rate_factor"], again.epochs) == (0, 1, 2)


def test_a_current_generation_of_an_older_format_is_not_started_from(text, grown, tmp_path, settings, caplog):
    asked = settings("training.init_from=current")
    record = Path(train([text], tmp_path / "model", asked).published) / "model.json"
    version = f'"format_version": {FORMAT_VERSION}'
    record.write_text(record.read_text().replace(version, f'"format_version": {FORMAT_VERSION - 1}'))

    trained = train([grown], tmp_path / "model", asked)

    assert (trained.outcome, trained.drift) == ("published", None)
    assert (
        "make the model again with lmctl train, import or mix; so training starts from random weights"
        in caplog.text
    )
