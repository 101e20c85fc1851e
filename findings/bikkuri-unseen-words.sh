#!/bin/bash
# bikkuri: after a context that was seen once, a word of no text has a surprisal of 1 bit, less than most known words.
#
# Expected: surprisal is -log2 of a probability. The probabilities of all words after a context sum to 1, and a word
#   that was never seen is the most surprising one.
# Seen: `surprisal` in ngram.rs takes one of three shares. A word that was seen after the context has its share of the
#   context. Another known word has its share of the text, with no weight for the step back. An unknown word has
#   1/(n + 1) after a context that was seen n times. The longer the contexts, the more of them were seen only once, and
#   after each of these any misspelling has 1 bit. The shares of the known words alone add up to nearly 2.
# lmctl: after every context, the probabilities of its n-gram models sum to 1, with <unk>.
#
# 2026-11-30, bikkuri 0.3.2, Python 3.11; bits in a model of bigrams of four sentences, and the sum of probabilities;
#   zebra is in none of the sentences:
#   the (6 times): cat 1.58, ran 3.39, zebra 2.81; all known words 1.67
#   cat (2 times): cat 3.39, ran 1.00, zebra 1.58; all known words 1.81
#   a (1 times): cat 3.39, ran 3.39, zebra 1.00; all known words 1.90
. "$(dirname "$0")/lib.sh"
environment venv bikkuri==0.3.2
cat >bits.py <<'PY'
from bikkuri.ngram import NGramFrequencySurprisal

TEXT = ["the cat sat on the mat", "the dog sat on the log", "the cat ran", "a dog ran on the mat"]
texts = [line.split() for line in TEXT]
model = NGramFrequencySurprisal(2)
model.fit(texts)
known = sorted({word for text in texts for word in text})


def bits(context, word):
    return model.surprisal([[context, word]])[0][1][1]


for context in ("the", "cat", "a"):
    times = sum(text[:-1].count(context) for text in texts)
    shown = ", ".join(f"{word} {bits(context, word):.2f}" for word in ("cat", "ran", "zebra"))
    total = sum(2 ** -bits(context, word) for word in known)
    print(f"{context} ({times} times): {shown}; all known words {total:.2f}")
PY
venv/bin/python bits.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
the (6 times): cat 1.58, ran 3.39, zebra 2.81; all known words 1.67
cat (2 times): cat 3.39, ran 1.00, zebra 1.58; all known words 1.81
a (1 times): cat 3.39, ran 3.39, zebra 1.00; all known words 1.90
TXT
