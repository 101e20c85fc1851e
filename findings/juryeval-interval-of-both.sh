#!/bin/bash
# juryeval: of two models, one of which is better on each of 40 items, compare_models says p = 0.8.
#
# Expected: the scores of two models are of the same items, which win_rate compares one by one. So does the p-value of a
#   paired test, and the interval is of the difference of the models, or of the mean of one of them.
# Seen: bootstrap_pvalue mixes the scores of both models as if they were of unrelated items. The items differ more than
#   the models, so no difference is found beside a win rate of 1. ci_lower and ci_upper are of the mean of both models'
#   scores in one heap. This is the score of neither model: if all of A's scores are higher than all of B's, the
#   interval holds neither mean. The docstring says "bootstrap confidence intervals", and not of what.
# lmctl: `compare` resamples lines, with the scores of both models, and gives the interval of their difference.
#
# 2026-11-30, juryeval 0.5.0, scipy 1.17.1, Python 3.11, of 40 items:
#   a little better on each: means 0.51 and 0.49, win rate 1, p 0.767, interval 0.44 to 0.56; paired p 0.002
#   far better on each: means 0.95 and 0.05, win rate 1, p 0.001, interval 0.40 to 0.60; paired p 0.002
. "$(dirname "$0")/lib.sh"
environment venv scipy==1.17.1 numpy==2.4.6
venv/bin/pip install --quiet --disable-pip-version-check --no-deps juryeval==0.5.0 2>pip.log || { cat pip.log; exit 2; }
cat >items.py <<'PY'
import sys
from unittest.mock import MagicMock

sys.modules["juryeval.metrics"] = MagicMock()  # imports torch and more, which compare_models does not need
from juryeval import compare_models
from scipy.stats import permutation_test

ITEMS = 40


def mean(numbers):
    return sum(numbers) / len(numbers)


def difference(first, second, axis):
    return first.mean(axis) - second.mean(axis)


def paired(first, second):
    """The p-value if, for each item, it is chance which of the two scores is whose."""
    return permutation_test((first, second), difference, permutation_type="samples", n_resamples=999, rng=1).pvalue


def shown(first, second):
    found = compare_models(first, second, seed=1)
    return (
        f"means {mean(first):.2f} and {mean(second):.2f}, win rate {found['win_rate']:.0f}, p {found['p_value']:.3f}, "
        f"interval {found['ci_lower']:.2f} to {found['ci_upper']:.2f}; paired p {paired(first, second):.3f}"
    )


worse = [item / ITEMS for item in range(ITEMS)]
print("a little better on each:", shown([score + 0.02 for score in worse], worse))
print("far better on each:", shown([0.9 + score / 10 for score in worse], [score / 10 for score in worse]))
PY
venv/bin/python items.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
a little better on each: means 0.51 and 0.49, win rate 1, p 0.767, interval 0.44 to 0.56; paired p 0.002
far better on each: means 0.95 and 0.05, win rate 1, p 0.001, interval 0.40 to 0.60; paired p 0.002
TXT
