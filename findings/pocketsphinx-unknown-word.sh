#!/bin/bash
# pocketsphinx: if the unknown word of an ARPA file is <unk>, as in SRILM and KenLM, unknown words cost 10^-23314.
#
# Expected: <unk> is the unknown word in capitals or small letters, or a message says that it is missing.
# Seen: only <UNK> is recognised. With <unk>, every unknown word has the logarithm of zero (-536870912 in units of
#   pocketsphinx's own base), a probability that the file does not have.
# lmctl: `export --unknown '<UNK>'` writes a file that pocketsphinx reads.
#
# 2026-11-27, pocketsphinx 5.1.1, Python 3.11: <unk>: -23314.84; <UNK>: -1.00 (the file says -1.0)
. "$(dirname "$0")/lib.sh"
environment venv pocketsphinx==5.1.1
venv/bin/python - <<'PY' 2>sphinx.log
import pathlib

import pocketsphinx

MODEL = r"""\data\
ngram 1=5
ngram 2=2

\1-grams:
-1.0	{}
-99	<s>	-0.3
-0.5	</s>
-0.6	the	-0.2
-0.7	cat	-0.2

\2-grams:
-0.2	<s> the
-0.3	the cat

\end\
"""
seen = {}
for name in ("<unk>", "<UNK>"):
    pathlib.Path("model.arpa").write_text(MODEL.format(name))
    scale = pocketsphinx.LogMath()
    model = pocketsphinx.NGramModel(pocketsphinx.Config(), scale, "model.arpa")
    seen[name] = scale.log_to_log10(model.prob(["zebra"]))
    print(f"{name}: {seen[name]:.2f}")
assert seen["<unk>"] < -20_000
assert abs(seen["<UNK>"] + 1.0) < 0.01
PY
