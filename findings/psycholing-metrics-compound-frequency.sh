#!/bin/bash
# psycholing-metrics: by its SUBTLEX column, state-of-the-art is a quarter of all English words.
#
# Expected: a compound is rarer than its rarest part. wordfreq takes half of the harmonic mean of its parts'
#   frequencies, 1/(1/f1 + 1/f2), and the docstring of get_frequency says so of both columns ("harmonic mean").
# Seen: for SUBTLEX-US, metrics.py takes it of -log2 of the frequencies, which its table has in their place. The
#   more parts, and the more frequent these are, the smaller the result: well-known has the 5.1 bits of `the`, and
#   state-of-the-art 2.0. A regression on reading times takes these rare words for the most frequent ones. The column
#   of wordfreq beside it is right.
#   SUBTLEX-US counts don't as `don` and `t`. wordfreq.tokenize keeps it whole, so it is not found, and has infinitely
#   many bits.
# lmctl: knows no frequencies but those of its training text.
#
# 2026-11-30, psycholing-metrics 2.2.6, wordfreq 3.1.1, pandas 2.3.3, numpy 2.4.6, Python 3.11; -log2 of frequencies:
#   the: SUBTLEX 5.05, wordfreq 4.22; from the parts' frequencies in SUBTLEX 5.05
#   well: SUBTLEX 8.35, wordfreq 9.87; from the parts' frequencies in SUBTLEX 8.35
#   known: SUBTLEX 12.95, wordfreq 11.99; from the parts' frequencies in SUBTLEX 12.95
#   well-known: SUBTLEX 5.08, wordfreq 12.29; from the parts' frequencies in SUBTLEX 13.00
#   state-of-the-art: SUBTLEX 1.99, wordfreq 12.74; from the parts' frequencies in SUBTLEX 14.48
#   don't: SUBTLEX inf, wordfreq 9.31; from the parts' frequencies in SUBTLEX 7.80
. "$(dirname "$0")/lib.sh"
environment venv wordfreq==3.1.1 pandas==2.3.3 numpy==2.4.6
venv/bin/pip install --quiet --disable-pip-version-check --no-deps psycholing-metrics==2.2.6 2>pip.log ||
    { cat pip.log; exit 2; }
cat >frequencies.py <<'PY'
import sys
from importlib.resources import files
from unittest.mock import MagicMock

import numpy as np
import pandas as pd

# get_frequency needs none of these; they are 5 GB.
for name in "spacy spacy.language sentence_splitter torch torch._tensor torch.nn torch.nn.functional".split():
    sys.modules[name] = MagicMock()
sys.modules["tqdm"] = sys.modules["transformers"] = MagicMock()
from psycholing_metrics import get_frequency

WORDS = "the well known well-known state-of-the-art don't"
PATH = files("psycholing_metrics") / "data/SUBTLEXus74286wordstextversion_lower.tsv"
counts = pd.read_csv(PATH, sep="\t", index_col=0)["Count"]
total = counts.sum()


def by_frequencies(word):
    parts = ["don", "t"] if word == "don't" else word.split("-")
    return -np.log2(1 / sum(total / counts[part] for part in parts))


for row in get_frequency(WORDS, "en").itertuples():
    print(
        f"{row.Word}: SUBTLEX {row.subtlex_Frequency:.2f}, wordfreq {row.Wordfreq_Frequency:.2f}; "
        f"from the parts' frequencies in SUBTLEX {by_frequencies(row.Word):.2f}"
    )
PY
venv/bin/python frequencies.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
the: SUBTLEX 5.05, wordfreq 4.22; from the parts' frequencies in SUBTLEX 5.05
well: SUBTLEX 8.35, wordfreq 9.87; from the parts' frequencies in SUBTLEX 8.35
known: SUBTLEX 12.95, wordfreq 11.99; from the parts' frequencies in SUBTLEX 12.95
well-known: SUBTLEX 5.08, wordfreq 12.29; from the parts' frequencies in SUBTLEX 13.00
state-of-the-art: SUBTLEX 1.99, wordfreq 12.74; from the parts' frequencies in SUBTLEX 14.48
don't: SUBTLEX inf, wordfreq 9.31; from the parts' frequencies in SUBTLEX 7.80
TXT
