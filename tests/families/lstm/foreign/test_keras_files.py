"""Files of Keras are read as Keras reads them. Keras itself is the reference."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from lmctl.errors import DataError, MissingExtraError
from lmctl.families.lstm.foreign.keras_files import read_keras
from lmctl.families.lstm.runtime import LSTMLanguageModel

pytestmark = [pytest.mark.usefixtures("cpu"), pytest.mark.slow]

WORDS = 7


def keras_model(*units, **options):
    """A model as scripts make it; its layers have names of their own."""
    import keras

    keras.utils.set_random_seed(3)
    layers = [keras.layers.Embedding(WORDS, 3, name="words"), keras.layers.Dropout(0.5)]
    layers += [
        keras.layers.LSTM(size, return_sequences=number + 1 < len(units), name=f"layer{number}", **options)
        for number, size in enumerate(units)
    ]
    model = keras.Sequential([*layers, keras.layers.Dense(WORDS, activation="softmax", name="next")])
    model.build((None, None))
    # Biases are zeros at first.
    model.set_weights([np.random.default_rng(7).normal(size=array.shape) for array in model.get_weights()])
    return model


def own_probs(path, text):
    """The probabilities after a text, by lmctl."""
    sizes, config, weights = read_keras(path).in_own_form(np.arange(WORDS))
    assert (sizes.layers, sizes.hidden_units) == (config["layers"], config["hidden_units"])
    runtime = LSTMLanguageModel(sizes, weights)
    return np.exp(runtime.log_probs(runtime.advance(runtime.null_state(1), np.array(text)[:, None]))[0])


@pytest.mark.parametrize("units", [(4,), (4, 5), (6, 2, 4)])
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_the_probabilities_are_those_of_keras(tmp_path, suffix, units):
    model = keras_model(*units)
    path = tmp_path / f"model.{suffix}"
    model.save(path)

    for text in ([2], [1, 4, 3, 3]):
        expected = model.predict(np.array([text]), verbose=0)[0]
        np.testing.assert_allclose(own_probs(path, text), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("units", [(4,), (4, 5), (6, 2, 4)])
def test_without_an_end_of_sentences_a_sentence_starts_as_a_text_does_in_keras(tmp_path, units):
    model = keras_model(*units)
    model.save(tmp_path / "model.keras")
    # Neither `<unk>` nor `</s>` is in the file; the others are its ids 1 to 6.
    rows = np.array([-1, -1, 1, 2, 3, 4, 5, 6])
    sizes, _, weights = read_keras(tmp_path / "model.keras").in_own_form(rows)
    runtime = LSTMLanguageModel(sizes, weights)

    state = runtime.initial_state(1)
    # Each layer has one unit more, which has just passed the end on.
    for values in (state.hidden, state.cell):
        assert np.count_nonzero(values, axis=2).tolist() == [[1]] * len(units)
    # A sentence, its end, and another sentence.
    found = np.exp(runtime.log_probs(runtime.advance(state, np.array([[5], [2], [1], [3], [7], [4]])))[0])

    expected = model.predict(np.array([[2, 6, 3]]), verbose=0)[0][1:]
    assert not found[:2].any()
    np.testing.assert_allclose(found[2:], expected / expected.sum(), rtol=0, atol=1e-6)


def test_a_functional_model_is_read_too(tmp_path):
    import keras

    inputs = keras.Input((None,))
    hidden = keras.layers.LSTM(4, return_sequences=True)(keras.layers.Embedding(WORDS, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(WORDS, activation="softmax")(hidden))
    model.save(tmp_path / "model.keras")

    expected = model.predict(np.array([[5, 6]]), verbose=0)[0, -1]
    np.testing.assert_allclose(own_probs(tmp_path / "model.keras", [5, 6]), expected, rtol=0, atol=1e-6)


def test_layers_that_compute_otherwise_are_refused(tmp_path):
    import keras

    for model, message in (
        (
            keras_model(4, recurrent_activation="hard_sigmoid"),
            "layer LSTM: expected recurrent_activation sigmoid, got",
        ),
        (keras_model(4, use_bias=False), "layer LSTM: expected use_bias True, got False"),
        (keras_model(4, go_backwards=True), "layer LSTM: expected go_backwards False, got True"),
        (
            keras.Sequential([keras.layers.Embedding(WORDS, 3), keras.layers.GRU(4), keras.layers.Dense(WORDS)]),
            "layer GRU: expected Embedding, LSTM, Dense and Dropout alone",
        ),
        (
            keras.Sequential([keras.layers.Embedding(WORDS, 3), keras.layers.LSTM(4), keras.layers.Dense(WORDS)]),
            "layer Dense: expected activation softmax, got linear",
        ),
        (
            keras.Sequential([keras.layers.Embedding(WORDS, 3), keras.layers.LSTM(4)]),
            "expected the layers Embedding, LSTM, Dense, got Embedding, LSTM",
        ),
    ):
        if not model.built:
            model.build((None, 2))
        model.save(tmp_path / "model.keras")
        with pytest.raises(DataError, match=message):
            read_keras(tmp_path / "model.keras")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_cut_file_is_damaged(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    keras_model(4).save(path)
    whole = path.read_bytes()

    for length in (20, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        if suffix == "h5" and length == len(whole) - 30:
            continue  # The end of such a file may hold nothing that is read.
        with pytest.raises(DataError, match="damaged"):
            read_keras(path)


def test_another_file_is_named_as_what_it_is_not(tmp_path):
    (tmp_path / "model.keras").write_text("\\data\\\n")
    (tmp_path / "zipped.keras").write_bytes(b"\x1f\x8b\x08\x00gzip")

    with pytest.raises(
        DataError, match=r"zipped\.keras: is a gzip stream, expected a \.keras or \.h5 file of Keras"
    ):
        read_keras(tmp_path / "zipped.keras")
    with pytest.raises(DataError, match=r"model\.keras: expected a \.keras or \.h5 file of Keras"):
        read_keras(tmp_path / "model.keras")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_data_cannot_be_decompressed_is_damaged(tmp_path, method):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("config.json", bytes(range(32, 127)) * 50)
    content = bytearray(path.read_bytes())
    # After the head of 30 bytes and the name of 11.
    content[41:60] = bytes(0xFF for _ in range(19))
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"damaged, or not a \.keras file of Keras 3"):
        read_keras(path)


def test_a_zip_that_is_encrypted_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    content = bytearray(path.read_bytes())
    # The first bit of the flags, in the head of the entry and in the directory.
    for place in (6, content.index(b"PK\1\2") + 8):
        content[place] |= 1
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"config\.json' is encrypted"):
        read_keras(path)


def test_a_zip_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("readme.txt", "nothing")

    with pytest.raises(DataError, match=r"damaged, or not a \.keras file of Keras 3"):
        read_keras(tmp_path / "model.keras")


def test_weights_in_another_file_are_not_followed(tmp_path):
    import h5py

    path, other = tmp_path / "model.h5", tmp_path / "other.h5"
    keras_model(4).save(path)
    with h5py.File(path, "r+") as file, h5py.File(other, "w") as elsewhere:
        place = next(name for name in _datasets(file) if name.endswith("embeddings"))
        elsewhere["table"] = file[place][:]
        del file[place]
        file[place] = h5py.ExternalLink(str(other), "table")

    with pytest.raises(DataError, match="is missing, or a link to another place"):
        read_keras(path)


def test_a_file_that_states_more_than_there_is_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    keras_model(4).save(path)
    monkeypatch.setattr("lmctl.families.lstm.foreign.keras_files.MOST_WEIGHTS_BYTES", 100)

    with pytest.raises(DataError, match=r"model\.weights\.h5 has [\d,]+ bytes; at most 100 are read"):
        read_keras(path)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("embedding/vars/0", "layer Embedding: number of weights: expected 1, got 0"),
        ("lstm/cell/vars/2", "layer LSTM: number of weights: expected 3, got 2"),
        ("dense/vars/1", "layer Dense: number of weights: expected 2, got 1"),
    ],
)
def test_a_layer_that_lacks_a_weight_is_damaged(tmp_path, place, message):
    import h5py

    path = tmp_path / "model.keras"
    keras_model(4).save(path)
    with zipfile.ZipFile(path) as source:
        config, weights = source.read("config.json"), io.BytesIO(source.read("model.weights.h5"))
    with h5py.File(weights, "r+") as file:
        del file[f"layers/{place}"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", weights.getvalue())

    with pytest.raises(DataError, match=f"damaged; {message}"):
        read_keras(path)


def test_a_configuration_of_nonsense_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    keras_model(4).save(path)
    with zipfile.ZipFile(path) as source:
        weights = source.read("model.weights.h5")
    for config in (
        "[]",
        "{}",
        '{"config": {"layers": 3}}',
        '{"config": {"layers": [{"class_name": "LSTM"}]}}',
        "x",
        "[" * 100_000,
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", config)
            archive.writestr("model.weights.h5", weights)
        with pytest.raises(DataError, match="damaged"):
            read_keras(path)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    keras_model(4).save(path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(MissingExtraError, match=r"needs h5py, .* pip install 'lmctl\[hdf5\]'"):
        read_keras(path)


def _datasets(file):
    import h5py

    found = []
    file.visititems(lambda name, each: found.append(name) if isinstance(each, h5py.Dataset) else None)
    return found
