#!/bin/bash
# minicons: with Transformers 5, every call of its scorer for masked models ends with an AttributeError.
#
# Expected: minicons declares transformers>=4.6, so both of its scorers work with the newest release that pip installs.
# Seen: with Transformers 5, IncrementalLMScorer works, and MaskedLMScorer fails at its first call, because the tokenizer
#   has no method batch_encode_plus any more. With Transformers 4.57.6 both work: the score of a masked model is the log
#   probability of each piece with only this piece masked; [CLS] and [SEP] are not scored.
# lmctl: its pseudo-log-likelihood counts the same positions, words without the ends of the sentence. It does not use
#   Transformers. To compare the two, install transformers<5.
#
# 2026-11-27, minicons 0.3.39, torch 2.13.0, Python 3.11:
#   transformers 5.24.0: incremental scored, masked AttributeError: batch_encode_plus
#   transformers 4.57.6: incremental scored, masked scored
. "$(dirname "$0")/lib.sh"
cat >scorers.py <<'PY'
import logging
import sys
import warnings

import torch
import transformers
from minicons import scorer
from tokenizers import Tokenizer, models, pre_tokenizers, processors

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
logging.disable()
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", "the", "cat", "sat"]
words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
words.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
)
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
    mask_token="[MASK]", bos_token="[CLS]", eos_token="[SEP]",
)
torch.manual_seed(0)
sizes = {"vocab_size": len(WORDS), "initializer_range": 0.5}
causal = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(**sizes, n_embd=16, n_layer=1, n_head=2, n_positions=16)
).eval()
masked = transformers.BertForMaskedLM(
    transformers.BertConfig(**sizes, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
).eval()


def alone(place):
    """The log probability of one token, with only this token masked."""
    token_ids = tokenizer("the cat sat").input_ids
    wanted, token_ids[place] = token_ids[place], tokenizer.mask_token_id
    with torch.no_grad():
        return float(torch.log_softmax(masked(torch.tensor([token_ids])).logits[0, place], dim=-1)[wanted])


def result(kind, model):
    try:
        (scores,) = kind(model, "cpu", tokenizer=tokenizer).token_score(["the cat sat"])
    except AttributeError as error:
        return f"AttributeError: {str(error).split()[-1]}"
    if model is masked:
        assert [word for word, _ in scores] == ["the", "cat", "sat"]
        assert all(abs(score - alone(place)) < 1e-5 for place, (_, score) in enumerate(scores, start=1))
    return "scored"


print(
    f"transformers {transformers.__version__}: incremental {result(scorer.IncrementalLMScorer, causal)}, "
    f"masked {result(scorer.MaskedLMScorer, masked)}"
)
PY
failed=0
environment five minicons==0.3.39 transformers==5.24.0 torch==2.13.0
five/bin/python scorers.py | tee five.txt
grep -q "incremental scored, masked AttributeError: batch_encode_plus" five.txt || failed=1
environment four minicons==0.3.39 transformers==4.57.6 torch==2.13.0
four/bin/python scorers.py | tee four.txt
grep -q "incremental scored, masked scored" four.txt || failed=1
exit $failed
