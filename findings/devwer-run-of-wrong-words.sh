#!/bin/bash
# devwer: a run of wrong words is one error, so a Nepali sentence of 300 wrong words has a word error rate of 0.003.
#
# Expected: the word error rate is the smallest number of substituted, deleted and inserted words, by the words of the
#   reference. A sentence without one right word has at least 1.
# Seen: wer in metrics.py counts the operations of difflib's SequenceMatcher, each of which replaces, deletes or inserts
#   a run of any length. An error that stands alone counts right. Four wrong words in a row, an empty hypothesis, and
#   five inserted words are one error each, as one wrong word is.
#   cer of the same sentence is 1.31, and right. wer_legacy is right too, but its table has 8 bits: from 255 words on it
#   is wrong or raises OverflowError.
# lmctl: `rescore --references` counts errors with jiwer.
#
# 2026-11-30, devwer 0.0.3, jiwer 4.0.0, NumPy 2.4.6, Python 3.11:
#   one wrong word: wer 0.250, 1 of 4 words 0.250, jiwer 0.250; cer 0.31
#   all words wrong: wer 0.250, 4 of 4 words 1.000, jiwer 1.000; cer 1.31
#   no hypothesis: wer 0.250, 4 of 4 words 1.000, jiwer 1.000; cer 1.00
#   five words inserted: wer 0.250, 5 of 4 words 1.250, jiwer 1.250; cer 1.54
#   300 wrong words: wer 0.003, 300 of 300 words 1.000, jiwer 1.000; cer 1.33
. "$(dirname "$0")/lib.sh"
environment venv devwer==0.0.3 jiwer==4.0.0 numpy==2.4.6 python-Levenshtein==0.27.5
cat >errors.py <<'PY'
import jiwer
from devwer.metrics import Metrics

metrics = Metrics()


def fewest(reference, hypothesis):
    """The Levenshtein distance of two lists of words."""
    row = list(range(len(hypothesis) + 1))
    for place, word in enumerate(reference, 1):
        corner, row[0] = row[0], place
        for other, guess in enumerate(hypothesis, 1):
            corner, row[other] = row[other], min(corner + (word != guess), row[other] + 1, row[other - 1] + 1)
    return row[-1]


def shown(name, reference, hypothesis):
    words = metrics.tokenize("wer", reference)
    errors = fewest(words, metrics.tokenize("wer", hypothesis))
    print(
        f"{name}: wer {metrics.wer(reference, hypothesis):.3f}, "
        f"{errors} of {len(words)} words {errors / len(words):.3f}, jiwer {jiwer.wer(reference, hypothesis):.3f}; "
        f"cer {metrics.cer(reference, hypothesis):.2f}"
    )


shown("one wrong word", "यो मेरो घर हो", "यो मेरो बाटो हो")
shown("all words wrong", "यो मेरो घर हो", "तिमी किन त्यहाँ गयौ")
shown("no hypothesis", "यो मेरो घर हो", "")
shown("five words inserted", "यो मेरो घर हो", "यो मेरो एक दुई तीन चार पाँच घर हो")
shown("300 wrong words", " ".join(["घर"] * 300), " ".join(["बाटो"] * 300))
PY
export PYTHONIOENCODING=utf-8
venv/bin/python errors.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
one wrong word: wer 0.250, 1 of 4 words 0.250, jiwer 0.250; cer 0.31
all words wrong: wer 0.250, 4 of 4 words 1.000, jiwer 1.000; cer 1.31
no hypothesis: wer 0.250, 4 of 4 words 1.000, jiwer 1.000; cer 1.00
five words inserted: wer 0.250, 5 of 4 words 1.250, jiwer 1.250; cer 1.54
300 wrong words: wer 0.003, 300 of 300 words 1.000, jiwer 1.000; cer 1.33
TXT
