"""Types of `Family.export`: formats, options and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import IntArray

# The largest difference, in nats, of a log probability that another program reads from a file to the model's own.
LARGEST_DIFFERENCE = 1e-4


class ExportFormat(NamedTuple):
    """A format that models are written in.

    Attributes:
        suffix: the usual suffix of such a file, without the dot.
        options: the fields of `ExportOptions` that apply to it, which are options of `lmctl export`.
        is_checked: whether another program reads the file before it is finished, and scores
            `ExportOptions.sentences`.
        needs_tensorflow: whether TensorFlow must be loaded before the export.
    """

    suffix: str
    options: frozenset[str] = frozenset()
    is_checked: bool = False
    needs_tensorflow: bool = False


# Formats of every model.
OF_EVERY_MODEL = {"words": ExportFormat("txt"), "vocabulary": ExportFormat("txt"), "word2vec": ExportFormat("txt")}
# Formats of several families.
ARPA = ExportFormat("arpa", frozenset({"unknown", "prune_entropy"}))
ONNX = ExportFormat("onnx", frozenset({"quantize", "max_loss"}), is_checked=True)
# Tables of log probabilities are not rounded to 8 bits: it would change them by factors.
ONNX_TABLES = ExportFormat("onnx", is_checked=True)
ONNX_STEP_TABLES = ExportFormat("onnx", frozenset({"top"}), is_checked=True)
ONNX_STEP = ExportFormat("onnx", frozenset({"quantize", "max_loss", "top"}), is_checked=True)


class ExportOptions(NamedTuple):
    """Options of `Family.export`. Each format has some of them (`ExportFormat.options`).

    Attributes:
        unknown: the spelling of the unknown word in the file.
        top: number of most probable words that a step gives, too; 0: none.
        quantize: "int8": matrices are stored as 8-bit integers; None: nothing is rounded.
        prune_entropy: n-grams are left out whose loss alone raises the perplexity by a smaller share; None: none.
        max_loss: the largest share by which rounding may raise the perplexity of `sentences`.
        sentences: sentences for the check, each (N,), without `</s>`. Empty unless the format is checked.
    """

    unknown: str = "<unk>"
    top: int = 0
    quantize: str | None = None
    prune_entropy: float | None = None
    max_loss: float = 0.02
    sentences: Sequence[IntArray] = ()


class ExportFigures(NamedTuple):
    """What another program read from a file.

    Attributes:
        reader: the program and its version.
        compared: what was compared, such as "the log probability of a word".
        tokens: number of tokens that were scored.
        largest_difference: of what was compared, in nats, to the model itself.
        perplexity: of the sentences, by the other program.
        own_perplexity: of the sentences, by the model itself.
        size_bytes: of the model, before compression.
        is_rounded: whether the weights were rounded, so that the numbers differ.
    """

    reader: str
    compared: str
    tokens: int
    largest_difference: float
    perplexity: float
    own_perplexity: float
    size_bytes: int
    is_rounded: bool
