"""Copies of a network side by side, in another process, because a process can set up devices only once."""

import json
import subprocess
import sys

import pytest

# Two logical devices on one processor stand for two GPUs.
PROGRAM = """
import json, sys
from pathlib import Path
from lmctl.config import read_settings
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.training.loading import load_tensorflow
load_tensorflow(verbose=False)
import tensorflow as tf
from lmctl.training.devices import Device, mirrored
from lmctl.training.setup import Setup
from lmctl.training.trainer import Trainer
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.experimental.enable_op_determinism()
corpus = PreparedCorpus.open(Path(sys.argv[1]))
config = read_settings(assignments=sys.argv[2:]).resolve()
for strategy in (tf.distribute.get_strategy(), mirrored(["CPU:0", "CPU:1"])):
    device = Device("/CPU:0", "", is_gpu=False, precision="float32", strategy=strategy)
    with device.scope():
        result = Trainer(Setup.of(corpus, config, device)).run()
    weights = {name: float(abs(weight).sum()) for name, weight in result.weights.items()}
    epochs = [
        [
            epoch.train_perplexity or epoch.train_masked_cross_entropy_nats,
            epoch.valid_perplexity or epoch.valid_masked_cross_entropy_nats,
        ]
        for epoch in result.history
    ]
    print(json.dumps({"epochs": epochs, "weights": weights}))
"""


def run(corpus, *assignments):
    command = [sys.executable, "-c", PROGRAM, str(corpus.folder), *assignments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.usefixtures("cpu")
def test_two_devices_have_the_losses_and_weights_of_one(make_corpus):
    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    # Three columns on two devices: one of them has an empty column beside its own. An untied embedding has
    # row-wise gradients, a restart ends a segment early, and an average of the weights is validated.
    settings = (
        "preset=tiny",
        "model.tied=false",
        "model.dropout=0",
        "model.input_dropout=0",
        "model.word_dropout=0",
        "model.weight_dropout=0",
        "training.batch_size=3",
        "training.num_steps=5",
        "training.epochs=4",
        "training.reset_probability=0.5",
        "training.average_decay=0.9",
    )

    one, two = run(corpus, *settings)

    for alone, together in zip(one["epochs"], two["epochs"], strict=True):
        assert together == pytest.approx(alone, rel=1e-5)
    assert two["weights"] == pytest.approx(one["weights"], rel=1e-5)
    assert one["epochs"][-1][0] < one["epochs"][0][0] - 1  # it has learned something


# A network whose loss is the seed that it gets: the first number at the first position, the second at the second.
SEEDS = """
import json
import numpy as np
import tensorflow as tf
from lmctl.corpus.batches import Segment
from lmctl.training.devices import mirrored
from lmctl.training.steps import Steps
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

class Network:
    batch_axis = 0
    def __init__(self):
        self.variable = tf.Variable(1.0)
    def named_weights(self):
        return {"variable": self.variable}
    def null_state(self, batch):
        return tf.zeros((batch, 2), tf.int32)
    def restarted(self, state, restart):
        return state
    def cross_entropy(self, inputs, targets, state, dropout_seed):
        return self.variable * tf.ones_like(targets, tf.float32), state + dropout_seed

class Optimizer:
    def apply(self, gradients, rate, step):
        pass

strategy = mirrored(["CPU:0", "CPU:1"])
with strategy.scope():
    steps = Steps(Network(), Optimizer(), strategy, scores_oov=True)
    ones = np.ones((3, 2), np.int32)
    segment = Segment(ones, ones, np.array([3, 3], np.int32), np.zeros(2, bool))
    _, state = steps.train(segment, steps.null_state(2), seed=5, step=7, rate=0.1)
    print(json.dumps(steps.export_state(state)["0"].tolist()))
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("cpu")
def test_two_devices_train_a_network_that_chooses_words_of_a_segment(make_corpus):
    """Three columns on two devices: no word of the empty column is chosen, for it has none."""
    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    settings = (
        "preset=masked-tiny",
        "model.hidden_units=8",
        "model.mask_rate=1",
        "model.dropout=0",
        "model.input_dropout=0",
        "training.batch_size=3",
        "training.num_steps=5",
        "training.epochs=20",
        "training.learning_rate=0.01",
    )

    one, two = run(corpus, *settings)

    # With all words hidden, none is drawn; the devices weight the columns by their words and tokens.
    assert two["epochs"][0] == pytest.approx(one["epochs"][0], rel=0.1)
    assert two["weights"] == pytest.approx(one["weights"], rel=0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("cpu")
def test_two_devices_draw_other_numbers_and_know_the_step():
    finished = subprocess.run([sys.executable, "-c", SEEDS], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr

    (first, first_step), (second, second_step) = json.loads(finished.stdout)

    assert first != second
    assert (first_step, second_step) == (7, 7)
