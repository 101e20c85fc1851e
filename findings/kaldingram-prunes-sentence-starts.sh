#!/bin/bash
# kaldingram: entropy pruning with any threshold removes the bigrams after <s>, however much they matter.
#
# Expected: "in the same way as SRILM" (its docstring): an n-gram goes if its loss raises the perplexity by a smaller
#   share than the threshold, so a threshold of 1e-30 keeps every n-gram that matters at all.
# Seen: the change of the perplexity is weighted with the probability of the context. For the context <s> it is that
#   of the unigram <s>, 10^-99 in ARPA files, since nothing predicts a start. SRILM takes </s> in its place.
#   kaldingram does so in log_joint_prob only after it has shortened the context, so for contexts as `<s> the`, and
#   not for <s> alone. Each bigram `<s> w` that is no context of a longer n-gram is lost, in a model of bigrams all of
#   them, and first words are predicted as if they stood anywhere.
# lmctl: its --prune-entropy takes the probability of </s> for a start, and keeps both bigrams here up to a threshold
#   of 0.1.
#
# 2026-11-29, kaldingram 0.1.2, Python 3.11, a model of bigrams that it trains on six sentences:
#   19 bigrams, perplexity of the text 2.4007
#   pruned with 1e-30: lost <s> a, <s> the; perplexity 3.2921, 37% more
#   log10 of the context: <s> -99.0000, <s> the -0.8875
. "$(dirname "$0")/lib.sh"
environment venv kaldingram==0.1.2 tqdm==4.70.1
printf '%s\n' "the cat sat on the mat" "the dog sat on the log" "the cat ran" "a dog ran on the mat" "a cat sat" \
    "the dog ran" >text
venv/bin/kaldingram train --ngram-order 2 --text text --lm model.arpa 2>log || { cat log; exit 2; }
venv/bin/kaldingram prune --threshold 1e-30 --lm model.arpa --write-lm pruned.arpa 2>log || { cat log; exit 2; }
venv/bin/python - <<'PY' 2>log | tee seen || { cat log; exit 2; }
from kaldingram.ppl import compute_ppl
from kaldingram.prune import ArpaParser

before, after = (ArpaParser().loadf(name)[0] for name in ("model.arpa", "pruned.arpa"))
pairs = [{entry[1] for entry in model._entries(2)} for model in (before, after)]
perplexities = [compute_ppl(model, open("text"))["ppl"] for model in (before, after)]
lost = ", ".join(map(" ".join, sorted(pairs[0] - pairs[1])))
more = perplexities[1] / perplexities[0] - 1
print(f"{len(pairs[0])} bigrams, perplexity of the text {perplexities[0]:.4f}")
print(f"pruned with 1e-30: lost {lost}; perplexity {perplexities[1]:.4f}, {more:.0%} more")
start, pair = (before.log_joint_prob(context) for context in (("<s>",), ("<s>", "the")))
print(f"log10 of the context: <s> {start:.4f}, <s> the {pair:.4f}")
PY
diff seen - <<'TXT'
19 bigrams, perplexity of the text 2.4007
pruned with 1e-30: lost <s> a, <s> the; perplexity 3.2921, 37% more
log10 of the context: <s> -99.0000, <s> the -0.8875
TXT
