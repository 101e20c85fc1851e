"""Generates texts: prompts in, continuations out, by sampling (`lmctl.query.sampling`) or by beam search.

Samples grow side by side, one token a step. Each has random numbers of its own, from (seed, number of the prompt,
number of the sample), so a text depends neither on the other texts of its batch nor on their number. Prompts of
several callers, each with a seed of its own, may grow in one batch.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.arguments import texts_of, whole_number
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import DataError, UsageError, quoted
from lmctl.progress import tell
from lmctl.query.batching import LARGEST_BATCH
from lmctl.query.beam_search import BeamSearch
from lmctl.query.generated_text import GeneratedText, Piece, Prompt
from lmctl.query.growing_text import GrowingText, Limits
from lmctl.query.sampling import LARGEST_SEED, Sampler, Sampling
from lmctl.query.stop_texts import StopTexts
from lmctl.query.text_writer import TextWriter
from lmctl.text.detokenization import detokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from lmctl.query.text_model import TextModel

# The most words of a sentence, if no other limit is given.
WORDS_A_SENTENCE = 100
# Columns times words of the distributions that are in memory at once.
NUMBERS_AT_ONCE = 1 << 22


class TextGenerator:
    """Continues prompts. A prompt starts a sentence.

    Args:
        model: the model.
        samples: number of texts for each prompt.
        words: a text ends after this many words (of a model of pieces of words: pieces); None: 100 times
            `sentences`.
        sentences: a text ends with this many sentence ends; None: 1, or, if `words` is given, as many as `words`.
        sampling: how the next token is drawn.
        beam: K of the beam search that takes the place of sampling; None: sampling.
        seed: seed of the random numbers, from 0 to 2^32 - 1; None: a random seed. A prompt may have another one.
        stop: texts that end a text; they belong to it.
        no_repeat_ngram: N; no N tokens of a sentence occur twice in a text. None: they may.
        tokens: whether `GeneratedText.text` has tokens with spaces between them.

    Attributes:
        seed: the seed.
        prompts: number of prompts that have been read.

    Raises:
        UsageError: a value is outside its range, a stop has a word that is not in the vocabulary, sampling or a
            seed is given together with a beam, or the model does not predict the next word.
    """

    def __init__(
        self,
        model: TextModel,
        *,
        samples: int = 1,
        words: int | None = None,
        sentences: int | None = None,
        sampling: Sampling | None = None,
        beam: int | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        no_repeat_ngram: int | None = None,
        tokens: bool = False,
    ) -> None:
        samples = whole_number("samples", samples)
        words, sentences, no_repeat_ngram = (
            None if count is None else whole_number(name, count)
            for name, count in (("words", words), ("sentences", sentences), ("no_repeat_ngram", no_repeat_ngram))
        )
        stop = texts_of("stop", stop)
        self._model = model
        self._language_model = model.language_model
        self._samples = samples
        self._tokens = tokens
        self._search: BeamSearch | None = None
        if beam is not None:
            if (sampling is not None and not sampling.is_whole) or seed is not None:
                raise UsageError("a beam search draws nothing; leave out the seed and the options of sampling")
            self._search = BeamSearch(self._language_model, self._checked_beam(beam))
        self.seed = secrets.randbits(32) if seed is None else _checked_seed(seed)
        if sentences is None:
            # Without a limit, a model that has only sentence ends left would go on for ever.
            sentences = words or 1
        if words is None:
            words = WORDS_A_SENTENCE * sentences
        stops: tuple[tuple[int, ...], ...] = ()
        stop_texts: StopTexts | None = None
        if stop and model.tokenizer.segmenter.identity.name == "sentencepiece":
            stop_texts = StopTexts([self._stop_text(text) for text in stop], model.vocabulary.words)
        else:
            stops = tuple(self._stop_ids(text) for text in stop)
        self._limits = Limits(words, sentences, stops, no_repeat_ngram, stop_texts)
        self._sampler = Sampler(self._language_model, sampling or Sampling(), has_bans=no_repeat_ngram is not None)
        self.prompts = 0

    def read(self, text: str, *, line: int | None = None, seed: int | None = None) -> Prompt:
        """Cut a prompt into tokens.

        Args:
            text: the prompt.
            line: its number, from 1; None: prompts are numbered in the order in which they are read.
            seed: the seed of its random numbers; None: that of the generator.

        Raises:
            UsageError: the seed is outside its range.
            DataError: the prompt has words, and none of them is in the vocabulary.
        """
        seed = self.seed if seed is None else _checked_seed(seed)
        encoded = self._model.encode(text)
        oov = [
            word for word, token_id in zip(encoded.words, encoded.token_ids, strict=True) if token_id == UNKNOWN_ID
        ]
        if oov and len(oov) == len(encoded.words):
            raise DataError(
                f"no word of the prompt {quoted(text)} is in the model's vocabulary; give a prompt of known "
                "words, or an empty one"
            )
        self.prompts += 1
        return Prompt(
            self.prompts if line is None else line,
            " ".join(text.split()),
            encoded.words,
            encoded.token_ids,
            oov,
            seed,
        )

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[list[GeneratedText]]:
        """Yield the texts of the prompts, in the order of prompts and samples, in batches that end together."""
        if self._search is not None:
            for prompt in prompts:
                found = self._search.run(self._state([prompt]), self._new_text(prompt), self._samples)
                yield [self._answer(prompt, sample, text) for sample, text in enumerate(found, start=1)]
            return
        for pairs, texts, steps in self._batches(prompts):
            for step, _ in enumerate(steps, start=1):
                tell(f"generating, {step:,} words")
            yield [
                self._answer(prompts[place], sample, text)
                for (place, sample), text in zip(pairs, texts, strict=True)
            ]

    def stream(self, prompt: Prompt, sample: int = 1) -> Iterator[str]:
        """Yield the text of one sample in pieces: the prompt, then each word as it comes.

        The pieces together are `GeneratedText.text`.

        Raises:
            UsageError: the texts are those of a beam search, which are certain only at its end.
        """
        if self._search is not None:
            raise _not_streamed()
        writer = TextWriter(self._model, self._tokens)
        yield writer.prompt(prompt)
        text = self._new_text(prompt)
        written = 0
        for _ in self._steps([text], [self._random(prompt, sample)], self._state([prompt])):
            for token_id in text.token_ids[written:]:
                yield writer.append(token_id)
            written = len(text.token_ids)

    def stream_all(
        self, prompts: Sequence[Prompt], is_wanted: Callable[[int], bool] = lambda _place: True
    ) -> Generator[list[Piece], None, list[GeneratedText | None]]:
        """Yield the texts of all samples of prompts in pieces, after every step those of all texts that grow.

        The pieces of a text together are `GeneratedText.text`; the first one is the prompt.

        Args:
            prompts: the prompts.
            is_wanted: says after each step whether the texts of a prompt, by its place in `prompts`, are still
                wanted; otherwise they end there.

        Returns:
            The texts, in the order of prompts and samples; None: it was not wanted any more.

        Raises:
            UsageError: the texts are those of a beam search, which are certain only at its end.
        """
        if self._search is not None:
            raise _not_streamed()
        found: list[GeneratedText | None] = []
        for pairs, texts, steps in self._batches(prompts):
            writers = [TextWriter(self._model, self._tokens) for _ in pairs]
            written, given_up = [0] * len(pairs), set[int]()
            yield [
                Piece(place, sample, writer.prompt(prompts[place]))
                for (place, sample), writer in zip(pairs, writers, strict=True)
            ]
            for step, _ in enumerate(steps, start=1):
                tell(f"generating, {step:,} words")
                pieces: list[Piece] = []
                for column, ((place, sample), text) in enumerate(zip(pairs, texts, strict=True)):
                    if column not in given_up and not is_wanted(place):
                        given_up.add(column)
                        text.ended_by = text.ended_by or "words"
                    pieces += [
                        Piece(place, sample, writers[column].append(token_id))
                        for token_id in text.token_ids[written[column] :]
                    ]
                    written[column] = len(text.token_ids)
                yield pieces
            found += [
                None if column in given_up else self._answer(prompts[place], sample, text)
                for column, ((place, sample), text) in enumerate(zip(pairs, texts, strict=True))
            ]
        return found

    def _batches(
        self, prompts: Sequence[Prompt]
    ) -> Iterator[tuple[list[tuple[int, int]], list[GrowingText], Iterator[None]]]:
        """Yield batches of samples that grow side by side.

        Yields:
            The place of the prompt and the number of the sample of each text, the texts, and the steps in which
            they grow.
        """
        columns = max(1, min(LARGEST_BATCH, NUMBERS_AT_ONCE // self._language_model.vocabulary_size))
        at_once = max(1, columns // self._samples)
        for first in range(0, len(prompts), at_once):
            group = prompts[first : first + at_once]
            read = self._state(group)
            pairs = [(place, sample) for place in range(len(group)) for sample in range(1, self._samples + 1)]
            for start in range(0, len(pairs), columns):
                some = pairs[start : start + columns]
                state = self._language_model.select_columns(read, np.array([place for place, _ in some]))
                texts = [self._new_text(group[place]) for place, _ in some]
                randoms = [self._random(group[place], sample) for place, sample in some]
                yield (
                    [(first + place, sample) for place, sample in some],
                    texts,
                    self._steps(texts, randoms, state),
                )

    def _steps(self, texts: list[GrowingText], randoms: list[np.random.Generator], state: Any) -> Iterator[None]:
        """Let texts grow until they end; yield after every step.

        Args:
            texts: texts without added tokens.
            randoms: the random numbers of each text.
            state: the states after their prompts.
        """
        while True:
            uniforms = np.array([random.random() for random in randoms])
            token_ids, log_probs = self._sampler.draw(state, uniforms, [text.bans() for text in texts])
            for text, token_id, log_prob in zip(texts, token_ids.tolist(), log_probs.tolist(), strict=True):
                text.append(token_id, log_prob)
            yield
            kept = [place for place, text in enumerate(texts) if text.ended_by is None]
            if not kept:
                return
            if len(kept) < len(texts):
                texts, randoms = [texts[place] for place in kept], [randoms[place] for place in kept]
                state = self._language_model.select_columns(state, np.array(kept))
                token_ids = token_ids[kept]
            state = self._language_model.advance(state, token_ids[None])

    def _state(self, prompts: Sequence[Prompt]) -> Any:
        """The state after each prompt, which starts a sentence."""
        read = [[SENTENCE_END_ID, *prompt.token_ids] for prompt in prompts]
        return self._model.contexts.states(read)

    def _new_text(self, prompt: Prompt) -> GrowingText:
        return GrowingText(self._limits, prompt.token_ids)

    def _random(self, prompt: Prompt, sample: int) -> np.random.Generator:
        sequence = np.random.SeedSequence((prompt.seed, prompt.line, sample))
        return np.random.Generator(np.random.PCG64(sequence))

    def _answer(self, prompt: Prompt, sample: int, text: GrowingText) -> GeneratedText:
        writer = TextWriter(self._model, self._tokens)
        pieces = [writer.prompt(prompt), *map(writer.append, text.token_ids)]
        return GeneratedText(
            prompt.line,
            sample,
            prompt.text,
            prompt.oov,
            "".join(pieces),
            self._model.vocabulary.decode(text.token_ids),
            text.log_prob,
            text.ended_by or "words",
            None if self._search is not None else prompt.seed,
        )

    def _checked_beam(self, beam: int) -> int:
        beam, possible = whole_number("the beam", beam), self._language_model.vocabulary_size - 1
        if beam > possible:
            raise UsageError(
                f"the beam is {beam}; expected a whole number from 1 to {possible}, the size of the vocabulary "
                "without <unk>"
            )
        if beam < self._samples:
            raise UsageError(
                f"a beam of {beam} cannot give {self._samples} texts; ask for at most {beam}, or for a larger beam"
            )
        return beam

    def _stop_text(self, stop: str) -> str:
        """The stop as pieces write it."""
        text = detokenize(self._model.encode(stop).words, "sentencepiece")
        if not text:
            raise _without_words(stop)
        if not StopTexts([text], self._model.vocabulary.words).can_come():
            raise UsageError(
                f"the stop {quoted(stop)} would never come: no pieces of the model's vocabulary write it"
            )
        return text

    def _stop_ids(self, stop: str) -> tuple[int, ...]:
        encoded = self._model.encode(stop)
        if not encoded.words:
            raise _without_words(stop)
        for word, token_id in zip(encoded.words, encoded.token_ids, strict=True):
            if token_id == UNKNOWN_ID:
                raise UsageError(
                    f"the stop {quoted(stop)} would never come: {quoted(word)} is not in the model's vocabulary"
                )
        return tuple(encoded.token_ids)


def _checked_seed(seed: int) -> int:
    return whole_number("the seed", seed, least=0, most=LARGEST_SEED)


def _not_streamed() -> UsageError:
    return UsageError("the texts of a beam search cannot be streamed: they are certain only at its end")


def _without_words(stop: str) -> UsageError:
    return UsageError(f"the stop {quoted(stop)} has no words; expected one or more")
