#!/bin/bash
# KenLM: for a pruned ARPA file, full_scores counts n-grams that the file does not have.
#
# Expected: ngram_length is the length of the n-gram in the file that gave the probability, as in SRILM's ngram -ppl
#   -debug 2.
# Seen: if the file has `a b c` without its end `b c`, as `ngram -prune` writes it, KenLM inserts `b c` while it loads, with
#   the probability of backing off, and counts it. So `c` after `b` has length 2; in the file, its length is 1. The
#   probability is right. Statistics of how often a model backs off are wrong.
# lmctl: counts only the n-grams of the file, as SRILM does. docs/metrics.md names the difference.
#
# 2026-11-27, kenlm 0.3.0, Python 3.11: c after b: -0.90 = -0.2 - 0.7, length 2; without `a b c` in the file: length 1
. "$(dirname "$0")/lib.sh"
environment venv kenlm==0.3.0
venv/bin/python - <<'PY' 2>kenlm.log
import pathlib

import kenlm

# If the file has few bigrams, KenLM's table has no room for the inserted one.
PAIRS = ("a b", "b d", "d e", "e f", "f g", "g h", "h a")
COUNTS = "\\data\\\nngram 1=11\nngram 2=8\nngram 3=1\n\n"
ONES = "\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.3\n-0.5\t</s>\n" + "".join(f"-0.7\t{word}\t-0.2\n" for word in "abcdefgh")
TWOS = "\n\\2-grams:\n" + "".join(f"-0.3\t{pair}\t-0.1\n" for pair in (*PAIRS, "a c"))
seen = {}
for trigram in ("a b c", "a b d"):
    pathlib.Path("model.arpa").write_text(f"{COUNTS}{ONES}{TWOS}\n\\3-grams:\n-0.1\t{trigram}\n\n\\end\\\n")
    _, (score, length, _) = kenlm.Model("model.arpa").full_scores("b c", bos=False, eos=False)
    seen[trigram] = round(score, 4), length
    print(f"{trigram} in the file: c after b: {score:.2f}, length {length}")
assert seen == {"a b c": (-0.9, 2), "a b d": (-0.9, 1)}
PY
