#!/bin/bash
# pystylometry: its HD-D counts the words that a sample does not have, so a longer, poorer text is more diverse.
#
# Expected: HD-D draws 42 words from a text, and is the expected number of different words among them, or that number
#   by 42, as pystylometry's docstring says ("0 to 1"). vocd-D is fitted to TTR = D/N (sqrt(1 + 2 N/D) - 1) (Malvern et
#   al. 2004). Both depend little on the length of the text.
# Seen: compute_hdd in advanced_diversity.py sums the probabilities that a word is not in the sample, which count the
#   rest of the vocabulary. So 200 different words have 162, and 1000 words that occur twice have 959. A text of one
#   word has 0. compute_vocd_d fits TTR = D/sqrt(N), whose D is below 5.7 for every text. On texts of many words it fits
#   so badly that its R² is -2240.
# lmctl: has no measures of lexical diversity.
#
# 2026-11-30, pystylometry 1.4.3, lexicalrichness 0.5.1, Python 3.11, of words that occur equally often:
#   200 words, 1 times: HD-D 162.0, expected 42.0, by 42 1.00 (lexicalrichness 1.00); D 5.7 (R² 0), expected inf
#   100 words, 2 times: HD-D 65.6, expected 37.7, by 42 0.90 (lexicalrichness 0.90); D 5.0 (R² -12), expected 164.0
#   1000 words, 2 times: HD-D 958.8, expected 41.6, by 42 0.99 (lexicalrichness 0.99); D 5.6 (R² -2240), expected 2006.0
#   10 words, 20 times: HD-D 0.1, expected 9.9, by 42 0.24 (lexicalrichness 0.24); D 1.7 (R² 1), expected 1.5
. "$(dirname "$0")/lib.sh"
environment venv pystylometry==1.4.3 lexicalrichness==0.5.1
cat >diversity.py <<'PY'
import itertools
import math
import string

from lexicalrichness import LexicalRichness
from pystylometry.lexical import compute_hdd, compute_vocd_d

SAMPLE = 42


def expected_words(types, tokens):
    """Different words among 42 that are drawn from a text, each of whose words occurs equally often."""
    absent = math.comb(tokens - tokens // types, SAMPLE) / math.comb(tokens, SAMPLE)
    return types * (1 - absent)


def fitted(ratio):
    """D of the curve through the type-token ratio of 42 words."""
    return SAMPLE * ratio**2 / (2 * (1 - ratio)) if ratio < 1 else math.inf


for types, times in ((200, 1), (100, 2), (1000, 2), (10, 20)):
    words = ["".join(letters) for letters in itertools.product(string.ascii_lowercase, repeat=3)][:types]
    text = " ".join(words * times)
    found = compute_vocd_d(text, random_seed=1)
    words = round(expected_words(types, types * times), 9)
    print(
        f"{types} words, {times} times: HD-D {compute_hdd(text).hdd_score:.1f}, expected {words:.1f}, "
        f"by 42 {words / SAMPLE:.2f} (lexicalrichness {LexicalRichness(text).hdd(SAMPLE):.2f}); "
        f"D {found.d_parameter:.1f} (R² {found.curve_fit_r_squared:.0f}), expected {fitted(words / SAMPLE):.1f}"
    )
PY
venv/bin/python diversity.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
200 words, 1 times: HD-D 162.0, expected 42.0, by 42 1.00 (lexicalrichness 1.00); D 5.7 (R² 0), expected inf
100 words, 2 times: HD-D 65.6, expected 37.7, by 42 0.90 (lexicalrichness 0.90); D 5.0 (R² -12), expected 164.0
1000 words, 2 times: HD-D 958.8, expected 41.6, by 42 0.99 (lexicalrichness 0.99); D 5.6 (R² -2240), expected 2006.0
10 words, 20 times: HD-D 0.1, expected 9.9, by 42 0.24 (lexicalrichness 0.24); D 1.7 (R² 1), expected 1.5
TXT
