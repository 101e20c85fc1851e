"""Values of variables without copies."""

import numpy as np
import pytest


def make_variable(*, by_rows):
    """A variable whose rows were updated by themselves, or not; TensorFlow reads it in another way then."""
    import tensorflow as tf

    variable = tf.Variable(tf.zeros((100, 64)))
    if by_rows:
        variable.scatter_update(tf.IndexedSlices(tf.ones((1, 64)), [3]))
    return variable


@pytest.mark.parametrize("by_rows", [False, True])
def test_all_views_of_a_value_are_the_same_memory(by_rows):
    from lmctl.layers.keras.views import view_of

    variable = make_variable(by_rows=by_rows)

    first, second = view_of(variable), view_of(variable)

    np.testing.assert_array_equal(first, variable.numpy(), strict=True)
    assert np.shares_memory(first, second)
    assert not first.flags.writeable


def assign(variable):
    variable.assign(variable + 7.0)


def add(variable):
    variable.assign_add(variable + 7.0)


def assign_rows(variable):
    import tensorflow as tf

    variable.scatter_update(tf.IndexedSlices(tf.fill((1, 64), 7.0), [5]))


def assign_rows_in_a_function(variable):
    import tensorflow as tf

    tf.function(lambda: assign_rows(variable), autograph=False)()


def assign_in_a_compiled_function(variable):
    """As a step of training does; XLA writes a variable's new value into its old memory where it may."""
    import tensorflow as tf

    step = tf.function(lambda: add(variable), autograph=False, jit_compile=True)
    step()
    step()


@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize(
    "update", [assign, add, assign_rows, assign_rows_in_a_function, assign_in_a_compiled_function]
)
def test_an_update_changes_the_variable_and_not_its_views(by_rows, update):
    from lmctl.layers.keras.views import view_of

    variable = make_variable(by_rows=by_rows)
    view, before = view_of(variable), variable.numpy()

    update(variable)

    np.testing.assert_array_equal(view, before)
    assert (variable.numpy()[5] != before[5]).all()
