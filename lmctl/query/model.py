"""A model opened for questions in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.layers.distributions import check_log_probs
from lmctl.query.text_model import TextModel
from lmctl.store.bundle import open_bundle
from lmctl.store.naming import opened
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    import os

    from lmctl.arrays import Float32Array
    from lmctl.query.prediction import Prediction
    from lmctl.query.scoring import SentenceScore


class Model(TextModel):
    """A trained model that answers questions in words. Made by `lmctl.load`."""

    def predict(self, text: str, k: int = 5) -> list[Prediction]:
        """The k most probable next words after a text that starts a sentence, best first.

        `<unk>` and `</s>` are left out; probabilities are those of the whole distribution.

        Args:
            text: the context, a line without its end; may be empty.
            k: how many words to answer with.
        """
        from lmctl.query.prediction import Predictor

        return Predictor(self, k=k).answer([text])[0].predictions

    def score(self, text: str) -> SentenceScore:
        """Log probability (natural) of every word of a sentence, and of its end.

        Args:
            text: one sentence, a line without its end.
        """
        from lmctl.query.scoring import score_sentences

        return next(score_sentences(self, [text], blank_lines="keep"))

    def log_probs(self, text: str) -> Float32Array:
        """Natural log probability of every next token after a text that starts a sentence, (V,).

        Args:
            text: the context, a line without its end; may be empty.
        """
        token_ids = np.array(self.encode(text).token_ids, dtype=np.int64)[:, None]
        state: Any = self.language_model.initial_state(1)
        return self.language_model.log_probs(self.language_model.advance(state, token_ids))[0]  # type: ignore[no-any-return]


def load(path: str | os.PathLike[str], *, cache: int = 0) -> Model:
    """Open a model for questions.

    Args:
        path: a model's folder, `folder@6` for one of its generations, or a bundle's folder.
        cache: how many words of a text that is read with its state carried are remembered; 0: none.

    Raises:
        UsageError: a cache is asked for, and none was tuned for this model.
        InputMissingError: there is no model there.
        DataError: it is damaged, or of a format that this version does not read.
    """
    return load_named(str(Path(path)), cache=cache)


def load_named(name: str | None, *, cache: int = 0) -> Model:
    """Open the model that `-m NAME` means; one that is published meanwhile is as good.

    Raises:
        UsageError: nothing was named and there is not exactly one model; or a cache is asked for, and none was
            tuned for it.
        InputMissingError: there is no model there.
        DataError: it is damaged, or of a format that this version does not read.
    """
    return opened(name, lambda folder: Model(open_bundle(folder), cache))


def verify_model(folder: Path) -> None:
    """Check all of a bundle: every file, and that its weights and text recipe make a model.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: what does not fit, by name.
    """
    model = Model(verify_bundle(folder))
    check_log_probs(model.log_probs(""))
