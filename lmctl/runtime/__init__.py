"""What answers: a NumPy runtime for each family of models, behind one set of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmctl.errors import DataError

if TYPE_CHECKING:
    from lmctl.runtime.base import LanguageModel
    from lmctl.store.bundle import Bundle


def load_language_model(bundle: Bundle) -> LanguageModel[Any]:
    """The runtime of a bundle's family, with its weights.

    Raises:
        DataError: the family is unknown, or a weight is missing or of a shape that does not fit.
    """
    if bundle.record.family == "lstm":
        from lmctl.runtime.lstm import LSTMLanguageModel

        return LSTMLanguageModel.from_bundle(bundle)
    raise DataError(f"{bundle.folder}: family {bundle.record.family!r} is not one that this lmctl knows: lstm")
