#!/bin/bash
# surprisal: the surprisal of a word includes that of the next word, except for its last piece.
#
# Expected: s[1, "word"] is the sum over the pieces of the second word.
# Seen: hf_pick_matching_token_ixs in utils.py ends a slice at each piece of the word after it in turn, and so at that
#   word's last piece. Words of one piece are right, as in the README's example; before a long word every word is too
#   surprising. Slices of characters, and the last word, are right.
#   A causal network loses its end of text: `surprise` makes the pad token, which is the eos token, impossible, and the
#   other pieces share its probability. Where the network expects the end with 1/2, every piece lacks 1 bit.
#   KenLMModel returns -log10 of the probabilities, and the networks -ln. Neither the README nor the docstrings name a
#   unit; the plots name natural logs for both. KenLMModel cuts words at punctuation, so don't is three unknown words.
# lmctl: `surprisal` gives bits for every model. A word's bits are those of its own pieces, and </s> keeps its share.
#
# 2026-11-30, surprisal 0.1.7, torch 2.13.0, transformers 5.24.0, kenlm 0.3.0, Python 3.11, of a network of letters
#   (</s> has probability 1/2, each letter 1/30), and of an ARPA file:
#   network: </s> 0.500, a 0.0333, 3.40 nats
#   surprisal of each letter: 2.71
#   the: 13.54 (t h e c a), by characters 8.12 (t h e)
#   cat: 21.66 (c a t w e i r d), by characters 8.12 (c a t)
#   weirdy: 16.25 (w e i r d y), by characters 16.25 (w e i r d y)
#   KenLM, yes, don't and </s> with probability 0.1: yes 1.00, don 2.00, ' 2.00, t 2.00, </s> 1.00
. "$(dirname "$0")/lib.sh"
environment venv surprisal==0.1.7 torch==2.13.0 transformers==5.24.0 kenlm==0.3.0
cat >words.py <<'PY'
import math

import torch
import transformers
from surprisal import AutoHuggingFaceModel, KenLMModel
from tokenizers import Tokenizer, models, pre_tokenizers

PIECES = ["</s>", *"acdehiknprstwxy"]
TEXT = "the cat weirdy"

letters = Tokenizer(models.BPE({piece: number for number, piece in enumerate(PIECES)}, []))
letters.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
special = {"bos_token": "</s>", "eos_token": "</s>"}
transformers.PreTrainedTokenizerFast(tokenizer_object=letters, **special).save_pretrained("letters")
network = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(
        vocab_size=len(PIECES), n_embd=8, n_layer=1, n_head=1, n_positions=64, bos_token_id=0, eos_token_id=0
    )
)
with torch.no_grad():
    for weight in network.parameters():
        weight.zero_()
    # Each letter has probability 1/30, and </s> 1/2, after every text.
    network.transformer.ln_f.bias[0] = 1
    network.transformer.wte.weight[0, 0] = math.log(len(PIECES) - 1)
network.save_pretrained("letters")
with torch.no_grad():
    logits = network(torch.tensor([[1, 2, 3]])).logits[0, -1]
    ends, letter = logits.softmax(0)[:2].tolist()
print(f"network: </s> {ends:.3f}, a {letter:.4f}, {-math.log(letter):.2f} nats")

[seen] = AutoHuggingFaceModel.from_pretrained("letters", model_class="causal").surprise(TEXT)
print(f"surprisal of each letter: {float(seen.surprisals[0]):.2f}")
starts = [0, 4, 8]
for number, (word, start) in enumerate(zip(TEXT.split(), starts)):
    by_word, by_letters = seen[number, "word"], seen[start : start + len(word), "char"]
    print(f"{word}: {by_word:.2f} ({by_word.text}), by characters {by_letters:.2f} ({by_letters.text})")

ARPA = r"""
\data\
ngram 1=5
ngram 2=1

\1-grams:
-99	<s>	0
-1	</s>
-2	<unk>	0
-1	don't	0
-1	yes	0

\2-grams:
-1	<s> yes

\end\
"""
with open("words.arpa", "w") as file:
    file.write(ARPA.lstrip())
[seen] = KenLMModel("words.arpa").surprise("yes don't")
shown = ", ".join(f"{token} {float(value):.2f}" for token, value in zip([*seen.tokens, "</s>"], seen.surprisals))
print(f"KenLM, yes, don't and </s> with probability 0.1: {shown}")
PY
export HF_HUB_OFFLINE=1 HF_HOME="$folder/cache"
venv/bin/python words.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
network: </s> 0.500, a 0.0333, 3.40 nats
surprisal of each letter: 2.71
the: 13.54 (t h e c a), by characters 8.12 (t h e)
cat: 21.66 (c a t w e i r d), by characters 8.12 (c a t)
weirdy: 16.25 (w e i r d y), by characters 16.25 (w e i r d y)
KenLM, yes, don't and </s> with probability 0.1: yes 1.00, don 2.00, ' 2.00, t 2.00, </s> 1.00
TXT
