import numpy as np
import pytest


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        # A gradient of 2 at a rate of 0.1. Plain gradient descent moves by 0.1 * 2.
        ("sgd", 0.2),
        # Adam's first step is the rate, whatever the gradient (Kingma & Ba 2015, algorithm 1).
        ("adam", 0.1),
        # Adagrad divides by the root of the sum of squares, which Keras starts at 0.1: 0.2 / sqrt(0.1 + 4).
        ("adagrad", 0.2 / np.sqrt(4.1)),
        # RMSprop divides by the root of the moving mean of squares: 0.2 / sqrt(0.1 * 4), rho being 0.9.
        ("rmsprop", 0.2 / np.sqrt(0.4)),
    ],
)
def test_the_first_update_of_each_optimizer(cpu, name, moved):
    import keras

    from lmctl.training.optimizers import make_optimizer

    weight = keras.Variable([1.0])
    optimizer = make_optimizer(name, 0.1)
    optimizer.build([weight])

    optimizer.apply([np.array([2.0], np.float32)], [weight])

    assert 1.0 - weight.numpy().item() == pytest.approx(moved, rel=1e-4)


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad", "rmsprop"])
def test_a_word_that_was_read_twice_gets_both_its_gradients_at_once(cpu, name):
    import keras
    import tensorflow as tf

    from lmctl.training.optimizers import make_optimizer, summed_rows

    def updated(gradient):
        table = keras.Variable(np.ones((4, 1)))
        optimizer = make_optimizer(name, 0.1)
        optimizer.build([table])
        for _ in range(2):
            optimizer.apply([summed_rows(gradient)], [table])
        return table.numpy()

    # The gradient of an embedding comes as rows: word 2 twice, word 0 once.
    rows = tf.IndexedSlices(tf.constant([[1.0], [0.5], [3.0]]), tf.constant([2, 2, 0]), tf.constant([4, 1]))
    np.testing.assert_allclose(updated(rows), updated(tf.constant([[3.0], [0.0], [1.5], [0.0]])), rtol=1e-6)


def test_a_dense_gradient_is_left_as_it_is(cpu):
    import tensorflow as tf

    from lmctl.training.optimizers import summed_rows

    gradient = tf.constant([[1.0], [2.0]])

    assert summed_rows(gradient) is gradient
