"""Trainings of several processes on this machine."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ports import reserved_addresses
from safetensors.numpy import load_file
from waiting import LONGEST_SECONDS, wait_until

pytestmark = pytest.mark.slow

# An untied embedding has row-wise gradients, and a restart ends a segment early.
NETWORK = (
    *("preset=tiny", "model.tied=false", "model.embedding_dim=8", "model.hidden_units=8", "device.threads=1"),
    *(
        "training.batch_size=7",
        "training.num_steps=5",
        "training.reset_probability=0.5",
        "training.with_ngram=false",
    ),
)
NO_DROPOUT = ("model.dropout=0", "model.input_dropout=0", "model.word_dropout=0", "model.weight_dropout=0")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A prepared corpus of a few sentences."""
    return prepared(tmp_path_factory.mktemp("corpus"), 3)


def prepared(place, copies):
    """A prepared corpus of a few sentences, each several times."""
    text = ("the cat sat on the mat", "a dog ran after the cat", "the bird sang", "a cat saw a bird and a dog")
    (place / "train.txt").write_text("\n".join(text * copies) + "\n")
    (place / "valid.txt").write_text("the dog sat on a mat\na bird saw the cat\n")
    lmctl("prepare", place / "train.txt", "--valid", place / "valid.txt", "-o", place / "corpus")
    return place / "corpus"


def started(*arguments):
    command = [sys.executable, "-m", "lmctl", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    """Exit code and messages of a process."""
    _, messages = process.communicate(timeout=LONGEST_SECONDS)
    return process.returncode, messages


def lmctl(*arguments):
    code, messages = ended(started(*arguments))
    assert code == 0, messages


def settings(*assignments):
    return [word for assignment in (*NETWORK, *assignments) for word in ("--set", assignment)]


@contextlib.contextmanager
def training(workers, corpus, model, *assignments):
    """Start the workers of a training, and kill those that are left at the end of the block."""
    log = ("--log-json", f"{model}.log")
    with contextlib.ExitStack() as stack:
        addresses = ",".join(stack.enter_context(reserved_addresses(workers)))
        asked = settings("device.timeout=5m", *assignments)
        processes = []
        for number in range(workers):
            arguments = ("--workers", addresses, "--worker", number, *(log if number == 0 else ()))
            processes.append(started("train", corpus, "-o", model, *asked, *arguments))
            stack.callback(processes[-1].communicate)
            stack.callback(processes[-1].kill)
        yield processes


def events(model):
    log = Path(f"{model}.log")
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def count(model, kind):
    """Number of events of a kind that the chief has logged, in all runs."""
    return sum(event["event"] == kind for event in events(model))


def epochs(model):
    """Training and validation perplexity of each epoch, of all runs."""
    return [
        (event["train_perplexity"], event["valid_perplexity"])
        for event in events(model)
        if event["event"] == "epoch_done"
    ]


def weights(model):
    (generation,) = (model / "generations").glob("0*")
    return generation / "weights.safetensors"


def test_three_workers_have_the_losses_and_weights_of_one(corpus, tmp_path):
    """Seven columns on three workers: the last one has an empty column beside its own."""
    keys = (*NO_DROPOUT, "training.epochs=4", "training.average_decay=0.9")
    lmctl("train", corpus, "-o", tmp_path / "one", "--log-json", tmp_path / "one.log", *settings(*keys))

    with training(3, corpus, tmp_path / "three", *keys) as processes:
        assert [ended(process) for process in processes] == [(0, "")] * 3

    assert len(epochs(tmp_path / "one")) == 4
    np.testing.assert_allclose(epochs(tmp_path / "three"), epochs(tmp_path / "one"), rtol=1e-5)
    alone, together = (load_file(weights(tmp_path / name)) for name in ("one", "three"))
    assert alone.keys() == together.keys()
    for name, array in alone.items():
        np.testing.assert_allclose(together[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.long
def test_a_training_whose_workers_are_killed_at_random_instants_continues_to_the_same_bytes(tmp_path):
    # An epoch, which ends with a checkpoint, has some 80 steps.
    corpus = prepared(tmp_path, 60)
    # The schedule `plateau` would end the training's progress early, and with it what a kill could spoil.
    keys = ("training.schedule=constant", "training.steps=1500", "training.patience=100000")
    with training(2, corpus, tmp_path / "whole", *keys) as processes:
        assert [ended(process)[0] for process in processes] == [0, 0]

    keys += ("publishing.checkpoint_every=0.1s",)
    cut, dice, kills = tmp_path / "cut", np.random.default_rng(1), 0
    while kills < 20:
        saved = count(cut, "checkpoint_saved")
        with training(2, corpus, cut, *keys) as processes:
            chief = processes[0]
            wait_until(
                lambda: (
                    count(cut, "checkpoint_saved") > saved  # noqa: B023
                    or any(process.poll() is not None for process in processes)
                )
            )
            time.sleep(dice.random())
            number = int(dice.integers(2))
            processes[number].send_signal(signal.SIGKILL)
            code, message = ended(processes[1 - number])
        if chief.poll() == 0 or list((cut / "generations").glob("0*")):
            # The kill came too late. On a busy machine, that may be the first one.
            if kills:
                break
            shutil.rmtree(cut)
            continue
        assert code == 75, message
        assert message.startswith(f"lmctl: worker {number} (127.0.0.1:")
        assert "the same commands on all hosts continue" in message
        kills += 1

    with training(2, corpus, cut, *keys) as processes:
        assert [ended(process)[0] for process in processes] == [0, 0]
    assert set(epochs(cut)) == set(epochs(tmp_path / "whole"))
    assert weights(cut).read_bytes() == weights(tmp_path / "whole").read_bytes()


def test_a_signal_to_one_worker_ends_all(corpus, tmp_path):
    keys = ("training.steps=100000", "training.patience=100000", "training.epochs=100000")
    model = tmp_path / "model"
    with training(2, corpus, model, *keys) as (chief, worker):
        wait_until(lambda: count(model, "checkpoint_saved") or chief.poll() is not None)
        worker.send_signal(signal.SIGTERM)
        ends = ended(chief), ended(worker)

    assert [code for code, _ in ends] == [75, 143]
    assert "worker 1 (127.0.0.1:" in ends[0][1]
    assert "was interrupted" in ends[0][1]
