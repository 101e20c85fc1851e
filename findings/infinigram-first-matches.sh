#!/bin/bash
# infinigram: after a context that occurs more than 10,000 times, the words that sort last have no probability.
#
# Expected: P(next | context) is the share of the occurrences that go on with it. If only 10,000 of them are looked at
#   ("sample" in the docstring of continuations()), these are a random sample or an even one.
# Seen: they are the first 10,000 in the suffix array, and it is sorted by what follows. The lowest ids get all of the
#   probability, the highest ones none, in predict(), generate() and score(). In a model of bytes, a space is such a
#   context from about 60 KB of English on. There is no message, and a smaller text does not show it. continuations()
#   takes limit=None, the others have no such argument.
# lmctl: its n-gram models count every occurrence.
#
# 2026-11-29, py-infinigram 0.7.0, pydivsufsort 0.0.20, numpy 2.4.6, Python 3.11, of `acabac` repeated, so that b
# follows one a of three, and c two:
#   3000 times: b 0.333, c 0.667; log probability of c after a: -0.405
#   10000 times: b 1.000, c 0.000; log probability of c after a: -32.236; counted: b 10000, c 20000
. "$(dirname "$0")/lib.sh"
environment venv py-infinigram==0.7.0 pydivsufsort==0.0.20 numpy==2.4.6
cat >predict.py <<'PY'
import math

from infinigram import Infinigram

A, B, C = b"abc"


def shown(repetitions):
    model = Infinigram(b"acabac" * repetitions)
    shares = model.predict([A])
    # The first byte is scored as one of 256.
    log_prob = model.score([A, C]) + math.log(256)
    return (
        f"{repetitions} times: b {shares[B]:.3f}, c {shares.get(C, 0):.3f}; "
        f"log probability of c after a: {log_prob:.3f}"
    ), model


print(shown(3000)[0])
line, model = shown(10000)
counts = model.continuations([A], limit=None)
print(f"{line}; counted: b {counts[B]}, c {counts[C]}")
PY
venv/bin/python predict.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
3000 times: b 0.333, c 0.667; log probability of c after a: -0.405
10000 times: b 1.000, c 0.000; log probability of c after a: -32.236; counted: b 10000, c 20000
TXT
