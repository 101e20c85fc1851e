"""Writes a generated text in pieces: the prompt, then each token as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.text.detokenization import Detokenizer

if TYPE_CHECKING:
    from lmctl.query.generated_text import Prompt
    from lmctl.query.text_model import TextModel


class TextWriter:
    """Writes a text in pieces.

    Args:
        model: the model, for its words and its segmenter.
        tokens: whether tokens have spaces between them; else they are joined as people write.
    """

    def __init__(self, model: TextModel, tokens: bool) -> None:
        self._words = model.vocabulary.words
        self._detokenizer = None if tokens else Detokenizer(model.tokenizer.segmenter.identity.name)
        # Line ends and the space before the next token.
        self._before = ""

    def prompt(self, prompt: Prompt) -> str:
        """Return the prompt, as it was given, or as tokens."""
        if self._detokenizer is None:
            self._before = " " if prompt.words else ""
            return " ".join(prompt.words)
        for word in prompt.words:
            self._detokenizer.append(word)
        return prompt.text

    def append(self, token_id: int) -> str:
        """Return the next piece. A line end is written with the word after it."""
        if token_id == SENTENCE_END_ID:
            self._before = self._before.rstrip(" ") + "\n"
            if self._detokenizer is not None:
                self._detokenizer.start_line()
            return ""
        word, before = self._words[token_id], self._before
        if self._detokenizer is None:
            self._before = " "
            return before + word
        self._before = ""
        return before + self._detokenizer.append(word)
