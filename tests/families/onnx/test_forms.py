"""Both forms of ONNX models compute what the runtimes compute, in onnxruntime."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from random_networks import clusters_of, drawn

from lmctl import families
from lmctl.families.feedforward.sizes import FeedForwardSizes
from lmctl.families.hmm.sizes import HMMSizes
from lmctl.families.linearrnn.sizes import LinearRNNSizes
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.onnx.check import compare
from lmctl.families.transformer.sizes import TransformerSizes

VOCABULARY = 9
RARE = ((2, 2), (2, 1))


def lstm_sizes(*, layers=2, embedding_dim=3, tied=False, rare=()):
    return LSTMSizes(
        vocabulary_size=VOCABULARY,
        embedding_dim=embedding_dim,
        hidden_units=4,
        layers=layers,
        tied=tied,
        clusters=clusters_of(VOCABULARY, embedding_dim if tied else 4, *rare),
    )


def feedforward_sizes(*, order, direct=True, tied=False, rare=()):
    return FeedForwardSizes(
        vocabulary_size=VOCABULARY,
        order=order,
        embedding_dim=3,
        hidden_units=4,
        direct_connections=direct,
        tied=tied,
        clusters=clusters_of(VOCABULARY, 3 if tied else 4, *rare),
    )


def linear_sizes(cell, *, layers=2, embedding_dim=3):
    return LinearRNNSizes(
        vocabulary_size=VOCABULARY,
        embedding_dim=embedding_dim,
        hidden_units=4,
        cell=cell,
        layers=layers,
        tied=False,
        clusters=clusters_of(VOCABULARY, 4, *RARE),
    )


def transformer_sizes(positions, *, context=4, layers=2):
    return TransformerSizes(
        vocabulary_size=VOCABULARY,
        hidden_units=8,
        layers=layers,
        heads=2,
        feedforward_units=5,
        context=context,
        positions=positions,
        tied=True,
        clusters=clusters_of(VOCABULARY, 8, *RARE),
    )


SIZES = {
    f"lstm {layers} layers, E {embedding_dim}{', tied' * tied}{', adaptive' * bool(rare)}": lstm_sizes(
        layers=layers, embedding_dim=embedding_dim, tied=tied, rare=rare
    )
    for layers, embedding_dim, tied, rare in itertools.product((1, 2), (3, 4), (False, True), ((), RARE))
}
SIZES |= {
    "feedforward, order 4": feedforward_sizes(order=4),
    "feedforward, order 2": feedforward_sizes(order=2, tied=True, rare=RARE),
    "feedforward, not direct": feedforward_sizes(order=3, direct=False),
}
SIZES |= {
    f"linearrnn, {cell}, E {embedding_dim}": linear_sizes(cell, embedding_dim=embedding_dim)
    for cell, embedding_dim in itertools.product(("sru", "qrnn", "mingru"), (3, 4))
}
SIZES |= {
    f"transformer, {positions}, context {context}": transformer_sizes(positions, context=context)
    for positions, context in itertools.product(("rotary", "alibi"), (1, 4, 32))
}
HMM_SIZES = HMMSizes(vocabulary_size=VOCABULARY, blocks=4, states_per_block=2, embedding_dim=3)
SIZES["hmm"] = HMM_SIZES
# The weights of a network by their names whose products sum over the first axis.
FIRST_AXIS = ("lstm.", "softmax.projection", "hidden.", "direct.", "linear.", "transformer.")


@pytest.fixture(params=SIZES.values(), ids=SIZES.keys())
def sizes(request):
    """The sizes of a network."""
    return request.param


def sentence_log_prob(runtime, words):
    """The log probability of a sentence, with its end."""
    inputs, targets = np.array([1, *words])[:, None], np.array([*words, 1])[:, None]
    scores, _ = runtime.score(inputs, targets, np.array([len(inputs)]), runtime.null_state(1))
    return scores.log_probs.sum()


def first_states(session, batch):
    """Zeros for every state of a step model."""
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    sizes = {"N": batch, "M": 0}
    return {
        each.name: np.zeros([sizes.get(size, size) for size in each.shape], dtype=kinds[each.type])
        for each in session.get_inputs()
        if each.name != "x"
    }


def step(session, token_ids, states):
    """Log probabilities after tokens (N, L), the next states, and what else the model gives."""
    log_probs, *others = session.run(None, {"x": token_ids, **states})
    return log_probs, dict(zip(states, others, strict=False)), others[len(states) :]


def test_sentences_side_by_side_have_the_log_probabilities_of_the_runtime(make_onnx, make_runtime, sizes):
    words = np.random.default_rng(1).integers(VOCABULARY, size=(5, 7))
    lengths = np.array([7, 0, 3, 1, 6])

    (nll,) = make_onnx("onnx", sizes).run(None, {"x": words, "x_lens": lengths})

    runtime = make_runtime(sizes)
    expected = [-sentence_log_prob(runtime, row[:end]) for row, end in zip(words, lengths, strict=True)]
    assert nll.dtype == np.float32
    np.testing.assert_allclose(nll, expected, rtol=0, atol=1e-4)


def test_what_stands_after_the_end_of_a_sentence_has_no_effect(make_onnx, sizes):
    session = make_onnx("onnx", sizes)
    lengths = np.array([2, 3])
    # Some programs pad with -1, which is no token.
    padded = [np.array([[2, 3, pad, pad], [4, 5, 6, pad]]) for pad in (0, 8, -1)]

    zeros, eights, minus = (session.run(None, {"x": words, "x_lens": lengths})[0] for words in padded)

    assert zeros.tolist() == eights.tolist() == minus.tolist()


def test_a_batch_of_empty_sentences_has_only_their_ends(make_onnx, make_runtime, sizes):
    session = make_onnx("onnx", sizes)

    (nll,) = session.run(None, {"x": np.empty((3, 0), dtype=np.int64), "x_lens": np.zeros(3, dtype=np.int64)})

    expected = -sentence_log_prob(make_runtime(sizes), [])
    np.testing.assert_allclose(nll, [expected] * 3, rtol=0, atol=1e-4)


def test_steps_have_the_distributions_of_the_runtime(make_onnx, make_runtime, sizes):
    session, runtime = make_onnx("onnx-step", sizes), make_runtime(sizes)
    texts = np.random.default_rng(2).integers(VOCABULARY, size=(3, 6))
    states, state = first_states(session, 3), runtime.null_state(3)

    # Pieces of 1, 2 and 3 tokens.
    for piece in np.split(texts, [1, 3], axis=1):
        log_probs, states, _ = step(session, piece, states)
        state = runtime.advance(state, piece.T)

        np.testing.assert_allclose(log_probs, runtime.log_probs(state), rtol=0, atol=1e-4)


def test_a_step_gives_the_most_probable_words_if_asked(make_onnx, sizes):
    session = make_onnx("onnx-step", sizes, top=3)

    log_probs, _, (best, ids) = step(session, np.array([[1], [4]]), first_states(session, 2))

    np.testing.assert_array_equal(best, -np.sort(-log_probs, axis=1)[:, :3])
    np.testing.assert_array_equal(np.take_along_axis(log_probs, ids, axis=1), best)


@pytest.mark.parametrize("sizes", [each for each in SIZES.values() if each is not HMM_SIZES])
def test_weights_of_8_bits_are_rounded_row_by_row(make_onnx, sizes):
    family = families.find(type(sizes).__struct_config__.tag)
    weights = drawn(family.weight_shapes(sizes), seed=5)
    for name, values in weights.items():
        if values.ndim == 2:
            rows = values.T if name.startswith(FIRST_AXIS) else values
            scale = np.abs(rows).max(axis=1, keepdims=True) / 127
            rounded = (np.rint(rows / scale) * scale).astype(np.float32)
            weights[name] = rounded.T if name.startswith(FIRST_AXIS) else rounded
    rounded_runtime = family.runtime(sizes, weights)
    sentences = [np.random.default_rng(3).integers(VOCABULARY, size=size) for size in (5, 9)]

    for form in ("onnx", "onnx-step"):
        found = compare(make_onnx(form, sizes, int8=True), form, rounded_runtime, sentences)
        assert found.largest_difference < 1e-4
        assert found.tokens == 16


def test_texts_of_different_lengths_go_on_side_by_side(make_onnx, make_runtime):
    sizes = transformer_sizes("rotary")
    session, runtime = make_onnx("onnx-step", sizes), make_runtime(sizes)
    texts = np.array([[1, 2]]), np.array([[1, 5, 6]])
    states = [step(session, text, first_states(session, 1))[1] for text in texts]
    # The memory of the shorter text has padding before it.
    for name in ("keys", "values"):
        states[0][name] = np.pad(states[0][name], ((0, 0), (0, 0), (1, 0), (0, 0), (0, 0)))
    axis = {"keys": 1, "values": 1, "read": 0}
    joined = {name: np.concatenate([state[name] for state in states], axis=axis[name]) for name in axis}

    log_probs, _, _ = step(session, np.array([[3], [7]]), joined)

    for row, text in zip(log_probs, ([1, 2, 3], [1, 5, 6, 7]), strict=True):
        state = runtime.advance(runtime.null_state(1), np.array(text)[:, None])
        np.testing.assert_allclose(row, runtime.log_probs(state)[0], rtol=0, atol=1e-4)


def test_a_position_far_from_the_start_is_as_exact_as_a_near_one(make_onnx, make_runtime):
    # Rotary angles grow with the position; the tenth digit of a position of a million counts.
    sizes = transformer_sizes("rotary")
    session = make_onnx("onnx-step", sizes)
    near, far = ({**first_states(session, 1), "read": np.array([read])} for read in (0, 1_000_000))
    text = np.array([[1, 2, 3, 4]])

    of_near, of_far = (step(session, text, states)[0] for states in (near, far))

    np.testing.assert_allclose(of_far, of_near, rtol=0, atol=1e-4)


def test_another_model_differs(make_onnx, make_runtime):
    sizes = lstm_sizes()
    sentences = [np.array([2, 3, 4])]

    for form in ("onnx", "onnx-step"):
        found = compare(make_onnx(form, sizes, seed=6), form, make_runtime(sizes), sentences)
        assert found.largest_difference > 0.01
        assert found.own_log_prob == pytest.approx(sentence_log_prob(make_runtime(sizes), [2, 3, 4]), abs=1e-4)


def test_the_metadata_name_what_speech_decoders_read(make_onnx):
    of_forms = {
        form: make_onnx(form, lstm_sizes()).get_modelmeta().custom_metadata_map for form in ("onnx", "onnx-step")
    }

    for properties in of_forms.values():
        # sherpa-onnx, csrc/offline-rnn-lm.cc and csrc/online-rnn-lm.cc; icefall, rnn_lm/export-onnx.py
        assert properties["model_type"] == "rnnlm"
        assert (properties["sos_id"], properties["eos_id"], properties["vocab_size"]) == ("1", "1", "9")
        assert (properties["num_layers"], properties["hidden_size"]) == ("2", "4")


def test_the_inputs_of_a_step_are_in_the_order_that_speech_decoders_expect(make_onnx):
    session = make_onnx("onnx-step", lstm_sizes(), top=2)

    assert [each.name for each in session.get_inputs()] == ["x", "h0", "c0"]
    assert [each.name for each in session.get_outputs()] == [
        *("log_probs", "next_h0", "next_c0"),
        *("top_log_probs", "top_ids"),
    ]
    assert [each.shape for each in session.get_inputs()] == [["N", "L"], [2, "N", 4], [2, "N", 4]]
