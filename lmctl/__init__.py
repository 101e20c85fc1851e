"""lmctl: train neural next-word models on text, and query them.

import lmctl
model = lmctl.load("models/news")
model.predict("the cat sat on", k=3)
"""

from lmctl.version import __version__

# Defined here, not imported from typing. This module must not import the standard library: under `python -m lmctl`
# the current folder is first on the path, and its files could replace modules of the standard library.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from lmctl.query.model import Model

__all__ = ["__version__", "load"]


def load(path: "str | os.PathLike[str]", *, cache: int = 0) -> "Model":
    """Open a model for queries: predict, score, log_probs.

    Args:
        path: a model folder, `folder@6` for one of its generations, or a bundle folder.
        cache: number of words in the cache of a text whose state is carried; 0: no cache.

    Raises:
        lmctl.errors.UsageError: a cache is asked for, but none was tuned for this model.
        lmctl.errors.InputMissingError: there is no model at this path.
        lmctl.errors.DataError: the model is damaged, or this version of lmctl does not read its format.
    """
    # Deferred so that importing lmctl costs nothing.
    from lmctl.query.model import load as load_model

    return load_model(path, cache=cache)
