"""The surprisals of `lmctl surprisal` beside those of minicons, for the same model.

    python -m benchmarks.surprisal_peers models/news sentences.txt

minicons scores causal models of Hugging Face's transformers. The peer's model is the model of lmctl, in a module
whose logits are lmctl's log probabilities of the next word, with a tokenizer that cuts text as lmctl does. So both
have the same distributions, and the table shows what each makes of them: in which distribution it looks a word up,
what comes before the first word, and which tokens it adds to a word. The Python that runs this has minicons,
torch and transformers.

Rows: `tokens` compares each token, and the end of the sentence; `words` compares the sums over the tokens of the
words between white space, as `--words-given` has them. The sums are over all sentences.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import lmctl
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN
from lmctl.query.surprisal import Item, surprisals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.query.model import Model
    from lmctl.query.surprisal import Words

COLUMNS = (
    *("peer", "version", "of", "count", "largest difference, bits"),
    *("sum, lmctl", "sum, peer", "words/s, lmctl", "words/s, peer"),
)
# Sentences that minicons scores at once; whole distributions of all their words are in memory.
BATCH = 8

Bits = list[list[float]]


def main() -> None:
    """Print a row for tokens and one for words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path, help="a sentence a line, as people write it")
    parser.add_argument("--sentences", type=int, default=200)
    arguments = parser.parse_args()
    if importlib.util.find_spec("minicons") is None:
        parser.error("minicons is not installed in this Python")
    model = lmctl.load(arguments.model)
    with arguments.text.open(encoding="utf-8") as lines:
        sentences = list(islice((line.strip() for line in lines if line.strip()), arguments.sentences))
    scorer = minicons_scorer(model)
    settings = {"surprisal": True, "base_two": True, "bos_token": True, "eos_token": True}

    def tokens_of_peer(batch: Sequence[str]) -> Bits:
        # The first row is the sentence start, which has no surprisal.
        return [[bits for _, bits in rows[1:]] for rows in scorer.token_score(list(batch), **settings)]

    def words_of_peer(batch: Sequence[str]) -> Bits:
        found = scorer.word_score_tokenized(list(batch), tokenize_function=str.split, **settings)
        return [[bits for _, bits in rows] for rows in found]

    print(*COLUMNS, sep="\t")
    version = importlib.metadata.version("minicons")
    rows: tuple[tuple[str, Words, Callable[[Sequence[str]], Bits]], ...] = (
        ("tokens", "tokens", tokens_of_peer),
        ("words", "given", words_of_peer),
    )
    for name, words, of_peer in rows:
        ours, our_seconds = timed(partial(of_lmctl, model, sentences, words))
        theirs, their_seconds = timed(partial(in_batches, of_peer, sentences))
        ours_flat, theirs_flat = np.concatenate(ours), np.concatenate(theirs)
        difference = np.abs(ours_flat - theirs_flat).max()
        sums = [f"{bits.sum():.4f}" for bits in (ours_flat, theirs_flat)]
        speeds = [f"{len(ours_flat) / seconds:.0f}" for seconds in (our_seconds, their_seconds)]
        print("minicons", version, name, len(ours_flat), f"{difference:.1e}", *sums, *speeds, sep="\t", flush=True)


def of_lmctl(model: Model, sentences: Sequence[str], words: Words) -> Bits:
    """The surprisals of each sentence, as `lmctl surprisal` prints them; those of tokens end with `</s>`."""
    items = [Item(number, sentence) for number, sentence in enumerate(sentences, start=1)]
    batches = surprisals(model, [items], words=words, sentence_end=words == "tokens")
    return [[word.bits for word in found] for batch in batches for _, found in batch]


def in_batches(score: Callable[[Sequence[str]], Bits], sentences: Sequence[str]) -> Bits:
    """The surprisals of the peer, which scores all sentences that it is given at once."""
    return [bits for first in range(0, len(sentences), BATCH) for bits in score(sentences[first : first + BATCH])]


def timed(score: Callable[[], Bits]) -> tuple[Bits, float]:
    """The result of a function, and its seconds in a second run."""
    score()
    began = time.perf_counter()
    found = score()
    return found, time.perf_counter() - began


def minicons_scorer(model: Model) -> Any:
    """The scorer of minicons for causal models, with a model of lmctl.

    `</s>` is the token before the first word and the one after the last, as in lmctl.
    """
    import torch  # type: ignore[import-not-found]
    from minicons.scorer import IncrementalLMScorer  # type: ignore[import-not-found]
    from transformers import PreTrainedTokenizer  # type: ignore[import-not-found]
    from transformers.modeling_outputs import CausalLMOutput  # type: ignore[import-not-found]

    vocabulary, language_model = model.vocabulary, model.language_model

    class Network(torch.nn.Module):  # type: ignore[misc]
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            lengths = attention_mask.sum(dim=1).numpy()
            state = language_model.null_state(len(lengths))
            log_probs, _ = language_model.advance_with_log_probs(state, input_ids.numpy().T, lengths)
            return CausalLMOutput(logits=torch.from_numpy(log_probs.transpose(1, 0, 2)))

    class Tokenizer(PreTrainedTokenizer):  # type: ignore[misc]
        @property
        def vocab_size(self) -> int:
            return len(vocabulary)

        def get_vocab(self) -> dict[str, int]:
            return {word: token_id for token_id, word in enumerate(vocabulary.words)}

        def _tokenize(self, text: str, **_: object) -> list[str]:
            return model.encode(text).words

        def _convert_token_to_id(self, token: str) -> int:
            return vocabulary.encode([token])[0]

        def _convert_id_to_token(self, index: int) -> str:
            return vocabulary.words[index]

    specials = {"bos_token": SENTENCE_END, "eos_token": SENTENCE_END, "pad_token": SENTENCE_END}
    return IncrementalLMScorer(Network(), "cpu", tokenizer=Tokenizer(unk_token=UNKNOWN, **specials))


if __name__ == "__main__":
    main()
