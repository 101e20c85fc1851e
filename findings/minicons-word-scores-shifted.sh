#!/bin/bash
# minicons: word_score_tokenized without bos_token=True gives each word the surprisal of the next word.
#
# Expected: word_score_tokenized gives each word its own surprisal, as token_score does if each word is one token.
# Seen: by default, each word has the surprisal of the next one, and the last word has 0. With bos_token=True, which
#   scores the first word after the token <s>, too, each word has its own.
# lmctl: surprisal adds the pieces of a word by their places in the line, and its first word is scored after the start
#   of the sentence. To compare the two, give word_score_tokenized bos_token=True.
#
# 2026-11-28, minicons 0.3.39, transformers 5.24.0, torch 2.13.0, Python 3.11; bits of a small random network:
#   token_score: the 0.000 cat 12.873 sat 3.031 down 12.036
#   word_score_tokenized, bos_token=True: the 4.744 cat 13.410 sat 4.911 down 6.580
#   word_score_tokenized: the 12.873 cat 3.031 sat 12.036 down 0.000
. "$(dirname "$0")/lib.sh"
cat >words.py <<'PY'
import logging
import warnings

import torch
import transformers
from minicons import scorer
from tokenizers import Tokenizer, models, pre_tokenizers

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
logging.disable()
WORDS = ["<s>", "<unk>", "the", "cat", "sat", "down"]
words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_object=words, unk_token="<unk>", bos_token="<s>", eos_token="<s>", pad_token="<s>"
)
torch.manual_seed(1)
model = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(
        vocab_size=len(WORDS), n_embd=8, n_layer=1, n_head=1, n_positions=16, initializer_range=1.0
    )
).eval()
TEXT = "the cat sat down"
OPTIONS = {"surprisal": True, "base_two": True}
incremental = scorer.IncrementalLMScorer(model, "cpu", tokenizer=tokenizer)


def by_hand(text):
    """The bits of each word of a text but the first, from the distribution of the network before it."""
    token_ids = tokenizer(text).input_ids
    with torch.no_grad():
        log_probs = torch.log_softmax(model(torch.tensor([token_ids])).logits[0].double(), dim=-1)
    bits = -log_probs / torch.tensor(2.0).log()
    return [float(bits[place, token_id]) for place, token_id in enumerate(token_ids[1:])]


def shown(name, rows):
    print(f"{name}:", *(f"{word} {bits:.3f}" for word, bits in rows))
    return [bits for _, bits in rows]


def close(found, expected):
    return len(found) == len(expected) and all(abs(left - right) < 1e-3 for left, right in zip(found, expected))


def by_word(**options):
    return incremental.word_score_tokenized([TEXT], tokenize_function=str.split, **OPTIONS, **options)[0]


own, own_after_bos = [0.0, *by_hand(TEXT)], by_hand(f"<s> {TEXT}")
assert close(shown("token_score", incremental.token_score([TEXT], **OPTIONS)[0]), own)
with_bos = shown("word_score_tokenized, bos_token=True", by_word(bos_token=True))
without = shown("word_score_tokenized", by_word())
print("bos_token=True:", "own bits" if close(with_bos, own_after_bos) else "other bits")
print("default:", "bits of the next word" if close(without, [*own[1:], 0.0]) else "other bits")
PY
failed=0
environment packages minicons==0.3.39 transformers==5.24.0 torch==2.13.0
packages/bin/python words.py | tee words.txt
grep -q "^bos_token=True: own bits$" words.txt || failed=1
grep -q "^default: bits of the next word$" words.txt || failed=1
exit $failed
