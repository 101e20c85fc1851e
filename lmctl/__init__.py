"""lmctl: train neural next-word models on text, and query them.

import lmctl
model = lmctl.load("models/news")
model.predict("the cat sat on", k=3)
"""

from lmctl.version import __version__

# In the place of typing's. Nothing of the standard library is imported here: under `python -m lmctl` the current
# folder, with whatever it holds, is still first on the path.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from lmctl.query.model import Model

__all__ = ["__version__", "load"]


def load(path: "str | os.PathLike[str]", *, cache: int = 0) -> "Model":
    """Open a model for questions: predict, score, log_probs.

    Args:
        path: a model's folder, `folder@6` for one of its generations, or a bundle's folder.
        cache: how many words of a text that is read with its state carried are remembered; 0: none.

    Raises:
        lmctl.errors.UsageError: a cache is asked for, and none was tuned for this model.
        lmctl.errors.InputMissingError: there is no model there.
        lmctl.errors.DataError: it is damaged, or of a format that this version does not read.
    """
    # Deferred so that importing lmctl costs nothing.
    from lmctl.query.model import load as load_model

    return load_model(path, cache=cache)
