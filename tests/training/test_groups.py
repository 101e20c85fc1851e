"""Columns in groups: the sums, states and updates of one group."""

import numpy as np
import pytest

from lmctl.corpus.batches import Segment

COLUMNS = 5


@pytest.fixture
def make_steps(make_corpus, make_config, make_setup):
    """`make_steps(groups, "key=value", ...)`: a setup with the same initial weights each time, and its steps."""
    from lmctl.training.steps import Steps

    corpus = make_corpus()

    def make(groups, *assignments):
        import tensorflow as tf

        setup = make_setup(corpus, make_config(*assignments))
        strategy = tf.distribute.get_strategy()
        return setup, Steps(setup.network, setup.optimizer, strategy, scores_oov=True, groups=groups)

    return make


def segments(setup):
    """Two segments of 3 x 5 tokens, with padding and a restart; other words for every column."""
    words = setup.sizes.vocabulary_size
    ids = np.random.default_rng(0).integers(2, words, (8, COLUMNS), np.int32)
    lengths = np.array([3, 3, 2, 3, 1], np.int32)
    restarts = np.zeros(COLUMNS, bool), np.array([False, True, False, False, True])
    return [
        Segment(ids[first : first + 3], ids[first + 1 : first + 4], lengths, restart)
        for first, restart in zip((0, 3), restarts, strict=True)
    ]


def trained(setup, steps):
    """Nats of two steps, the state, and the weights."""
    state, nats = steps.null_state(COLUMNS), []
    for number, segment in enumerate(segments(setup)):
        of_step, state = steps.train(segment, state, seed=1, step=number, rate=0.5)
        nats.append(of_step)
    return nats, steps.export_state(state), setup.network.export_weights()


@pytest.mark.parametrize("groups", [2, 3, 9])
@pytest.mark.parametrize("tied", ["true", "false"])
def test_groups_train_the_network_of_one_group(make_steps, groups, tied):
    """Without dropout a sum of columns does not depend on how they are divided. 9 groups have 5 columns."""
    nats, state, weights = trained(*make_steps(1, f"model.tied={tied}", "model.hidden_units=6"))

    found_nats, found_state, found = trained(*make_steps(groups, f"model.tied={tied}", "model.hidden_units=6"))

    assert found_nats == pytest.approx(nats, rel=1e-5)
    np.testing.assert_allclose(found_state["0"], state["0"], rtol=1e-4, atol=1e-6)
    for name, weight in weights.items():
        np.testing.assert_allclose(found[name], weight, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_groups_validate_as_one_group(make_steps, columns):
    """Any number of columns, one after the other: with one column, one of the groups is empty."""
    setup, alone = make_steps(1)
    _, divided = make_steps(2)
    # Another shape first: from the second one on, TensorFlow does not know the number of columns.
    for read in (COLUMNS, columns):
        (first, _) = segments(setup)
        segment = Segment(
            first.inputs[:, :read], first.targets[:, :read], first.lengths[:read], first.restart[:read]
        )
        nats, targets, state = alone.validate(segment, alone.null_state(read))

        found_nats, found_targets, found_state = divided.validate(segment, divided.null_state(read))

        assert found_targets == targets == first.lengths[:read].sum()
        assert found_nats == pytest.approx(nats, rel=1e-5)
        np.testing.assert_allclose(
            divided.export_state(found_state)["0"], alone.export_state(state)["0"], rtol=1e-5
        )


def test_groups_draw_other_masks(make_steps):
    """Two equal columns in two groups: with dropout, their states differ; without, they are equal."""
    for rate, differ in ((0.5, True), (0.0, False)):
        setup, steps = make_steps(2, f"model.input_dropout={rate}")
        (first, _) = segments(setup)
        equal = Segment(
            first.inputs[:, [0, 0]], first.targets[:, [0, 0]], first.lengths[[0, 0]], first.restart[[0, 0]]
        )

        _, state = steps.train(equal, steps.null_state(2), seed=1, step=0, rate=0.0)

        # A state of the LSTM has the columns on its third axis.
        one, other = np.moveaxis(steps.export_state(state)["0"], 2, 0)
        assert np.allclose(one, other, atol=1e-6) is not differ
