#!/bin/bash
# ppllm: with window=64, each 32nd token is counted and not scored, so the perplexity of a long text is too low.
#
# Expected: a network that gives each of 16 words 1/16 has a perplexity of 16 on every text, with and without a window.
# Seen: a window starts half its length after the one before it, and compute_nll in ppl.py reads its second half from
#   `logits[:, stride:-1]` on. The first word of that half is predicted by the place before it, stride - 1, so no window
#   scores it. count_tokens_chars counts it all the same: the surprisal of the text lacks these words, and the
#   perplexity is the power 31/32 of the right one (7/8 with a window of 16).
#   A tokenizer that has a bos_token and does not put it before a text, such as GPT-2's, has the first word counted
#   likewise, which matters in short texts. If it has no bos_token, the word is not counted, as the README says.
#   The losses of single tokens are right, but all_indices names their texts only in the first batch: it moves on by
#   `len(batch)`, the number of keys of a batch, 1, and not by its texts.
# lmctl: `eval` of a text scores every token once, however long the text is.
#
# 2026-11-30, ppllm 0.2.3, torch 2.13.0, transformers 5.24.0, Python 3.11:
#   320 words after <s>: window None 16.00, window 64 14.80, window 16 11.41; bits 1280, 1244, 1124
#   5 words: <s> is put first 16.00, <s> is known 9.19, no <s> 16.00
#   four texts in batches of two: bits 8 16 24 32, added by all_indices 0 8 40 32
. "$(dirname "$0")/lib.sh"
environment venv torch==2.13.0 transformers==5.24.0 datasets==5.2.0 jsonargparse==4.53.0
# Its dependency vllm, 1 GB, is only for its benchmark.
venv/bin/pip install --quiet --disable-pip-version-check --no-deps ppllm==0.2.3 2>pip.log || { cat pip.log; exit 2; }
cat >perplexities.py <<'PY'
import math

import torch
import transformers
from ppllm.ppl import LoaderKwargs, compute_metrics, compute_ppl
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["<pad>", "<s>", "<unk>", *"the cat sat on a mat and dog ran to his house while".split()]
NETWORK = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(vocab_size=16, n_embd=8, n_layer=1, n_head=1, n_positions=512)
).eval()
with torch.no_grad():
    for weight in NETWORK.parameters():
        weight.zero_()  # all logits are 0


def tokenizer(bos="<s>", first=True):
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if first:
        words.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", bos_token=bos, padding_side="right"
    )


def text(length):
    return {"text": " ".join((WORDS[3:] * length)[:length])}


def outputs(texts, by=None, window=None):
    loader = LoaderKwargs(batch_size=2, num_workers=0)
    return compute_ppl(texts, NETWORK, by or tokenizer(), loader_kwargs=loader, window=window)


def metrics(found):
    return compute_metrics(found["total_losses"], found["total_chars"], found["total_tokens"])


def bits(losses):
    return " ".join(f"{loss / math.log(2):.0f}" for loss in losses.tolist())


windows = {window: metrics(outputs([text(320)], window=window)) for window in (None, 64, 16)}
print(
    "320 words after <s>:", ", ".join(f"window {window} {found['ppl']:.2f}" for window, found in windows.items()) + ";",
    "bits", ", ".join(f"{found['surprisal']:.0f}" for found in windows.values()),
)
kinds = {"<s> is put first": tokenizer(), "<s> is known": tokenizer(first=False), "no <s>": tokenizer(None, False)}
shown = [f"{name} {metrics(outputs([text(5)], kind))['ppl']:.2f}" for name, kind in kinds.items()]
print("5 words:", ", ".join(shown))
found = outputs([text(2), text(4), text(6), text(8)])
added = torch.zeros(4).index_add(0, found["all_indices"], found["all_losses"])
print(f"four texts in batches of two: bits {bits(found['total_losses'])}, added by all_indices {bits(added)}")
PY
venv/bin/python perplexities.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
320 words after <s>: window None 16.00, window 64 14.80, window 16 11.41; bits 1280, 1244, 1124
5 words: <s> is put first 16.00, <s> is known 9.19, no <s> 16.00
four texts in batches of two: bits 8 16 24 32, added by all_indices 0 8 40 32
TXT
