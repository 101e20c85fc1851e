#!/bin/bash
# arpabo: in an ARPA file of bigrams that it reads, a bigram that ends in a number becomes one word.
#
# Expected: in the highest order a line is a log10 probability and as many words as the order says, since there are no
#   back-off weights. A word may be 1990.
# Seen: the last field of any line is a back-off weight if float() takes it: 1990 and 3.5, and also the words nan and
#   infinity. `in 1990` of a model of bigrams so becomes the single word `in`, whose own probability it replaces, and
#   the bigram is missing. There is no message. The order, which the reader knows, is not looked at
#   (_parse_arpa_ngram_line in arpabo/arpa_io.py).
# lmctl: `import` takes as many words from a line as the order says.
#
# 2026-11-29, arpabo 0.3.0, Python 3.11; the file says 10^-1.5 for in, and 10^-0.2 for 1990 after in:
#   in: 0.631 = 10^-0.2; in 1990: none; in may: 0.200; the same with nineteen for 1990: in: 0.032, in nineteen: 0.631
. "$(dirname "$0")/lib.sh"
environment venv arpabo==0.3.0
venv/bin/python - <<'PY' 2>log | tee seen || { cat log; exit 2; }
import math
import pathlib

from arpabo import ArpaBoLM

TEXT = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-99\t<s>\t-0.3
-1.5\tin\t-0.2
-0.7\tWORD\t-0.1
-0.7\tmay\t-0.1
-0.6\t</s>

\\2-grams:
-0.1\t<s> in
-0.2\tin WORD
-0.7\tin may

\\end\\
"""


def probabilities(word):
    pathlib.Path("model.arpa").write_text(TEXT.replace("WORD", word))
    words, pairs = ArpaBoLM.from_arpa_file("model.arpa").probs
    return words["in"], pairs["in"].get(word), pairs["in"].get("may")


single, pair, other = probabilities("1990")
single_right, pair_right, other_right = probabilities("nineteen")
assert math.isclose(single, 10**-0.2) and math.isclose(single_right, 10**-1.5) and math.isclose(other, other_right)
print(
    f"in: {single:.3f} = 10^-0.2; in 1990: {'none' if pair is None else pair}; in may: {other:.3f}; "
    f"the same with nineteen for 1990: in: {single_right:.3f}, in nineteen: {pair_right:.3f}"
)
PY
diff seen - <<'TXT'
in: 0.631 = 10^-0.2; in 1990: none; in may: 0.200; the same with nineteen for 1990: in: 0.032, in nineteen: 0.631
TXT
