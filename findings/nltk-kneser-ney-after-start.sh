#!/bin/bash
# NLTK: from order 3 on, interpolated Kneser-Ney probabilities after the start of a sentence sum to more than 1.
#
# Expected: after every context, the probabilities of the vocabulary sum to 1, as in NLTK's other interpolated models.
# Seen: below the highest order, the discounted counts are numbers of different words to the left of an n-gram, but the
#   weight of the lower order is computed from the plain counts. Padding puts `<s> <s>` before every sentence. This is a
#   plain bigram without a word to its left, so its discount is given away without having been subtracted. The first word of
#   each sentence is too probable, and the model's perplexity is too low. Contexts without `<s>` are right.
# lmctl: a sentence has one start, whatever the order. Tests sum its distributions after every kind of context.
#
# 2026-11-27, nltk 3.10.4, Python 3.11, of "a b", "a c" and "b a", discount 0.75:
#   order 2: 1.0000 after <s>; order 3: 1.1875 after <s> <s>, 1.0000 after <s> a
. "$(dirname "$0")/lib.sh"
environment venv nltk==3.10.4
venv/bin/python - <<'PY'
from nltk.lm import KneserNeyInterpolated
from nltk.lm.preprocessing import padded_everygram_pipeline

SENTENCES = [["a", "b"], ["a", "c"], ["b", "a"]]
seen = {}
for order, contexts in ((2, [("<s>",)]), (3, [("<s>", "<s>"), ("<s>", "a")])):
    ngrams, words = padded_everygram_pipeline(order, SENTENCES)
    model = KneserNeyInterpolated(order, discount=0.75)
    model.fit(ngrams, words)
    for context in contexts:
        seen[order, " ".join(context)] = round(sum(model.score(word, context) for word in model.vocab), 4)
        print(f"order {order}, after {' '.join(context)}: {seen[order, ' '.join(context)]:.4f}")
assert seen == {(2, "<s>"): 1.0, (3, "<s> <s>"): 1.1875, (3, "<s> a"): 1.0}
PY
