#!/bin/bash
# arpabo: all back-off weights of its models of bigrams are 1, so the probabilities after a word sum to 1.2 to 2.
#
# Expected: the weight of a word is what the discounts leave after it, divided by what the lower order has left, so
#   the probabilities of all words and </s> sum to 1 after each word. `-s auto` finds the discount that fits the text
#   best.
# Seen: Good-Turing, the default, and Kneser-Ney store 1 for every weight ("always 1.0" in arpabo/smoothing), but do
#   not interpolate. The two Katz methods compute weights, but none for single words, so with bigrams theirs are 1 as
#   well. The discount of `auto` is the first value that is tried, since the likelihoods that it compares are those of
#   the unigrams, in which the discount has no part. Good-Turing's unigrams sum to more than 1, too. arpabo's own
#   perplexity() takes no weights, so it is that of the same sums.
# lmctl: `import` warns that the probabilities sum to 1.41545 instead of 1 (`fixed` with 0.2), and that perplexities
#   are wrong by this factor.
#
# 2026-11-29, arpabo 0.3.0, Python 3.11, sums of the probabilities in the file, of six sentences:
#   good_turing: weights 1; after the 1.166, after on 1.974, without a context 1.156
#   kneser_ney: weights 1; after the 1.256, after on 1.645, without a context 1.000
#   fixed: weights 1; after the 1.415, after on 1.467, without a context 0.846
#   auto: weights 1; after the 1.565, after on 1.617, without a context 0.846
#   discount of auto: 0.05 of these sentences, 0.05 of them twenty times
. "$(dirname "$0")/lib.sh"
environment venv arpabo==0.3.0
venv/bin/python - <<'PY' 2>log | tee seen || { cat log; exit 2; }
import io

from arpabo import ArpaBoLM

TEXT = """the cat sat on the mat
the dog sat on the log
the cat ran
a dog ran on the mat
a cat sat
the dog ran
"""


def train(method, text):
    model = ArpaBoLM(max_order=2, smoothing_method=method)
    model.read_corpus(io.StringIO(text))
    model.compute()
    return model


def numbers(path):
    """The log10 probabilities of n-grams, and the log10 weights of words, from the lines of an ARPA file."""
    probabilities, weights, order = {}, {}, 0
    for fields in map(str.split, open(path)):
        if fields and fields[0].endswith("-grams:"):
            order = int(fields[0][1])
        elif order and len(fields) > order:
            ngram = tuple(fields[1 : 1 + order])
            probabilities[ngram] = float(fields[0])
            if order == 1:
                weights[ngram] = float(fields[2])
    return probabilities, weights


for method in ("good_turing", "kneser_ney", "fixed", "auto"):
    train(method, TEXT).write_file("model.arpa")
    probabilities, weights = numbers("model.arpa")
    words = [ngram[0] for ngram in probabilities if len(ngram) == 1 and ngram != ("<s>",)]

    def total(context):
        backed_off = {word: weights[context,] + probabilities[word,] for word in words}
        return sum(10 ** probabilities.get((context, word), backed_off[word]) for word in words)

    ones = "1" if set(weights.values()) == {0.0} else "other than 1"
    alone = sum(10 ** probabilities[word,] for word in words)
    print(
        f"{method}: weights {ones}; after the {total('the'):.3f}, after on {total('on'):.3f}, "
        f"without a context {alone:.3f}"
    )
discounts = [train("auto", text).discount_mass for text in (TEXT, TEXT * 20)]
print("discount of auto: {} of these sentences, {} of them twenty times".format(*discounts))
PY
diff seen - <<'TXT'
good_turing: weights 1; after the 1.166, after on 1.974, without a context 1.156
kneser_ney: weights 1; after the 1.256, after on 1.645, without a context 1.000
fixed: weights 1; after the 1.415, after on 1.467, without a context 0.846
auto: weights 1; after the 1.565, after on 1.617, without a context 0.846
discount of auto: 0.05 of these sentences, 0.05 of them twenty times
TXT
