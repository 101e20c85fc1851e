"""Reading an ONNX model with onnxruntime, to compare its numbers with those of the runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from lmctl.families.comparing import Comparison, compare_sentences, compare_words
from lmctl.families.onnx.models import SEQUENCE
from lmctl.families.onnx.network import BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import LanguageModel

# Severity of messages that are errors. Below, onnxruntime writes warnings about the machine to standard error.
_ERRORS = 3


def reader() -> str:
    """The name and the version of the program that reads."""
    return f"onnxruntime {onnxruntime.__version__}"


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """Open a model. It computes on the processor."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def compare(
    session: onnxruntime.InferenceSession, form: str, runtime: LanguageModel[Any], sentences: Sequence[IntArray]
) -> Comparison:
    """Score sentences with both.

    Args:
        session: the ONNX model.
        form: one of the forms of `families.onnx.models`.
        runtime: the model itself.
        sentences: token ids, (N,) each, without `</s>`.
    """

    def log_prob_of(sentence: IntArray) -> float:
        (nll,) = session.run(["nll"], {"x": sentence[None], "x_lens": np.array([len(sentence)])})
        return -float(nll[0])

    if form == SEQUENCE:
        return compare_sentences(log_prob_of, runtime, sentences)
    return compare_words(lambda token_ids: _step_by_step(session, token_ids), runtime, sentences)


def _step_by_step(session: onnxruntime.InferenceSession, token_ids: IntArray) -> Float32Array:
    """The log probabilities after each token of a text (T,), (T, V)."""
    names = [each.name for each in session.get_inputs() if each.name != "x"]
    states = {each.name: _zeros(each) for each in session.get_inputs() if each.name != "x"}
    along = []
    for token in token_ids:
        log_probs, *after = session.run(
            ["log_probs", *(f"next_{name}" for name in names)], {"x": np.array([[token]]), **states}
        )
        states = dict(zip(names, after, strict=True))
        along.append(log_probs[0])
    return np.array(along)


def _zeros(state: Any) -> Any:
    """The first value of an input of onnxruntime, for one text."""
    kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64}[state.type]
    sizes = [1 if size == BATCH else 0 if isinstance(size, str) else size for size in state.shape]
    return np.zeros(sizes, dtype=kind)
