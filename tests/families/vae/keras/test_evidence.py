import math

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("cpu")


def test_the_divergence_is_the_mean_difference_of_log_densities():
    """The divergence is the integral of q (log q - log p), here by a sum over a fine grid."""
    from lmctl.families.vae.keras.evidence import divergence

    mean, deviation = 0.7, 0.4
    points = np.linspace(-8, 8, 400_001)

    def log_density(mean, deviation):
        return -0.5 * ((points - mean) / deviation) ** 2 - math.log(deviation * math.sqrt(2 * math.pi))

    own, prior = log_density(mean, deviation), log_density(0.0, 1.0)
    expected = (np.exp(own) * (own - prior)).sum() * (points[1] - points[0])
    found = divergence(np.float32(mean), np.float32(2 * math.log(deviation)))

    assert float(found) == pytest.approx(expected, abs=1e-6)
    assert float(divergence(np.float32(0), np.float32(0))) == 0


def test_free_bits_are_shared_by_the_elements():
    from lmctl.families.vae.keras.evidence import penalty

    divergences = np.array([[0.1, 3.0], [0.2, 0.3]], dtype=np.float32)

    # 2 bits are ln 2 = 0.693 nats for each of two elements.
    found = penalty(divergences, 2.0)

    np.testing.assert_allclose(found, [math.log(2) + 3.0, 2 * math.log(2)], rtol=1e-6)
    np.testing.assert_allclose(penalty(divergences, 0.0), [3.1, 0.5], rtol=1e-6)


def test_a_divergence_that_is_free_has_no_gradient():
    import tensorflow as tf

    from lmctl.families.vae.keras.evidence import penalty

    divergences = tf.constant([[0.1, 3.0]])
    with tf.GradientTape() as tape:
        tape.watch(divergences)
        total = tf.reduce_sum(penalty(divergences, 2.0))

    np.testing.assert_array_equal(tape.gradient(total, divergences), [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("step", "steps", "weight"), [(0, 200, 0), (100, 200, 0.5), (200, 200, 1), (900, 200, 1), (0, 0, 1)]
)
def test_the_weight_rises_linearly_to_one(step, steps, weight):
    from lmctl.families.vae.keras.evidence import annealing_weight

    assert float(annealing_weight(step, steps)) == weight
