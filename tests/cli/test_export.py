"""`lmctl export` of networks and vocabularies; test_arpa.py has that of n-grams."""

from __future__ import annotations

import pytest


def test_a_pipe_gets_the_bytes_of_a_file_and_no_message(call, lmctl, bundle, tmp_path):
    assert call("export", bundle, "--to", "onnx", "-o", tmp_path / "model.onnx").code == 0

    piped = lmctl("export", bundle, "--to", "onnx", "-o", tmp_path / "again.onnx")

    assert (piped.code, piped.out, piped.err) == (0, "", "")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


def test_the_difference_is_told_if_asked(lmctl, bundle, tmp_path):
    finished = lmctl("export", bundle, "--to", "onnx-step", "-o", tmp_path / "model.onnx", "-v")

    assert (finished.code, finished.out) == (0, "")
    (line,) = finished.err.splitlines()
    assert line.startswith("lmctl: largest difference of the log probability of a word to onnxruntime 1.")
    assert " nats (1050 tokens); " in line


def test_every_model_has_words_and_ngrams_have_no_vectors(call, counted, mixture, tmp_path):
    for model in (counted, mixture):
        words = call("export", model, "--to", "words", "-o", tmp_path / "words.txt")
        vectors = call("export", model, "--to", "word2vec", "-o", tmp_path / "vectors.txt")

        assert (words.code, words.err) == (0, "")
        assert sorted((tmp_path / "words.txt").read_text().split()) == [
            *(".", "cat", "dog", "mat", "on", "sat", "the")
        ]
        assert (vectors.code, vectors.err.count("\n")) == (2, 1)
    assert not (tmp_path / "vectors.txt").exists()


def test_word2vec_has_the_vectors_of_embed(call, bundle, tmp_path):
    assert call("export", bundle, "--to", "word2vec", "-o", tmp_path / "vectors.txt").code == 0

    lines = (tmp_path / "vectors.txt").read_text().splitlines()
    assert lines == call("embed", "-m", bundle, "--words", "--format", "word2vec").lines
    assert lines[0] == "9 3"
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "onnx", "--top", "3"), "lmctl: --top: --to onnx does not have it; onnx-step has\n"),
        (("--to", "words", "--max-loss", "0.1"), "lmctl: --max-loss: --to words does not have it; "),
        (("--to", "onnx-step", "--top", "0"), "lmctl: --top: expected a whole number of at least 1, got 0\n"),
        (
            ("--to", "onnx", "--quantize", "int8", "--max-loss", "nan"),
            "lmctl: --max-loss: expected a number of at ",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_option_is_one_line(call, bundle, tmp_path, arguments, message):
    finished = call("export", bundle, *arguments, "-o", tmp_path / "model")

    assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
    assert finished.err.startswith(message)
    assert not (tmp_path / "model").exists()


def test_rounding_that_costs_too_much_has_the_exit_code_of_the_gate(call, bundle, tmp_path, monkeypatch):
    from lmctl.layers.onnx import graph

    monkeypatch.setattr(graph, "INT8_LARGEST", 1)
    finished = call(
        *("export", bundle, "--to", "onnx", "--quantize", "int8", "--max-loss", "0", "-o", tmp_path / "model")
    )

    assert (finished.code, finished.err.count("\n")) == (3, 1)
    assert not (tmp_path / "model").exists()


def test_a_model_that_fills_gaps_is_refused(call, make_bundle, tmp_path):
    masked = make_bundle(tmp_path / "masked", family="masked")

    finished = call("export", masked, "--to", "onnx", "-o", tmp_path / "model.onnx")

    assert (finished.code, finished.err.count("\n")) == (2, 1)
    assert "lmctl fill" in finished.err
