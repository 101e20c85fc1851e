#!/bin/bash
# jiwer: the error rate against an empty reference is the number of inserted words, so it can be any whole number.
#
# Expected: no rate, since it divides by the number of reference words, 0: an error, nan or infinity.
# Seen: 3.0 for three inserted words, as if the reference had one word; 0 if nothing was inserted. Over several
# sentences the errors and words are added up first, so an empty reference beside others counts as it should.
# lmctl: adds up errors and words over all lists, and divides once.
#
# 2026-11-28, jiwer 4.0.0, Python 3.11: empty against "a b c": 3; two sentences, one empty: 2 errors for 1 word, 2.0.
. "$(dirname "$0")/lib.sh"
environment venv jiwer==4.0.0
venv/bin/python - <<'PY'
import jiwer

alone = jiwer.wer("", "a b c")
nothing = jiwer.wer("", "")
beside = jiwer.wer(["", "a"], ["x y", "a"])
print(f'empty against "a b c": {alone}; empty against empty: {nothing}; beside another sentence: {beside}')
assert (alone, nothing, beside) == (3, 0, 2.0)
PY
