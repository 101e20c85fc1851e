import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.families.transformer.runtime import TransformerLanguageModel
from lmctl.layers.distributions import check_log_probs

SHAPES = [
    pytest.param({}, id="alibi"),
    pytest.param({"positions": "rotary"}, id="rotary"),
    pytest.param({"context": 1}, id="context-1"),
    pytest.param({"context": 50, "positions": "rotary"}, id="context-50"),
    pytest.param({"layers": 3, "heads": 4, "tied": False, "adaptive": True}, id="untied-adaptive"),
    pytest.param({"heads": 1, "adaptive": True}, id="tied-adaptive"),
]


@pytest.fixture
def make_model(make_sizes, make_weights):
    def make(**changed):
        sizes = make_sizes(**changed)
        return TransformerLanguageModel(sizes, make_weights(sizes))

    return make


def random_ids(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 9, shape)


def assert_states_equal(state, expected):
    np.testing.assert_array_equal(state.features, expected.features)
    np.testing.assert_array_equal(state.read, expected.read)
    for memory, other in zip(state.memories, expected.memories, strict=True):
        np.testing.assert_array_equal(memory.keys, other.keys)
        np.testing.assert_array_equal(memory.units, other.units)
        np.testing.assert_array_equal(memory.values, other.values)


@pytest.mark.parametrize("shape", SHAPES)
def test_word_by_word_with_carried_keys_is_attention_over_the_whole_text(
    shape, make_sizes, make_weights, hidden_of_whole_text
):
    sizes = make_sizes(**shape)
    weights = make_weights(sizes)
    model = TransformerLanguageModel(sizes, weights)
    token_ids = random_ids(17)

    state, found = model.null_state(1), []
    for token_id in token_ids:
        state = model.advance(state, np.array([[token_id]]))
        found.append(model.features(state)[0])

    np.testing.assert_allclose(found, hidden_of_whole_text(sizes, weights, token_ids.tolist()), atol=1e-5)


@pytest.mark.parametrize("cuts", [[1, 2, 3], [8], [2, 9, 15]])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_split_of_a_text_leaves_the_same_state(make_model, shape, cuts):
    model = make_model(**shape)
    token_ids = random_ids(17, 3)
    whole = model.advance(model.null_state(3), token_ids)

    state = model.null_state(3)
    for piece in np.split(token_ids, cuts):
        state = model.advance(state, piece)

    assert_states_equal(state, whole)


@pytest.mark.parametrize("shape", SHAPES)
def test_columns_of_other_lengths_have_the_bits_of_each_alone(make_model, shape):
    model = make_model(**shape)
    start_ids, token_ids = random_ids(6, 5), random_ids(7, 5, seed=6)
    starts, lengths = np.array([6, 0, 2, 0, 1]), np.array([7, 0, 3, 1, 6])
    start = model.advance(model.null_state(5), start_ids, starts)

    along, together = model.advance_with_features(start, token_ids, lengths)

    for column in range(5):
        alone = model.advance(model.null_state(1), start_ids[: starts[column], [column]])
        alone_along, alone = model.advance_with_features(alone, token_ids[: lengths[column], [column]])
        np.testing.assert_array_equal(together.features[column], alone.features[0])
        np.testing.assert_array_equal(along[: lengths[column], column], alone_along[:, 0])
        assert together.read[column] == alone.read[0]


def test_a_state_is_never_changed_in_place(make_model):
    model = make_model()
    state = model.initial_state(2)
    kept = [memory.keys.copy() for memory in state.memories]

    model.score(np.array([[2, 3]]), np.array([[3, 4]]), np.array([1, 1]), state)
    model.advance(state, np.array([[2, 3]]), np.array([1, 0]))

    for memory, before in zip(state.memories, kept, strict=True):
        np.testing.assert_array_equal(memory.keys, before)


def test_reading_nothing_leaves_the_state_as_it_is(make_model):
    model = make_model()
    state = model.initial_state(2)

    assert_states_equal(model.advance(state, np.zeros((0, 2), dtype=np.int64)), state)
    assert_states_equal(model.advance(state, np.array([[3, 4]]), np.array([0, 0])), state)


def test_the_null_state_sees_nothing(make_model):
    state = make_model().null_state(3)

    assert [memory.keys.shape[1] for memory in state.memories] == [0, 0]
    assert not state.read.any()
    assert not state.features.any()


def test_a_state_holds_no_more_than_the_context_however_long_the_text(make_model):
    model = make_model(context=4)

    state = model.advance(model.null_state(2), random_ids(300, 2))

    assert [memory.keys.shape for memory in state.memories] == [(2, 3, 2, 4)] * 2


def test_each_layer_sees_the_context_so_that_the_network_sees_layers_times_as_much(make_model):
    model = make_model(context=4, layers=2)
    token_ids = random_ids(12)
    features = model.features(model.advance(model.null_state(1), token_ids[:, None]))

    changed = []
    for place in range(12):
        other = token_ids.copy()
        other[place] = (other[place] + 1) % 9
        found = model.features(model.advance(model.null_state(1), other[:, None]))
        changed.append(bool((found != features).any()))

    # Two layers of three positions before the one that is read.
    assert changed == [False] * 5 + [True] * 7


@pytest.mark.parametrize("positions", ["alibi", "rotary"])
def test_an_answer_depends_on_the_words_seen_and_not_on_how_many_came_before(make_model, positions):
    model = make_model(context=4, layers=2, positions=positions)
    last = random_ids(7, 1)

    short = model.log_probs(model.advance(model.null_state(1), last))
    long = model.log_probs(model.advance(model.advance(model.null_state(1), random_ids(5000, 1, seed=8)), last))

    np.testing.assert_allclose(long, short, atol=1e-4)


def test_weights_that_are_damaged_give_no_answer(make_sizes, make_weights):
    sizes = make_sizes()
    weights = make_weights(sizes, scale=1e30)
    with np.errstate(all="ignore"):
        model = TransformerLanguageModel(sizes, weights)
        log_probs = model.log_probs(model.initial_state(1))

    with pytest.raises(DataError, match="log probability"):
        check_log_probs(log_probs)
