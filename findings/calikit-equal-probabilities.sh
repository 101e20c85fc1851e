#!/bin/bash
# calikit: of probabilities that are right, some of them equal, its isotonic calibration makes 0 and 1.
#
# Expected: equal probabilities have one share of hits, so isotonic regression gives them this share, as scikit-learn
#   does. The calibration error of probabilities that are right is near 0, in whatever order they come.
# Seen: fit_isotonic in fit.py sorts equal probabilities by their labels, the misses first. Their means then rise, so
#   misses and hits are not averaged. The lowest probability is mapped to 0 and the highest one to 1, and the log loss
#   of the very labels of the fit rises from 0.595 to 7.6. The README recommends the package for scores from 1 to 10,
#   many of which are equal.
#   The default bins, of equal numbers, cut equal probabilities in the order in which they come. If the hits come first,
#   as in a file that is sorted by its labels, most bins are all hits or all misses, and the error is 0.30. Bins of
#   equal width have 0.
# lmctl: the bins of its calibration have fixed borders, and it recalibrates nothing.
#
# 2026-11-30, calikit 0.1.0, scikit-learn 1.9.1, Python 3.11:
#   isotonic: of 0.60 0.70 0.80, with these shares of hits, calikit makes 0.00 0.78 1.00, scikit-learn 0.60 0.70 0.80
#   log loss: 0.595, calikit 0.595, after its mapping 7.6
#   error with bins of equal mass: hits first 0.30, mixed 0.06, mixed again 0.04
#   error with bins of equal width: hits first 0.00, mixed 0.00, mixed again 0.00
. "$(dirname "$0")/lib.sh"
environment venv calikit==0.1.0 scikit-learn==1.9.1 numpy==2.4.6
cat >shares.py <<'PY'
import math
import random

from calikit.binning import bin_predictions, ece
from calikit.fit import fit_isotonic
from calikit.metrics import log_loss
from sklearn.isotonic import IsotonicRegression

HITS = {0.6: (30, 20), 0.7: (35, 15), 0.8: (40, 10)}  # hits and misses
probabilities = [probability for probability, (hits, misses) in HITS.items() for _ in range(hits + misses)]
labels = [label for hits, misses in HITS.values() for label in [1] * hits + [0] * misses]


def shown(numbers):
    return " ".join(f"{number:.2f}" for number in numbers)


def loss(mapped):
    """The log loss if each probability of HITS is mapped to a number."""
    total = sum(
        hits * math.log(number) + misses * math.log(1 - number)
        for number, (hits, misses) in zip(mapped, HITS.values())
    )
    return -total / len(labels)


mapping = fit_isotonic(probabilities, labels)
other = IsotonicRegression().fit(probabilities, labels)
print(
    f"isotonic: of {shown(HITS)}, with these shares of hits, calikit makes {shown(mapping.apply(list(HITS)))}, "
    f"scikit-learn {shown(other.predict(list(HITS)))}"
)
print(
    f"log loss: {loss(HITS):.3f}, calikit {log_loss(probabilities, labels):.3f}, "
    f"after its mapping {log_loss(mapping.apply(probabilities), labels):.1f}"
)
mixed = list(range(len(labels)))
random.Random(1).shuffle(mixed)
orders = {"hits first": range(len(labels)), "mixed": mixed, "mixed again": random.Random(2).sample(mixed, len(mixed))}
for scheme in ("mass", "width"):
    errors = [
        ece(bin_predictions([probabilities[i] for i in order], [labels[i] for i in order], scheme=scheme))
        for order in orders.values()
    ]
    shown_errors = ", ".join(f"{name} {error:.2f}" for name, error in zip(orders, errors))
    print(f"error with bins of equal {scheme}: {shown_errors}")
PY
venv/bin/python shares.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
isotonic: of 0.60 0.70 0.80, with these shares of hits, calikit makes 0.00 0.78 1.00, scikit-learn 0.60 0.70 0.80
log loss: 0.595, calikit 0.595, after its mapping 7.6
error with bins of equal mass: hits first 0.30, mixed 0.06, mixed again 0.04
error with bins of equal width: hits first 0.00, mixed 0.00, mixed again 0.00
TXT
