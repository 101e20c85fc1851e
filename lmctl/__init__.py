"""lmctl: train neural next-word models on text, and query them.

import lmctl
model = lmctl.train("corpus.txt", "models/news")
model = lmctl.load("models/news")
model.predict("the cat sat on", k=3)
lmctl.evaluate(model, "held-out.txt").perplexity
"""

from lmctl.version import __version__

# Defined here, not imported from typing. This module must not import the standard library: under `python -m lmctl`
# the current folder is first on the path, and its files could replace modules of the standard library.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lmctl.library import Model, evaluate, load, prepare, to_keras, train

__all__ = ["Model", "__version__", "evaluate", "load", "prepare", "to_keras", "train"]


def __getattr__(name: str) -> object:
    # Deferred so that importing lmctl costs nothing.
    if name in __all__:
        from lmctl import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
