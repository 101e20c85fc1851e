"""Second moments of Adam that a warm start goes on from."""

import numpy as np
import pytest

from lmctl.config import TrainingConfig
from lmctl.store.moments import STEPS
from lmctl.training.moments import carry_over, expand, summarize

# The mean of all is 4.
TABLE = np.array([[1, 3], [5, 7]], np.float32)
SHAPES = {"table": (2, 2), "bias": (2,)}


def kept(**changes):
    return summarize({"table": TABLE, "bias": np.array([8, 9], np.float32)}, 30) | changes


def test_a_matrix_is_kept_as_the_means_of_its_rows_and_columns():
    assert {name: value.tolist() for name, value in kept().items()} == {
        "steps": [30],
        "table/rows": [2, 6],
        "table/columns": [3, 5],
        "bias": [8, 9],
    }


def test_the_product_of_rows_and_columns_over_the_mean_stands_for_the_matrix():
    assert expand(kept(), "table").tolist() == [[2 * 3 / 4, 2 * 5 / 4], [6 * 3 / 4, 6 * 5 / 4]]
    assert expand(kept(), "bias").tolist() == [8, 9]


def test_a_matrix_of_rank_one_and_a_weight_without_gradients_are_kept_exactly():
    product = np.multiply.outer(np.array([1, 4, 2], np.float32), np.array([0.5, 8], np.float32))
    zeros = np.zeros((2, 3), np.float32)
    found = summarize({"product": product, "zeros": zeros}, 1)

    np.testing.assert_allclose(expand(found, "product"), product, rtol=1e-6)
    assert expand(found, "zeros").tolist() == zeros.tolist()


def test_words_take_their_rows_along_and_a_new_one_has_the_mean_of_the_known():
    carried = carry_over(kept(), {"table": (3, 2), "bias": (3,)}, dict.fromkeys(SHAPES, np.array([1, -1, 0])))

    assert {name: value.tolist() for name, value in carried.items()} == {
        "steps": [30],
        "table/rows": [6, 4, 2],
        "table/columns": [3, 5],
        "bias": [9, 8.5, 8],
    }


@pytest.mark.parametrize(
    ("shapes", "origin"),
    [
        ({"other": (2, 2)}, [0, 1]),
        ({"table": (2, 3)}, [0, 1]),
        ({"table": (2, 2, 1)}, [0, 1]),
        ({"table": (3, 2)}, [0, 1]),
        # No word is known, or one is beyond the older table.
        ({"table": (2, 2)}, [-1, -1]),
        ({"table": (2, 2)}, [0, 2]),
    ],
)
def test_moments_of_another_network_are_not_carried_over(shapes, origin):
    assert carry_over(kept(), shapes, {"table": np.array(origin)}) is None


@pytest.mark.parametrize("changes", [{STEPS: np.array(1)}, {"table/rows": TABLE}])
def test_moments_of_another_form_are_not_carried_over(changes):
    assert carry_over(kept(**changes), SHAPES, {}) is None


def test_adam_goes_on_with_the_second_moment_and_without_the_first(cpu):
    import tensorflow as tf

    from lmctl.training.optimizers import Optimizer

    optimizer = Optimizer(
        {"bias": tf.Variable([1.0])}, TrainingConfig(optimizer="adam", clip_norm=None), compiled=False
    )
    optimizer.start_from({STEPS: np.array([10]), "bias": np.array([4.0], np.float32)})
    # At rate 0, a step changes no weight, and the slots are reset.
    optimizer.apply({"bias": tf.constant([100.0])}, 0.0, 1)
    optimizer.reset()

    optimizer.apply({"bias": tf.constant([2.0])}, 0.1, 1)

    # Kingma & Ba 2015, algorithm 1: the first moment is of one step, the second one of eleven.
    second = 0.999 * 4 + 0.001 * 2**2
    expected = 1 - 0.1 * 2 / np.sqrt(second / (1 - 0.999**11))
    np.testing.assert_allclose(optimizer.variables["bias"].numpy(), [expected], rtol=1e-6)
    assert optimizer.second_moments(1)[STEPS].tolist() == [11]
    np.testing.assert_allclose(optimizer.second_moments(1)["bias"], [second], rtol=1e-6)


def test_moments_that_a_last_step_has_made_infinite_are_not_kept(cpu):
    import tensorflow as tf

    from lmctl.training.optimizers import Optimizer

    optimizer = Optimizer(
        {"bias": tf.Variable([1.0])}, TrainingConfig(optimizer="adam", clip_norm=None), compiled=False
    )
    optimizer.apply({"bias": tf.constant([1e30])}, 0.1, 1)

    assert optimizer.second_moments(1) is None


def test_optimizers_without_such_a_mean_start_anew(cpu):
    import tensorflow as tf

    from lmctl.training.optimizers import Optimizer

    optimizer = Optimizer(
        {"bias": tf.Variable([1.0])}, TrainingConfig(optimizer="sgd", clip_norm=None), compiled=False
    )
    optimizer.start_from({STEPS: np.array([10]), "bias": np.array([4.0], np.float32)})
    optimizer.apply({"bias": tf.constant([2.0])}, 0.1, 1)

    np.testing.assert_allclose(optimizer.variables["bias"].numpy(), [0.8], rtol=1e-6)
    assert optimizer.second_moments(1) is None
