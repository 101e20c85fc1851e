"""The contract of training: a short text, a killed run, and a network that agrees with its runtime."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from family_contract import FILLS_GAPS, FITTED, NETWORKS, ROOT, TRAINED, lmctl, settings, start
from waiting import LONGEST_SECONDS

from lmctl import families
from lmctl.config import config_from_yaml
from lmctl.families.network import NetworkOptions
from lmctl.store.bundle import open_bundle

# The command, which is killed when it has a second checkpoint to write.
KILLED = """
import os, signal
from lmctl.jobs.train import resume
written = []
def write(*arguments, before=resume.write_checkpoint):
    if written:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(before(*arguments))
resume.write_checkpoint = write
from lmctl.cli import main
main()
"""


@pytest.mark.parametrize("name", FITTED)
def test_four_sentences_are_enough_text_with_a_warning(name, tmp_path):
    process = start(
        "train", ROOT / "corpora/four-sentences.txt", "-o", tmp_path / "model", "--set", f"model.family={name}"
    )
    _, err = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == 0, err
    assert "too little text to hold out" in err
    assert lmctl("fill", "-m", tmp_path / "model", "编程___一种艺术。", "-k", "1", "--format", "words") == "是\n"
    if name in FILLS_GAPS:
        return
    # It starts the second sentence, and follows 爱 in the middle of the first one.
    assert lmctl("predict", "-m", tmp_path / "model", "编程", "-k", "1", "--format", "words") == "是\n"


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_and_the_runtime_agree(name, models):
    import tensorflow as tf

    bundle = open_bundle((models(name) / "current").resolve())
    model, family = families.load_language_model(bundle), families.find(name)
    token_ids = np.random.default_rng(3).integers(0, model.vocabulary_size, (9, 4)).astype(np.int32)
    config = config_from_yaml(bundle.read("config.yaml").decode()).model
    options = NetworkOptions(0.1, seed=5, precision="float32", is_gpu=False, token_ids=token_ids.ravel())
    network = family.network(bundle.sizes, config, options)
    network.import_weights(bundle.weights())

    nats, state = network.cross_entropy(
        tf.constant(token_ids[:-1]), tf.constant(token_ids[1:]), network.null_state(4), None
    )

    scores, _ = model.score(token_ids[:-1], token_ids[1:], np.full(4, 8), model.null_state(4))
    np.testing.assert_allclose(-nats.numpy(), scores.log_probs, atol=1e-4)
    # Columns that restart answer as after the null state; the others continue.
    restart = tf.constant([True, False, True, False])
    again, _ = network.cross_entropy(
        tf.constant(token_ids[:-1]), tf.constant(token_ids[1:]), network.restarted(state, restart), None
    )
    np.testing.assert_allclose(again.numpy()[:, [0, 2]], nats.numpy()[:, [0, 2]], atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_that_was_killed_ends_with_the_bytes_of_one_that_was_not(name, corpus, models, tmp_path):
    arguments = ("train", corpus, "-o", tmp_path / "model", *settings(name))
    process = start(*arguments, "--set", "publishing.checkpoint_every=0.000001s", program=("-c", KILLED))
    _, err = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == -signal.SIGKILL, err
    assert (tmp_path / "model/work/checkpoint").exists()

    lmctl(*arguments, "--resume", "require")

    for name_of_file in ("weights.safetensors", "vocabulary.tsv", "metrics.json"):
        assert (tmp_path / "model/current" / name_of_file).read_bytes() == (
            models(name) / "current" / name_of_file
        ).read_bytes()
