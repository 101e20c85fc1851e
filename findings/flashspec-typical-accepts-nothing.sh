#!/bin/bash
# flashspec: variant="typical" accepts no draft by default, not even if the draft model is the target model.
#
# Expected: typical acceptance takes a drafted word if the target gives it more than min(epsilon, delta exp(-H)), with
#   the entropy H of the target (Cai et al. 2024, "Medusa", the paper that typical.py names). So a probable word is
#   always accepted.
# Seen: typical_sample accepts a word if its surprisal differs from H by at most -log(typical_p). The engine sets
#   typical_p to the top_p of SamplingConfig, which is 1 by default, so the surprisal must equal the entropy. It does if
#   all words are equally probable, and hardly otherwise. A word of probability 0.97 is less surprising than the
#   entropy, 0.17, so it is rejected, by 0.9, too. The larger typical_p, "mass of the typical set", the fewer words are
#   accepted. Each rejection draws one word from the target, so the text grows by one word a step, and the drafts are
#   of no use.
# lmctl: draws each word from its model, without drafts.
#
# 2026-11-30, flashspec 0.3.1, torch 2.13.0, transformers 5.24.0, Python 3.11:
#   0.97 0.01 0.01 0.01: entropy 0.17; accepted words: paper 1, typical_p 1.0 0, 0.9 0, 0.5 1
#   0.90 0.10: entropy 0.33; accepted words: paper 2, typical_p 1.0 0, 0.9 0, 0.5 1
#   0.60 0.20 0.20: entropy 0.95; accepted words: paper 3, typical_p 1.0 0, 0.9 0, 0.5 3
#   one network as draft and target, rejection, top_p 1.0: accepted 1.00
#   one network as draft and target, typical, top_p 1.0: accepted 0.00
#   one network as draft and target, typical, top_p 0.9: accepted 0.01
#   one network as draft and target, typical, top_p 0.5: accepted 0.10
. "$(dirname "$0")/lib.sh"
environment venv torch==2.13.0 transformers==5.24.0 flashspec==0.3.1
cat >drafts.py <<'PY'
import math

import torch
import transformers
from flashspec import BanditConfig, FlashSpecConfig, SamplingConfig, SpeculativeEngine
from flashspec.engine import HuggingFaceDrafter, TargetModel
from flashspec.sampling import typical_sample

EPSILON, DELTA = 0.09, 0.3  # of the paper's experiments
PARTS = (1.0, 0.9, 0.5)


def entropy(probabilities):
    return -sum(probability * math.log(probability) for probability in probabilities)


def accepted(probabilities, part):
    """The words that are accepted, of words with these probabilities."""
    logs = torch.tensor([[probabilities]]).log()
    return [
        word
        for word in range(len(probabilities))
        if int(typical_sample(logs, logs, torch.tensor([[word]]), 1, typical_p=part)[1])
    ]


for probabilities in ((0.97, 0.01, 0.01, 0.01), (0.9, 0.1), (0.6, 0.2, 0.2)):
    floor = min(EPSILON, DELTA * math.exp(-entropy(probabilities)))
    medusa = sum(probability > floor for probability in probabilities)
    print(
        " ".join(f"{probability:.2f}" for probability in probabilities) + ":",
        f"entropy {entropy(probabilities):.2f}; accepted words: paper {medusa}, typical_p",
        ", ".join(f"{part} {len(accepted(probabilities, part))}" for part in PARTS),
    )

torch.manual_seed(1)
network = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(
        vocab_size=16, n_embd=16, n_layer=1, n_head=1, n_positions=128, initializer_range=0.4, bos_token_id=0,
        eos_token_id=None,
    )
).eval()
place = (torch.device("cpu"), torch.float32)
for variant, part in (("rejection", 1.0), *(("typical", part) for part in PARTS)):
    config = FlashSpecConfig(
        device="cpu", compile=False, drafter_strategy="bandit", bandit=BanditConfig(n_arms=1),
        sampling=SamplingConfig(variant=variant, top_p=part, seed=1),
    )
    engine = SpeculativeEngine(
        config, [HuggingFaceDrafter("draft", *place, model=network)], TargetModel("target", *place, model=network)
    )
    found = engine.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=100)
    print(f"one network as draft and target, {variant}, top_p {part}: accepted {found.acceptance_rate:.2f}")
PY
venv/bin/python drafts.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
0.97 0.01 0.01 0.01: entropy 0.17; accepted words: paper 1, typical_p 1.0 0, 0.9 0, 0.5 1
0.90 0.10: entropy 0.33; accepted words: paper 2, typical_p 1.0 0, 0.9 0, 0.5 1
0.60 0.20 0.20: entropy 0.95; accepted words: paper 3, typical_p 1.0 0, 0.9 0, 0.5 3
one network as draft and target, rejection, top_p 1.0: accepted 1.00
one network as draft and target, typical, top_p 1.0: accepted 0.00
one network as draft and target, typical, top_p 0.9: accepted 0.01
one network as draft and target, typical, top_p 0.5: accepted 0.10
TXT
