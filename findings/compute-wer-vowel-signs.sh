#!/bin/bash
# compute-wer: a sentence of Hindi with other vowel signs in three of its four words has a word error rate of 0.
#
# Expected: दिन (day) and दीन (poor) are two words, and each of them is one word.
# Seen: a vowel sign ends the word before it, and is left out. `tokenize` in utils.py extends a word by letters and
#   digits (categories L and N), and skips other characters. The vowel signs of Hindi, Tamil, Bengali and their
#   relatives are marks (category M). Thai, Khmer and Burmese are not affected, since each of their characters becomes
#   a token. It is so since a commit of March 2026, "for more languages".
#   The same commit cuts <noise> into three tokens before `strip_tags` looks for it, so remove_tag changes nothing. In
#   the command, where it is always on, each <noise> that the hypothesis lacks is three errors.
# lmctl: `rescore --references` counts errors with jiwer. The segmenters `words` and `char` keep a mark with the letter
#   before it.
#
# 2026-11-30, compute-wer 0.2.5, jiwer 4.0.0, Python 3.11; errors/words:
#   the cat sat on the mat: 1/6; by jiwer 1/6; tokens THE CAT SAT ON THE MAT
#   यह मेरा दिन है: 0/6; by jiwer 3/4; tokens यह म र द न ह
#   பாடு: 0/2; by jiwer 1/1; tokens ப ட
#   the cat <noise> sat, remove_tag=True: 3/6; by jiwer, without the tag 0/3; tokens THE CAT < NOISE > SAT
. "$(dirname "$0")/lib.sh"
environment venv compute-wer==0.2.5 jiwer==4.0.0
cat >count.py <<'PY'
import jiwer
from compute_wer import Calculator
from compute_wer.utils import normalize


def shown(reference, hypothesis, plain=None, **options):
    found = Calculator(**options).calculate(reference, hypothesis)
    expected = jiwer.process_words(plain or reference, hypothesis)
    errors = expected.substitutions + expected.deletions + expected.insertions
    words = expected.hits + expected.substitutions + expected.deletions
    settings = "".join(f", {name}={value}" for name, value in options.items())
    return (
        f"{reference}{settings}: {found.replace + found.delete + found.insert}/{found.all}; "
        f"by jiwer{', without the tag' if plain else ''} {errors}/{words}; "
        f"tokens {' '.join(normalize(reference, **options))}"
    )


print(shown("the cat sat on the mat", "the cat sat on the hat"))
print(shown("यह मेरा दिन है", "यह मेरे दीन हैं"))
print(shown("பாடு", "பாடி"))
print(shown("the cat <noise> sat", "the cat sat", plain="the cat sat", remove_tag=True))
PY
export PYTHONIOENCODING=utf-8
venv/bin/python count.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
the cat sat on the mat: 1/6; by jiwer 1/6; tokens THE CAT SAT ON THE MAT
यह मेरा दिन है: 0/6; by jiwer 3/4; tokens यह म र द न ह
பாடு: 0/2; by jiwer 1/1; tokens ப ட
the cat <noise> sat, remove_tag=True: 3/6; by jiwer, without the tag 0/3; tokens THE CAT < NOISE > SAT
TXT
