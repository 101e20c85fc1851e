#!/bin/bash
# lmppl: with a BERT, the pieces after a masked piece become other pieces, so the pseudo-perplexity is of another text.
#
# Expected: pseudo-perplexity masks one piece of a text in turn, and leaves all others as they are (Salazar et al.
#   2020).
# Seen: get_perplexity of MaskedLM joins the pieces to a text, with [MASK] among them, and has this text cut again. If a
#   piece of a word is masked, the rest of the word comes after a mark, and is cut as a new word: `##able` becomes
#   `able`, or, where the vocabulary has no such word, several pieces, or [UNK]. So the network is asked about [MASK]
#   before `able`, which it has hardly ever seen. A text of whole words is right.
# lmctl: eval of a model that fills gaps hides words in its ids.
#
# 2026-11-30, lmppl 0.3.2, transformers 4.57.6 (lmppl does not run with 5), torch 2.13.0, Python 3.11, of a BERT with
#   random weights:
#   the game was able: masking ids 19.7, lmppl 19.7
#   the unplayable game: masking ids 24.1, lmppl 39.6
#     the un ##play ##able game, un masked: the [MASK] play ##able game
#     the un ##play ##able game, ##play masked: the un [MASK] able game
#   the game was playing: masking ids 16.8, lmppl 17.0
#     the game was play ##ing, play masked: the game was [MASK] [UNK]
. "$(dirname "$0")/lib.sh"
environment venv torch==2.13.0 transformers==4.57.6 accelerate==1.15.0
# Its other dependencies, such as openai, are not needed here.
venv/bin/pip install --quiet --disable-pip-version-check --no-deps lmppl==0.3.2 2>pip.log || { cat pip.log; exit 2; }
cat >masked.py <<'PY'
import math
import sys
from pathlib import Path
from unittest.mock import MagicMock

import torch
import transformers

sys.modules["openai"] = MagicMock()  # only for models behind its interface
from lmppl import MaskedLM

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] the un ##play ##able able play ##ing game was".split()


Path("bert").mkdir()
Path("bert/vocab.txt").write_text("\n".join(PIECES))
transformers.BertTokenizerFast("bert/vocab.txt").save_pretrained("bert")
torch.manual_seed(7)
transformers.BertForMaskedLM(
    transformers.BertConfig(
        vocab_size=len(PIECES), hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16,
        max_position_embeddings=32, initializer_range=0.4,
    )
).save_pretrained("bert")
scorer = MaskedLM("bert", num_gpus=0)
tokenizer, network = scorer.tokenizer, scorer.model
asked = []
network.register_forward_pre_hook(lambda module, inputs, named: asked.append(named["input_ids"]), with_kwargs=True)


def pseudo_perplexity(ids):
    """Masks one id in turn, and leaves the others as they are."""
    losses = []
    for place in range(1, len(ids) - 1):
        masked = torch.tensor([[*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]]])
        with torch.no_grad():
            losses.append(-network(input_ids=masked).logits[0, place].log_softmax(-1)[ids[place]])
    return math.exp(sum(losses) / len(losses))


for text in ("the game was able", "the unplayable game", "the game was playing"):
    expected = pseudo_perplexity(tokenizer(text)["input_ids"])
    asked.clear()
    print(f"{text}: masking ids {expected:.1f}, lmppl {scorer.get_perplexity(text, batch_size=1):.1f}")
    whole = tokenizer.tokenize(text)
    for mask, row in enumerate(asked):
        pieces = tokenizer.convert_ids_to_tokens(row[0])[1:-1]
        if pieces != [*whole[:mask], "[MASK]", *whole[mask + 1 :]]:
            print(f"  {' '.join(whole)}, {whole[mask]} masked: {' '.join(pieces)}")
PY
export HF_HUB_OFFLINE=1 HF_HOME="$folder/cache"
venv/bin/python masked.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
the game was able: masking ids 19.7, lmppl 19.7
the unplayable game: masking ids 24.1, lmppl 39.6
  the un ##play ##able game, un masked: the [MASK] play ##able game
  the un ##play ##able game, ##play masked: the un [MASK] able game
the game was playing: masking ids 16.8, lmppl 17.0
  the game was play ##ing, play masked: the game was [MASK] [UNK]
TXT
