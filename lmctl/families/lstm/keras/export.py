"""Writing the LSTM language model for programs that have Keras or LiteRT, and not lmctl."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from lmctl import progress
from lmctl.errors import MissingExtraError, UsageError
from lmctl.families.comparing import compare_words
from lmctl.families.lstm.keras.one_step import make_step
from lmctl.families.lstm.keras.stock_layers import stock_model
from lmctl.silence import silenced_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportFigures, ExportOptions
    from lmctl.families.lstm.sizes import LSTMSizes

# A table in a file of LiteRT has at most 2 GiB, and so does a message in which TensorFlow passes a table on.
MOST_BYTES = 2**31 - 1
# The time stamp of files without one.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def export_keras(
    bundle: BundleFiles,
    weights: Mapping[str, Float32Array],
    runtime: LanguageModel[Any],
    file: IO[bytes],
    options: ExportOptions,
) -> ExportFigures:
    """Write a .keras file of Keras's own layers (`stock_model`), after Keras has read it.

    Args:
        bundle: the bundle.
        weights: its weights.
        runtime: the model itself.
        file: open for writing.
        options: see `Family.export`.

    Raises:
        UsageError: the word vectors are too large.
        DataError: Keras reads other numbers from the file.
    """
    _check_size(bundle)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "model.keras"
        progress.tell("writing with Keras")
        stock_model(bundle.sizes, weights).save(written)
        model = keras.models.load_model(written)
        progress.tell("comparing with Keras")
        reader = f"Keras {keras.__version__}"
        found = compare_words(lambda ids: _log_probs_of_text(model, ids), runtime, options.sentences)
        found.check(bundle.folder, reader)
        return found.figures(reader, _copy_without_chance(written, file))


def export_litert(
    bundle: BundleFiles,
    weights: Mapping[str, Float32Array],
    runtime: LanguageModel[Any],
    file: IO[bytes],
    options: ExportOptions,
) -> ExportFigures:
    """Write a .tflite file of one step (`make_step`), after LiteRT has read it.

    Args:
        bundle: the bundle.
        weights: its weights.
        runtime: the model itself.
        file: open for writing.
        options: see `Family.export`.

    Raises:
        MissingExtraError: LiteRT is not installed.
        UsageError: the word vectors are too large.
        DataError: LiteRT reads other numbers from the file.
    """
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise MissingExtraError(
            "an export to LiteRT needs ai-edge-litert, which is not installed: pip install 'lmctl[litert]'"
        )
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    _check_size(bundle)
    progress.tell("converting")
    holder = tf.Module()
    holder.step = make_step(bundle.sizes, weights)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([holder.step.get_concrete_function()], holder)
    # Other operators would need TensorFlow's at run time.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    written = converter.convert()
    progress.tell("comparing with LiteRT")
    with silenced_stderr():
        step = Interpreter(model_content=written).get_signature_runner()
        # It says at the first step how it computes.
        _log_probs_by_steps(step, bundle.sizes, np.zeros(1, dtype=np.int64))
    reader = f"LiteRT {version('ai-edge-litert')}"
    found = compare_words(lambda ids: _log_probs_by_steps(step, bundle.sizes, ids), runtime, options.sentences)
    found.check(bundle.folder, reader)
    file.write(written)
    return found.figures(reader, len(written))


def _check_size(bundle: BundleFiles) -> None:
    """Refuse word vectors, which are multiplied out into one table, that no file can hold."""
    sizes = bundle.sizes
    size = 4 * sizes.vocabulary_size * max(sizes.embedding_dim, sizes.word_layers.output_dim)
    if size > MOST_BYTES:
        raise UsageError(
            f"{bundle.folder}: a table of word vectors has {size:,} bytes; at most {MOST_BYTES:,} fit"
        )


def _log_probs_of_text(model: Any, token_ids: IntArray) -> Float32Array:
    """The log probabilities after each token (T,), (T, V)."""
    probs = np.asarray(model(token_ids[None].astype(np.int32)))[0]
    with np.errstate(divide="ignore"):
        log_probs: Float32Array = np.log(probs)
    return log_probs


def _log_probs_by_steps(step: Any, sizes: LSTMSizes, token_ids: IntArray) -> Float32Array:
    """The log probabilities after each token (T,), (T, V)."""
    hidden = cell = np.zeros((sizes.layers, 1, sizes.hidden_units), dtype=np.float32)
    along = []
    for token in token_ids:
        found = step(token=np.array([token], dtype=np.int32), hidden=hidden, cell=cell)
        hidden, cell = found["next_hidden"], found["next_cell"]
        along.append(found["log_probs"][0])
    return np.array(along)


def _without_chance(document: Any, numbers: dict[int, int]) -> Any:
    """A document of Keras without the date, and with other numbers for its objects than their places in memory."""
    if isinstance(document, list):
        return [_without_chance(each, numbers) for each in document]
    if not isinstance(document, dict):
        return document
    return {
        name: numbers.setdefault(value, len(numbers))
        if name == "shared_object_id"
        else _without_chance(value, numbers)
        for name, value in document.items()
        if name != "date_saved"
    }


def _copy_without_chance(written: Path, file: IO[bytes]) -> int:
    """Copy a .keras file, so that the same model gives the same bytes, and return their number."""
    with zipfile.ZipFile(written) as source, tempfile.TemporaryFile() as copied:
        with zipfile.ZipFile(copied, "w") as target:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename.endswith(".json"):
                    content = json.dumps(_without_chance(json.loads(content), {})).encode()
                target.writestr(zipfile.ZipInfo(entry.filename, _NO_DATE), content)
        size = copied.tell()
        copied.seek(0)
        while piece := copied.read(1 << 20):
            file.write(piece)
        return size
