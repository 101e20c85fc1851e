"""A state of any structure and dtype, split between steps and checkpoints."""

from types import SimpleNamespace

import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.training.checkpoint import Checkpoint, Progress, RunIdentity, read_checkpoint, write_checkpoint

IDENTITY = RunIdentity(corpus={}, configuration="", threads=1, versions={})
# The id of no token, in a window before anything was read. 0 is the id of <unk>.
NOTHING = -1


class Windowed:
    """A network that keeps the last three ids and a mean; B is the first axis."""

    batch_axis = 0

    def null_state(self, batch):
        import tensorflow as tf

        return {"window": tf.fill((batch, 3), NOTHING), "mean": tf.zeros((batch, 2))}

    def restarted(self, state, restart):
        import tensorflow as tf

        null = self.null_state(len(restart))
        return tf.nest.map_structure(lambda old, new: tf.where(restart[:, None], new, old), state, null)

    def cross_entropy(self, inputs, targets, state, dropout_seed):  # noqa: ARG002
        import tensorflow as tf

        # The loss shows the start: the number of missing ids in each window.
        none = tf.reduce_sum(tf.cast(state["window"] == NOTHING, tf.float32), axis=1)
        window = tf.concat([state["window"], tf.transpose(inputs)], axis=1)[:, -3:]
        return tf.ones(targets.shape) * none, {"window": window, "mean": state["mean"] + 0.5}


@pytest.fixture
def steps(cpu, eagerly):
    import tensorflow as tf

    from lmctl.training.steps import Steps

    return Steps(Windowed(), None, tf.distribute.get_strategy(), scores_oov=True)


def segment(restart):
    ids = np.array([[1, 2], [3, 4]], np.int32)
    return SimpleNamespace(inputs=ids, targets=ids, lengths=np.array([2, 2], np.int32), restart=np.array(restart))


def test_a_column_restarts_as_its_network_says(steps):
    _, _, state = steps.validate(segment([False, False]), steps.null_state(2))

    # Two of three ids exist. The second column starts without ids at both of its positions.
    assert steps.validate(segment([False, False]), state)[0] == 2 * 1 + 2 * 1
    assert steps.validate(segment([False, True]), state)[0] == 2 * 1 + 2 * 3


def test_a_checkpoint_keeps_every_tensor_of_a_state_in_its_own_dtype(steps, tmp_path):
    _, _, state = steps.validate(segment([False, False]), steps.null_state(2))
    arrays = {f"state/{name}": array for name, array in steps.export_state(state).items()}
    write_checkpoint(tmp_path / "checkpoint", IDENTITY, Checkpoint(Progress(), arrays))

    _, checkpoint = read_checkpoint(tmp_path / "checkpoint")

    found = steps.import_state(checkpoint.part("state"), 2)
    assert found["window"].dtype == np.int32
    np.testing.assert_array_equal(found["window"], [[NOTHING, 1, 3], [NOTHING, 2, 4]])
    np.testing.assert_array_equal(found["mean"], np.full((2, 2), 0.5, np.float32))


@pytest.mark.parametrize("wrong", [np.zeros((2, 4), np.int32), np.zeros((2, 3), np.float32)])
def test_a_state_of_another_shape_or_dtype_is_refused(steps, wrong):
    exported = steps.export_state(steps.null_state(2))

    # Dictionaries are in the order of their keys (tf.nest): 0 is the mean, 1 the window.
    with pytest.raises(ValueError, match="state 1 is"):
        steps.import_state(exported | {"1": wrong}, 2)


def test_only_a_state_may_have_numbers_that_are_not_float32(tmp_path):
    arrays = {"weights/a": np.zeros(2, np.int32)}
    write_checkpoint(tmp_path / "checkpoint", IDENTITY, Checkpoint(Progress(), arrays))

    with pytest.raises(DataError, match="weights/a is not an array of finite float32 numbers"):
        read_checkpoint(tmp_path / "checkpoint")
