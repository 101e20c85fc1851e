"""What answers: a NumPy runtime for each family of models, behind one set of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmctl.store.ngram_tables import NgramSizes
from lmctl.store.sizes import LSTMSizes

if TYPE_CHECKING:
    from lmctl.runtime.base import LanguageModel
    from lmctl.store.bundle import Bundle


def load_language_model(bundle: Bundle) -> LanguageModel[Any]:
    """The runtime of a bundle's family, with its weights.

    Raises:
        DataError: a weight or a table is missing, damaged, or of a shape that does not fit.
    """
    # Deferred: a query needs the code of one family.
    sizes = bundle.record.sizes
    if isinstance(sizes, LSTMSizes):
        from lmctl.runtime.lstm import LSTMLanguageModel

        return LSTMLanguageModel.from_bundle(bundle)
    if isinstance(sizes, NgramSizes):
        from lmctl.runtime.ngram import NgramLanguageModel

        return NgramLanguageModel.from_bundle(bundle)
    from lmctl.runtime.mixture import MixtureLanguageModel

    return MixtureLanguageModel(list(map(load_language_model, bundle.members())), sizes.weights)
