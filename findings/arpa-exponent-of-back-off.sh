#!/bin/bash
# arpa: a back-off weight such as -9.5e-05 is read as -9.5, a probability such as -9.5e-05 is read right.
#
# Expected: the exponent of a number belongs to it in both columns; its pattern for a line has one in both.
# Seen: in the pattern for a line of n-grams (arpa/parsers/quick.py), the exponent of the back-off is outside the
#   group that is converted to a number. So a weight near 1 becomes a tiny one, every word that needs it is too
#   improbable by the factor 10^-9.5, and `arpa.dump` writes the wrong number into the next file. There is no message.
#   Weights close to 0 have an exponent in every file whose writer uses %g, as SRILM does. KenLM and float()
#   read them.
# lmctl: reads exponents in both columns, and writes numbers without exponents.
#
# 2026-11-29, arpa 0.1.0b4, kenlm-ex 0.2.1 (a package of KenLM with wheels), Python 3.11, log10 of b after a, which is
# -0.6 - 0.000095:
#   kenlm -0.600095; arpa -10.100000; arpa, with -0.000095 in the file: -0.600095; written again: -9.5
. "$(dirname "$0")/lib.sh"
environment venv arpa==0.1.0b4 kenlm-ex==0.2.1
venv/bin/python - <<'PY' 2>log | tee seen || { cat log; exit 2; }
import pathlib

import arpa
import kenlm

TEXT = """\\data\\
ngram 1=5
ngram 2=1

\\1-grams:
-1.2	<unk>
-99	<s>	-0.1
-0.6	a	BACKOFF
-0.6	b	-0.3
-0.4	</s>

\\2-grams:
-0.2	a a

\\end\\
"""
exponent, plain = (TEXT.replace("BACKOFF", number) for number in ("-9.5e-05", "-0.000095"))
pathlib.Path("exponent.arpa").write_text(exponent)
_, (by_kenlm, _, _) = kenlm.Model("exponent.arpa").full_scores("a b", bos=False, eos=False)
[model] = arpa.loads(exponent)
[of_plain] = arpa.loads(plain)
again = next(line for line in arpa.dumps(model).splitlines() if "\ta\t" in line).split("\t")[2]
print(
    f"kenlm {by_kenlm:.6f}; arpa {model.log_p('a b'):.6f}; "
    f"arpa, with -0.000095 in the file: {of_plain.log_p('a b'):.6f}; written again: {again}"
)
PY
diff seen - <<'TXT'
kenlm -0.600095; arpa -10.100000; arpa, with -0.000095 in the file: -0.600095; written again: -9.5
TXT
