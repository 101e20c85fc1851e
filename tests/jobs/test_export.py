"""Exports of networks and vocabularies; test_arpa.py has those of n-grams."""

from __future__ import annotations

import numpy as np
import pytest

from lmctl.errors import DataError, MissingExtraError, QualityGateError, UsageError
from lmctl.families.onnx import check
from lmctl.families.onnx.check import open_session
from lmctl.jobs.export import export
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import amend_bundle

TEXT = "the cat sat on the mat .\n\nthe dog sat .\n"


@pytest.fixture
def bundle(make_bundle, tmp_path):
    """A network with random weights that keeps a validation text."""
    folder = make_bundle(tmp_path / "bundle")
    amend_bundle(open_bundle(folder), {"valid.txt": TEXT.encode()})
    return folder


@pytest.mark.parametrize("form", ["onnx", "onnx-step"])
def test_the_kept_text_is_compared_and_the_difference_told(bundle, tmp_path, caplog, form):
    caplog.set_level("INFO", "lmctl")

    export(str(bundle), form, str(tmp_path / "model.onnx"))

    (message,) = caplog.messages
    # Seven words and four words, and an end each; the blank line is no sentence.
    assert "nats (13 tokens)" in message
    size = (tmp_path / "model.onnx").stat().st_size
    assert message.endswith(f"; {size} bytes")
    assert open_session((tmp_path / "model.onnx").read_bytes()).get_modelmeta().producer_name == "lmctl"


@pytest.mark.parametrize("kept", [{}, {"valid.txt": b"\n"}, {"valid.txt": b"mat mat\n"}], ids=str)
def test_drawn_words_are_compared_if_no_text_is_kept(make_bundle, tmp_path, caplog, kept):
    caplog.set_level("INFO", "lmctl")
    folder = make_bundle(tmp_path / "bundle", stop_words=("mat",))
    amend_bundle(open_bundle(folder), kept)

    export(str(folder), "onnx", str(tmp_path / "model.onnx"))

    # Fifty sentences of twenty words, and an end each.
    assert "(1050 tokens)" in caplog.text


def test_the_same_model_gives_the_same_bytes(bundle, tmp_path):
    for name in ("one.onnx", "two.onnx"):
        export(str(bundle), "onnx-step", str(tmp_path / name), {"top": 3})

    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


@pytest.mark.parametrize("form", ["onnx", "onnx-step"])
def test_other_numbers_are_refused_and_the_old_file_stays(bundle, tmp_path, monkeypatch, form):
    (tmp_path / "model.onnx").write_bytes(b"old")
    opened = check.open_session

    class Other:
        def __init__(self, model):
            self._session = opened(model)

        def get_inputs(self):
            return self._session.get_inputs()

        def run(self, names, feed):
            first, *others = self._session.run(names, feed)
            return [first + np.float32(0.01), *others]

    monkeypatch.setattr(check, "open_session", Other)

    with pytest.raises(DataError, match=r"reads other probabilities .* differs by 0\.0[01]\d* nats"):
        export(str(bundle), form, str(tmp_path / "model.onnx"))
    assert (tmp_path / "model.onnx").read_bytes() == b"old"
    assert not [path for path in tmp_path.iterdir() if path.name not in ("bundle", "model.onnx")]


def test_rounding_is_measured_and_recorded(bundle, tmp_path, caplog):
    caplog.set_level("INFO", "lmctl")

    export(str(bundle), "onnx", str(tmp_path / "model.onnx"), {"quantize": "int8", "max_loss": 0.5})

    session = open_session((tmp_path / "model.onnx").read_bytes())
    properties = session.get_modelmeta().custom_metadata_map
    assert properties["quantized"] == "int8"
    assert properties["perplexity_tokens"] == "13"
    words = {"the": 2, "cat": 3, "sat": 4, "on": 5, "mat": 6, "dog": 7, ".": 8}
    lines = [[words[word] for word in line.split()] for line in TEXT.splitlines() if line]
    nll = sum(
        float(session.run(None, {"x": np.array([line]), "x_lens": np.array([len(line)])})[0][0]) for line in lines
    )
    assert float(properties["perplexity"]) == pytest.approx(np.exp(nll / 13), abs=1e-4)
    assert float(properties["float32_perplexity"]) == pytest.approx(float(properties["perplexity"]), rel=0.2)
    assert properties["float32_perplexity"] != properties["perplexity"]
    assert "before rounding (13 tokens)" in caplog.text


def test_rounding_that_costs_too_much_is_refused(bundle, tmp_path, monkeypatch):
    from lmctl.layers.onnx import graph

    # Numbers of 1 bit and a sign.
    monkeypatch.setattr(graph, "INT8_LARGEST", 1)

    with pytest.raises(QualityGateError, match=r"weights of 8 bits raise .*; --max-loss allows 0\.00%"):
        export(str(bundle), "onnx", str(tmp_path / "model.onnx"), {"quantize": "int8", "max_loss": 0.0})
    assert not (tmp_path / "model.onnx").exists()


def test_a_missing_package_is_named_with_the_extra(bundle, tmp_path, monkeypatch):
    from importlib.util import find_spec

    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "onnxruntime" else find_spec(name)
    )

    with pytest.raises(MissingExtraError, match=r"needs onnxruntime, .* pip install 'lmctl\[onnx\]'"):
        export(str(bundle), "onnx", str(tmp_path / "model.onnx"))
    assert not (tmp_path / "model.onnx").exists()


def test_options_of_other_formats_are_refused(bundle, tmp_path):
    output = str(tmp_path / "model.onnx")
    for format, given, message in (
        ("onnx", {"top": 3}, "--top: --to onnx does not have it; onnx-step has"),
        ("onnx", {"unknown": "<UNK>"}, "--unknown: --to onnx does not have it; arpa has"),
        ("words", {"quantize": "int8"}, "--quantize: --to words does not have it; onnx and onnx-step have"),
        ("onnx", {"max_loss": 0.1}, "--max-loss: nothing is rounded without --quantize"),
        ("onnx-step", {"top": 10}, f"--top: 10; the vocabulary of {bundle} has 9 words"),
    ):
        with pytest.raises(UsageError) as raised:
            export(str(bundle), format, output, given)
        assert str(raised.value) == message
    assert not (tmp_path / "model.onnx").exists()


def test_the_vocabulary_has_a_line_for_each_id_and_words_have_no_specials(bundle, tmp_path):
    for format in ("words", "vocabulary"):
        export(str(bundle), format, str(tmp_path / format))

    words = ["the", "cat", "sat", "on", "mat", "dog", "."]
    assert (tmp_path / "words").read_text().splitlines() == words
    assert (tmp_path / "vocabulary").read_text().splitlines() == ["<unk>", "</s>", *words]
