"""The event files of a run, read by TensorBoard's own reader."""

import logging
import sys

import pytest

from lmctl.errors import MissingExtraError
from lmctl.jobs.watching.events import CacheTuned, Compared, GateDone, RunEnded
from lmctl.jobs.watching.tensorboard import TensorBoardLog
from lmctl.training.events import EpochDone, StepDone


class Clock:
    """A clock that the test moves."""

    seconds = 1000.0

    def __call__(self):
        return self.seconds


def scalars(folder):
    """The scalars of a folder as TensorBoard reads them: tag -> (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    found = EventAccumulator(str(folder))
    found.Reload()
    tags = [tag for tag, data in found.summary_metadata.items() if data.plugin_data.plugin_name == "scalars"]
    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in found.Tensors(tag)]
        for tag in tags
    }


def step(number, perplexity):
    return StepDone(1, 2, number, 10 * number, 10, 100, 50.0, perplexity, None, None)


def epoch(number, step, **figures):
    return EpochDone(
        **{
            "epoch": number,
            "step": step,
            "tokens": 100,
            "learning_rate": 0.25,
            "train_perplexity": 8.0,
            "valid_perplexity": 9.5,
            "best": True,
            "tokens_per_second": 50.0,
            "seconds": 2.0,
            **figures,
        }
    )


def ended(outcome="published", **figures):
    return RunEnded(
        outcome=outcome, exit_code=0, generation="000001", message=None, changes=None, figures=figures, seconds=1.0
    )


def test_tensorboard_reads_the_figures_of_a_run(tmp_path):
    clock = Clock()
    log = TensorBoardLog(tmp_path / "tb", clock=clock)
    for event in (step(1, 64.0), step(2, 32.0), epoch(1, 3), epoch(2, 6, valid_perplexity=None)):
        log(event)
        clock.seconds += 0.75
    log(
        Compared(
            baseline="5-grams",
            ngram_perplexity=12.0,
            network_perplexity=9.5,
            mixture_perplexity=7.5,
            weights=[0.5, 0.5],
            mixture_is_chosen=True,
            includes_oov=True,
            state="carry",
            tokens=10,
        )
    )
    log(CacheTuned(words=10, tokens=10, perplexity_without=9.5, perplexity=7.25, includes_oov=True))
    log(
        GateDone(
            text="kept",
            published_bits_per_character=1.5,
            new_bits_per_character=1.25,
            tolerance=0.01,
            passed=True,
            characters=10,
        )
    )
    log(ended(valid_perplexity=7.5, valid_pseudo_perplexity=None))

    found = scalars(tmp_path / "tb")
    # The second step came 0.75 seconds after the first one.
    assert found["step/train_perplexity"] == [(1, 64.0)]
    assert found["epoch/train_perplexity"] == [(3, 8.0), (6, 8.0)]
    assert found["epoch/valid_perplexity"] == [(3, 9.5)]
    assert found["epoch/learning_rate"] == [(3, 0.25), (6, 0.25)]
    assert found["compared/mixture_perplexity"] == [(6, 7.5)]
    assert found["cache/perplexity"] == [(6, 7.25)]
    assert found["gate/kept/new_bits_per_character"] == [(6, 1.25)]
    assert found["published/valid_perplexity"] == [(6, 7.5)]
    assert "published/valid_pseudo_perplexity" not in found


def test_a_run_without_figures_writes_no_file(tmp_path):
    TensorBoardLog(tmp_path / "tb")(ended("unchanged", valid_perplexity=7.5))

    assert list((tmp_path / "tb").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_before_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="expected a folder"):
        TensorBoardLog(tmp_path / "file")


def test_a_file_that_cannot_be_written_any_more_is_one_warning(tmp_path, caplog):
    log = TensorBoardLog(tmp_path / "tb")
    (tmp_path / "tb").rmdir()
    (tmp_path / "tb").write_text("")
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            log(epoch(number, number))
        log(ended(valid_perplexity=7.5))

    assert [record.message.count("the run goes on") for record in caplog.records] == [1]


def test_without_tensorflow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lmctl\[train\]'"):
        TensorBoardLog(tmp_path / "tb")
