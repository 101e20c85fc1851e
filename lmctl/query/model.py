"""A model that answers queries in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl.arguments import path_name, texts_of, whole_number
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.query.text_model import TextModel
from lmctl.store.bundle import open_bundle
from lmctl.store.naming import opened

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.query.filling import Filling
    from lmctl.query.generated_text import GeneratedText
    from lmctl.query.notebook import RankedWords
    from lmctl.query.prediction import Prediction
    from lmctl.query.sentence_scores import SentenceScore


class Model(TextModel):
    """A trained model that answers queries in words. `lmctl.load` makes it."""

    def predict(
        self, text: str, k: int = 5, *, candidates: Iterable[str] | None = None, words: bool = False
    ) -> RankedWords[Prediction]:
        """The k most probable next words after a text that starts a sentence, best first.

        `<unk>` and `</s>` are left out of the answer, but the probabilities are not rescaled.

        Args:
            text: the context, a line without its line end; may be empty.
            k: number of words in the answer.
            candidates: the only words that may be answers; None: all words.
            words: whether a model whose tokens are pieces of words answers with whole words.

        Raises:
            UsageError: the model fills gaps, and does not predict the next word; or `words` is set, and its tokens
                are not pieces of words; or no candidate can be an answer.
        """
        from lmctl.query.notebook import RankedWords
        from lmctl.query.prediction import Predictor

        kind = Predictor
        if words:
            from lmctl.query.whole_words import WordPredictor

            kind = WordPredictor
        return RankedWords(kind(self, k=k, candidates=candidates).answer([text])[0].predictions)

    def fill(self, text: str, k: int = 5, blank: str = "___") -> RankedWords[Filling]:
        """Return the k most probable words for the gap of a sentence, best first; `<unk>` and `</s>` are left out.

        Args:
            text: one sentence, a line without its end, with one gap.
            k: how many words to answer with.
            blank: the marker of the gap.

        Raises:
            DataError: the text does not have one gap.
        """
        from lmctl.query.filling import Filler
        from lmctl.query.notebook import RankedWords

        return RankedWords(Filler(self, k=k, blank=blank).answer(text).predictions)

    def generate(
        self,
        prompt: str = "",
        *,
        samples: int = 1,
        words: int | None = None,
        sentences: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        min_p: float = 0.0,
        beam: int | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        no_repeat_ngram: int | None = None,
    ) -> list[GeneratedText]:
        """Continue a text that starts a sentence. `<unk>` is never generated.

        Args:
            prompt: the text to continue; may be empty.
            samples: number of texts.
            words: a text ends after this many words (of a model of pieces of words: pieces); None: 100 times
                `sentences`.
            sentences: a text ends with this many sentence ends; None: 1, or, if `words` is given, as many as
                `words`.
            temperature: 1: the distribution of the model; less: its probable words become more probable; 0: the
                most probable word.
            top_k: only the k most probable words are drawn.
            top_p: only the most probable words are drawn whose probabilities first sum to this, above 0.
            min_p: only words are drawn that have at least this share of the probability of the most probable one.
            beam: search for the most probable texts with a beam of this size instead of drawing texts.
            seed: seed of the random numbers; None: a random seed, which the texts name.
            stop: texts that end a text; they belong to it.
            no_repeat_ngram: no N words of a sentence occur twice in a text.

        Returns:
            `samples` texts; those of a beam search from the best to the worst.

        Raises:
            UsageError: a value is outside its range, or the model fills gaps, and does not predict the next word.
            DataError: no word of the prompt is in the vocabulary.
        """
        from lmctl.query.generation import TextGenerator
        from lmctl.query.sampling import Sampling

        generator = TextGenerator(
            self,
            samples=samples,
            words=words,
            sentences=sentences,
            sampling=Sampling(temperature, top_k, top_p, min_p),
            beam=beam,
            seed=seed,
            stop=stop,
            no_repeat_ngram=no_repeat_ngram,
        )
        return [text for batch in generator.generate([generator.read(prompt)]) for text in batch]

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
        state = self.contexts.states([[SENTENCE_END_ID, *self.encode(text).token_ids]])
        return self.language_model.log_probs(state)[0]  # type: ignore[no-any-return]

    def word_vectors(self) -> Float32Array:
        """Return the vectors of all words, (V, E); `vocabulary.encode` gives the rows of words.

        Raises:
            UsageError: the model has no such vectors.
        """
        from lmctl.query.vectors import word_vectors

        return word_vectors(self)

    def sentence_vectors(self, texts: Sequence[str]) -> Float32Array:
        """Return a vector for each sentence, (N, D), as `lmctl embed` writes them.

        Args:
            texts: sentences, each a line without its end.

        Raises:
            UsageError: the model has no such vectors.
        """
        from lmctl.query.vectors import SentenceEncoder

        encoder = SentenceEncoder(self)
        vectors = [each.vector for each in encoder.encode(texts_of("texts", texts))]
        return np.array(vectors, dtype=np.float32).reshape(
            len(vectors), len(vectors[0]) if vectors else encoder.width
        )


def load(path: str | os.PathLike[str], *, cache: int = 0) -> Model:
    """Open a model for queries.

    Args:
        path: a model folder, `folder@6` for one of its generations, or a bundle folder.
        cache: number of words in the cache of a text whose state is carried; 0: no cache.

    Raises:
        UsageError: `path` is empty, `cache` is no whole number, or none was tuned for this model.
        InputMissingError: there is no model at this path.
        DataError: the model is damaged, or this version of lmctl does not read its format.
    """
    return load_named(str(Path(path_name(path))), cache=whole_number("cache", cache, least=0))


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
    # Imported here, as a query needs none of it.
    from lmctl.layers.distributions import check_log_probs
    from lmctl.query.probing import sample_log_probs
    from lmctl.store.verification import verify_bundle

    model = Model(verify_bundle(folder))
    check_log_probs(sample_log_probs(model.runtime, np.zeros(0, dtype=np.int64)))
