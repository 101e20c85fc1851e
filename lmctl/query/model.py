"""A model that answers queries in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.layers.distributions import check_log_probs
from lmctl.query.probing import sample_log_probs
from lmctl.query.text_model import TextModel
from lmctl.store.bundle import open_bundle
from lmctl.store.naming import opened
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    import os

    from lmctl.arrays import Float32Array
    from lmctl.query.filling import Filling
    from lmctl.query.prediction import Prediction
    from lmctl.query.window_scoring import SentenceScore


class Model(TextModel):
    """A trained model that answers queries in words. `lmctl.load` makes it."""

    def predict(self, text: str, k: int = 5) -> list[Prediction]:
        """The k most probable next words after a text that starts a sentence, best first.

        `<unk>` and `</s>` are left out of the answer, but the probabilities are not rescaled.

        Args:
            text: the context, a line without its line end; may be empty.
            k: number of words in the answer.

        Raises:
            UsageError: the model fills gaps, and does not predict the next word.
        """
        from lmctl.query.prediction import Predictor

        return Predictor(self, k=k).answer([text])[0].predictions

    def fill(self, text: str, k: int = 5, blank: str = "___") -> list[Filling]:
        """Return the k most probable words for the gap of a sentence, best first; `<unk>` and `</s>` are left out.

        Args:
            text: one sentence, a line without its end, with one gap.
            k: how many words to answer with.
            blank: the marker of the gap.

        Raises:
            DataError: the text does not have one gap.
        """
        from lmctl.query.filling import Filler

        return Filler(self, k=k, blank=blank).answer(text).predictions

    def score(self, text: str) -> SentenceScore:
        """Return the natural log probability of every word of a sentence, and of its end.

        Args:
            text: one sentence, a line without its line end.
        """
        from lmctl.query.scoring import score_sentences

        return next(score_sentences(self, [text], blank_lines="keep"))

    def log_probs(self, text: str) -> Float32Array:
        """Return the natural log probability of every next token after a text that starts a sentence, (V,).

        Args:
            text: the context, a line without its line end; may be empty.
        """
        token_ids = np.array(self.encode(text).token_ids, dtype=np.int64)[:, None]
        state: Any = self.language_model.initial_state(1)
        return self.language_model.log_probs(self.language_model.advance(state, token_ids))[0]  # type: ignore[no-any-return]


def load(path: str | os.PathLike[str], *, cache: int = 0) -> Model:
    """Open a model for queries.

    Args:
        path: a model folder, `folder@6` for one of its generations, or a bundle folder.
        cache: number of words in the cache of a text whose state is carried; 0: no cache.

    Raises:
        UsageError: a cache is asked for, but none was tuned for this model.
        InputMissingError: there is no model at this path.
        DataError: the model is damaged, or this version of lmctl does not read its format.
    """
    return load_named(str(Path(path)), cache=cache)


def load_named(name: str | None, *, cache: int = 0) -> Model:
    """Open the model that `-m NAME` means, or the generation that is published in its place meanwhile.

    Raises:
        UsageError: no model was named and there are several; or a cache is asked for, but none was tuned for this
            model.
        InputMissingError: there is no model.
        DataError: the model is damaged, or this version of lmctl does not read its format.
    """
    return opened(name, lambda folder: Model(open_bundle(folder), cache))


def verify_model(folder: Path) -> None:
    """Check every file of a bundle, then open it as a model and compute one distribution.

    Raises:
        InputMissingError: the folder is not a bundle.
        DataError: a file is missing, damaged or foreign; the message names it.
    """
    model = Model(verify_bundle(folder))
    check_log_probs(sample_log_probs(model.runtime, np.zeros(0, dtype=np.int64)))
