"""Writing a language model as an ONNX file."""

from __future__ import annotations

import importlib.util
from typing import IO, TYPE_CHECKING, Any

from lmctl import progress
from lmctl.errors import MissingExtraError, QualityGateError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.comparing import Comparison
    from lmctl.families.exporting import ExportFigures, ExportOptions
    from lmctl.families.onnx.network import OnnxNetwork
    from lmctl.layers.onnx.graph import Graph

# Packages of the extra `onnx`.
PACKAGES = ("onnx", "onnxruntime")


def require_onnx() -> None:
    """Check that the packages are installed, without importing them.

    Raises:
        MissingExtraError: one is not installed.
    """
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"an export to ONNX needs {missing[0]}, which is not installed: pip install 'lmctl[onnx]'"
        )


def export_onnx(
    bundle: BundleFiles,
    form: str,
    file: IO[bytes],
    options: ExportOptions,
    make_network: Callable[[Graph], OnnxNetwork],
    load: Callable[[], LanguageModel[Any]],
) -> ExportFigures:
    """Write a model, after its numbers were compared with those of the runtime.

    Args:
        bundle: the bundle, for messages and sizes.
        form: one of the forms of `families.onnx.models`.
        file: open for writing.
        options: see `Family.export`.
        make_network: adds the network to a graph.
        load: loads the runtime.

    Raises:
        UsageError: `options.top` is larger than the vocabulary, or the model is larger than an ONNX file can be.
        DataError: onnxruntime computes other probabilities.
        QualityGateError: rounding raises the perplexity by more than `options.max_loss`.
    """
    from lmctl.families.onnx.check import compare, open_session, reader
    from lmctl.families.onnx.models import SEQUENCE, add_sequence_form, add_step_form, properties
    from lmctl.layers.onnx.graph import Graph, set_properties

    size = bundle.sizes.vocabulary_size
    if options.top > size:
        raise UsageError(f"--top: {options.top}; the vocabulary of {bundle.folder} has {size} words")
    progress.tell("building the graph")
    graph = Graph("lmctl", int8=options.quantize == "int8")
    network = make_network(graph)
    if form == SEQUENCE:
        add_sequence_form(graph, network)
    else:
        add_step_form(graph, network, size, options.top)
    described = dict(properties(form, network, size))
    try:
        model = graph.model(described)
    except ValueError as error:
        raise UsageError(f"{bundle.folder}: {error}") from None
    progress.tell("comparing with onnxruntime")
    found = compare(open_session(model.SerializeToString()), form, load(), options.sentences)
    if options.quantize:
        _check_loss(bundle, found, options.max_loss)
        described |= {
            "quantized": options.quantize,
            "perplexity": f"{found.perplexity:.4f}",
            "float32_perplexity": f"{found.own_perplexity:.4f}",
            "perplexity_tokens": str(found.tokens),
        }
        set_properties(model, described)
    else:
        found.check(bundle.folder, reader())
    written = model.SerializeToString()
    file.write(written)
    return found.figures(reader(), len(written), is_rounded=options.quantize is not None)


def _check_loss(bundle: BundleFiles, found: Comparison, most: float) -> None:
    """Refuse rounding that raises the perplexity by a larger share than `most`."""
    loss = found.perplexity / found.own_perplexity - 1
    if not loss <= most:
        raise QualityGateError(
            f"{bundle.folder}: weights of 8 bits raise the perplexity of {found.tokens:,} tokens from "
            f"{found.own_perplexity:.2f} to {found.perplexity:.2f}, by {loss:.2%}; --max-loss allows {most:.2%}"
        )
