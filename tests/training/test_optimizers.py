import numpy as np
import pytest

from lmctl.config import TrainingConfig

RULES = ["sgd", "adam", "adagrad", "rmsprop"]
KERAS = {"sgd": "SGD", "adam": "Adam", "adagrad": "Adagrad", "rmsprop": "RMSprop"}
RATE = 0.1
TABLE = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)


@pytest.fixture
def make_optimizer(cpu):
    """`make_optimizer(rule, table=values, ...)`: an optimizer of these variables, unclipped by default."""
    import tensorflow as tf

    from lmctl.training.optimizers import Optimizer

    def make(rule, *, clip_norm=None, weight_decay=0.0, compiled=False, **values):
        training = TrainingConfig(optimizer=rule, clip_norm=clip_norm, weight_decay=weight_decay)
        variables = {name: tf.Variable(value, dtype=tf.float32) for name, value in values.items()}
        return Optimizer(variables, training, compiled=compiled)

    return make


def rows_of(gradient, *rows):
    """A gradient that has only some rows of a table."""
    import tensorflow as tf

    return tf.IndexedSlices(tf.constant(gradient[list(rows)]), tf.constant(rows), tf.constant(gradient.shape))


def random_gradients(steps, *shape):
    return np.random.default_rng(2).normal(size=(steps, *shape)).astype(np.float32)


def of_keras(rule, values, gradients):
    """Weights after these steps of the rule in keras.optimizers."""
    import keras

    variable = keras.Variable(values)
    optimizer = getattr(keras.optimizers, KERAS[rule])(learning_rate=RATE)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([gradient], [variable])
    return variable.numpy()


def everything(optimizer):
    """Copies of the table and its slots."""
    return [part.numpy() for part in (optimizer.variables["table"], *optimizer.slots["table"])]


@pytest.mark.parametrize(
    ("rule", "moved"),
    [
        # A gradient of 2 at a rate of 0.1. Plain gradient descent moves by 0.1 * 2.
        ("sgd", 0.2),
        # Adam's first step has the size of the rate for every gradient (Kingma & Ba 2015, algorithm 1).
        ("adam", 0.1),
        # Adagrad divides by the root of the sum of squares, which Keras starts at 0.1: 0.2 / sqrt(0.1 + 4).
        ("adagrad", 0.2 / np.sqrt(4.1)),
        # RMSprop divides by the root of the moving mean of squares: 0.2 / sqrt(0.1 * 4), rho being 0.9.
        ("rmsprop", 0.2 / np.sqrt(0.4)),
    ],
)
def test_the_first_update_of_each_optimizer(make_optimizer, rule, moved):
    optimizer = make_optimizer(rule, table=[1.0])

    optimizer.apply({"table": np.array([2.0], np.float32)}, 0.1, 1)

    assert 1.0 - optimizer.variables["table"].numpy().item() == pytest.approx(moved, rel=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_several_steps_of_whole_gradients_are_kerass(make_optimizer, rule, compiled):
    import tensorflow as tf

    gradients = random_gradients(4, 5, 2)
    optimizer = make_optimizer(rule, table=TABLE, compiled=compiled)

    for step, gradient in enumerate(gradients, start=1):
        optimizer.apply({"table": tf.constant(gradient)}, tf.constant(RATE), tf.constant(step))

    np.testing.assert_allclose(optimizer.variables["table"], of_keras(rule, TABLE, gradients), atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_several_steps_that_see_all_rows_are_kerass_of_whole_gradients(make_optimizer, rule):
    gradients = random_gradients(4, 5, 2)
    optimizer = make_optimizer(rule, table=TABLE)

    for step, gradient in enumerate(gradients, start=1):
        optimizer.apply({"table": rows_of(gradient, 3, 0, 4, 1, 2)}, RATE, step)

    np.testing.assert_allclose(optimizer.variables["table"], of_keras(rule, TABLE, gradients), atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_a_first_step_that_sees_some_rows_is_kerass_of_a_gradient_of_zero_elsewhere(make_optimizer, rule):
    (gradient,) = random_gradients(1, 5, 2)
    optimizer = make_optimizer(rule, table=TABLE)

    optimizer.apply({"table": rows_of(gradient, 4, 1)}, RATE, 1)

    gradient[[0, 2, 3]] = 0.0
    np.testing.assert_allclose(optimizer.variables["table"], of_keras(rule, TABLE, [gradient]), atol=1e-6)


@pytest.mark.parametrize("rule", ["sgd", "adagrad", "rmsprop"])
def test_a_row_moves_as_if_the_steps_that_did_not_see_it_had_not_been(make_optimizer, rule):
    gradients = random_gradients(3, 5, 2)
    optimizer = make_optimizer(rule, table=TABLE)

    for step, rows in enumerate([(0, 1), (1,), (0, 2)]):
        optimizer.apply({"table": rows_of(gradients[step], *rows)}, RATE, step + 1)

    # Adam is left out: it corrects its means by the number of all steps.
    expected = of_keras(rule, TABLE, gradients[[0, 2]])[0]
    np.testing.assert_allclose(optimizer.variables["table"][0], expected, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5}, {"weight_decay": 0.1}], ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_rows_that_were_not_seen_and_their_slots_stay_as_they_are(make_optimizer, rule, options):
    first, second = random_gradients(2, 5, 2)
    optimizer = make_optimizer(rule, table=TABLE, **options)
    optimizer.apply({"table": rows_of(first, 0, 1, 2, 3, 4)}, RATE, 1)
    before = everything(optimizer)

    optimizer.apply({"table": rows_of(second, 1, 3)}, RATE, 2)

    for old, new in zip(before, everything(optimizer), strict=True):
        assert new[[0, 2, 4]].tobytes() == old[[0, 2, 4]].tobytes()
        assert (new[[1, 3]] != old[[1, 3]]).all()


@pytest.mark.parametrize("rule", RULES)
def test_in_a_graph_the_steps_are_the_same(make_optimizer, rule):
    import tensorflow as tf

    gradients = random_gradients(3, 5, 2)
    eager, graph = make_optimizer(rule, table=TABLE), make_optimizer(rule, table=TABLE)

    @tf.function(autograph=False)
    def apply(gradient, step):
        graph.apply({"table": tf.IndexedSlices(gradient, [0, 3], [5, 2])}, tf.constant(RATE), step)

    for step, gradient in enumerate(gradients, start=1):
        eager.apply({"table": rows_of(gradient, 0, 3)}, RATE, step)
        apply(tf.constant(gradient[[0, 3]]), tf.constant(step))

    for found, expected in zip(everything(graph), everything(eager), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("clip_norm", [0.1, 1.0, 100.0])
def test_a_gradient_is_clipped_by_the_norm_of_all_its_parts(make_optimizer, clip_norm):
    import tensorflow as tf

    gradient, bias_gradient = random_gradients(1, 5, 2)[0], np.array([0.3, -0.4], np.float32)
    optimizer = make_optimizer("sgd", clip_norm=clip_norm, table=TABLE, bias=[0.0, 0.0])

    parts = {"table": rows_of(gradient, 4, 1), "bias": tf.constant(bias_gradient)}
    optimizer.apply(parts, 1.0, 1)

    gradient[[0, 2, 3]] = 0.0
    (of_table, of_bias), _ = tf.clip_by_global_norm([gradient, bias_gradient], clip_norm)
    np.testing.assert_allclose(optimizer.variables["table"], TABLE - of_table, atol=1e-6)
    np.testing.assert_allclose(optimizer.variables["bias"], -of_bias, atol=1e-6)


def test_a_gradient_of_norm_five_is_clipped_to_one(make_optimizer):
    optimizer = make_optimizer("sgd", clip_norm=1.0, table=[[0.0], [0.0]])

    optimizer.apply({"table": np.array([[3.0], [4.0]], np.float32)}, 1.0, 1)

    np.testing.assert_allclose(optimizer.variables["table"], [[-0.6], [-0.8]], rtol=1e-6)


def test_a_gradient_of_zero_is_not_clipped(make_optimizer):
    optimizer = make_optimizer("sgd", clip_norm=1.0, table=[[2.0]])

    optimizer.apply({"table": np.zeros((1, 1), np.float32)}, 1.0, 1)

    assert optimizer.variables["table"].numpy().tolist() == [[2.0]]


def test_weight_decay_takes_its_share_of_a_matrix_times_the_rate(make_optimizer):
    optimizer = make_optimizer("sgd", weight_decay=0.1, table=[[2.0], [4.0]])

    optimizer.apply({"table": np.array([[1.0], [0.0]], np.float32)}, 0.5, 1)

    # 2 - 0.5 * 1 - 0.5 * 0.1 * 2, and 4 - 0.5 * 0.1 * 4.
    np.testing.assert_allclose(optimizer.variables["table"], [[1.4], [3.8]], rtol=1e-6)


def test_weight_decay_leaves_biases_alone(make_optimizer):
    optimizer = make_optimizer("sgd", weight_decay=0.1, bias=[2.0, 4.0])

    optimizer.apply({"bias": np.array([1.0, 0.0], np.float32)}, 0.5, 1)

    np.testing.assert_allclose(optimizer.variables["bias"], [1.5, 4.0], rtol=1e-6)


def test_weight_decay_concerns_the_rows_that_were_seen(make_optimizer):
    optimizer = make_optimizer("sgd", weight_decay=0.1, table=[[2.0], [4.0], [6.0]])

    optimizer.apply({"table": rows_of(np.zeros((3, 1), np.float32), 1)}, 0.5, 1)

    np.testing.assert_allclose(optimizer.variables["table"], [[2.0], [3.8], [6.0]], rtol=1e-6)


def test_weight_decay_is_no_part_of_the_gradient_that_adam_measures(make_optimizer):
    decayed, plain = (make_optimizer("adam", weight_decay=decay, table=TABLE) for decay in (0.1, 0.0))
    (gradient,) = random_gradients(1, 5, 2)

    for optimizer in (decayed, plain):
        optimizer.apply({"table": gradient}, RATE, 1)

    # Loshchilov & Hutter 2019, algorithm 2.
    np.testing.assert_allclose(
        decayed.variables["table"], plain.variables["table"] - RATE * 0.1 * TABLE, atol=1e-6
    )


@pytest.mark.parametrize("rule", RULES)
def test_an_optimizer_that_forgets_its_steps_is_as_good_as_new(make_optimizer, rule):
    used, new = make_optimizer(rule, table=TABLE), make_optimizer(rule, table=TABLE)
    first, second = random_gradients(2, 5, 2)

    # At rate 0 the weights stay as they are.
    used.apply({"table": first}, 0.0, 1)
    used.reset()
    for optimizer in (used, new):
        optimizer.apply({"table": second}, RATE, 1)

    for found, expected in zip(everything(used), everything(new), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rule", RULES)
def test_a_word_that_was_read_twice_gets_both_its_gradients_at_once(make_optimizer, rule):
    import tensorflow as tf

    from lmctl.training.optimizers import summed_rows

    # The gradient of an embedding comes as rows: word 2 twice, word 0 once.
    rows = tf.IndexedSlices(tf.constant([[1.0], [0.5], [3.0]]), tf.constant([2, 2, 0]), tf.constant([4, 1]))
    whole = np.array([[3.0], [0.0], [1.5], [0.0]], np.float32)
    optimizer = make_optimizer(rule, table=np.ones((4, 1)))

    optimizer.apply({"table": summed_rows(rows)}, RATE, 1)

    expected = of_keras(rule, np.ones((4, 1), np.float32), [whole])
    np.testing.assert_allclose(optimizer.variables["table"], expected, rtol=1e-6)


def test_summed_rows_have_each_row_once(cpu):
    import tensorflow as tf

    from lmctl.training.optimizers import summed_rows

    rows = tf.IndexedSlices(tf.constant([[1.0], [0.5], [3.0]]), tf.constant([2, 2, 0]), tf.constant([4, 1]))

    summed = summed_rows(rows)

    assert np.asarray(summed.indices).tolist() == [2, 0]
    assert np.asarray(summed.values).tolist() == [[1.5], [3.0]]


def test_a_dense_gradient_is_left_as_it_is(cpu):
    import tensorflow as tf

    from lmctl.training.optimizers import summed_rows

    gradient = tf.constant([[1.0], [2.0]])

    assert summed_rows(gradient) is gradient


@pytest.fixture
def average(cpu):
    """`average(decay, weights)`: the weight, and its average after updates with these values."""
    import tensorflow as tf

    from lmctl.training.optimizers import AVERAGE_EVERY, AveragedWeights

    def make(decay, weights):
        # A random first value, as a network has it.
        weight = tf.Variable([99.0])
        averaged = AveragedWeights({"weight": weight}, decay)
        for look, value in enumerate(weights, start=1):
            for step in range((look - 1) * AVERAGE_EVERY + 1, look * AVERAGE_EVERY):
                weight.assign([-7.0])
                averaged.step_done(step)
            weight.assign([value])
            averaged.step_done(look * AVERAGE_EVERY)
        return weight, averaged

    return make


def test_at_first_the_average_is_of_all_weights_so_far(average):
    weight, averaged = average(0.999, [1.0, 2.0, 6.0, 7.0])

    averaged.swap()

    # 0.999^10 = 0.99 is more than 3/4, the share of the mean of three values in the mean of four.
    assert weight.numpy().item() == pytest.approx(4.0)


def test_later_a_share_of_the_average_stays_at_every_look(average):
    weight, averaged = average(0.9, [1.0, 2.0, 6.0])

    averaged.swap()

    # 0.9^10 = 0.34868, which is less than 1/2 and 2/3.
    second = 0.34868 * 1.0 + 0.65132 * 2.0
    assert weight.numpy().item() == pytest.approx(0.34868 * second + 0.65132 * 6.0, rel=1e-5)


def test_before_the_first_look_the_weights_stand_for_themselves(average):
    weight, averaged = average(0.999, [])
    before = weight.numpy().item()

    averaged.swap()

    assert weight.numpy().item() == before


def test_swapping_twice_leaves_everything_as_it_was(average):
    weight, averaged = average(0.999, [1.0, 3.0])

    averaged.swap()
    of_average = weight.numpy().item()
    averaged.swap()
    of_weight = weight.numpy().item()
    averaged.swap()

    assert (of_average, of_weight, weight.numpy().item()) == (2.0, 3.0, 2.0)
