#!/bin/bash
# evalci: the more often two models agree, the more items its power analysis for a paired comparison asks for.
#
# Expected: `rho` correlates the answers of two models. Their shares of right answers are `baseline` and `baseline`
#   plus `delta`, whatever rho is. Items on which both are right, or both wrong, add no variance to the difference. So
#   a paired comparison needs fewer items as rho grows.
# Seen: on the share rho of the items, both models get one answer, which is right with the mean of the two shares
#   (simulate_power in _power.py). So the difference in the simulated answers is not delta, but (1 - rho) delta. The
#   number of items grows about as 1 / (1 - rho), and with rho = 1 no number is enough. At rho = 0.8, it is 14 times
#   too large. The docstring calls rho a simplified correlation, and does not say that it takes from the difference.
#   method="analytic" takes no account of rho, as documented.
# lmctl: has no power analysis; `compare` resamples the lines of both models together.
#
# 2026-11-30, evalci 0.1.0, numpy 2.4.6, scipy 1.17.1, Python 3.11, delta 0.1, baseline 0.6, power 0.8. Needed: normal
# approximation, if on the share rho of items the better model is right wherever the other one is:
#   rho 0.0: needed 353, evalci 356
#   rho 0.5: needed 212, evalci 723
#   rho 0.8: needed 127, evalci 1811
#   rho 1.0: needed 71, evalci: power of 10000 items 0.00
. "$(dirname "$0")/lib.sh"
environment venv evalci==0.1.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1
cat >items.py <<'PY'
import evalci
from scipy.stats import norm

DELTA, BASELINE, POWER = 0.1, 0.6, 0.8
better = BASELINE + DELTA
quantiles = norm.ppf(0.975) + norm.ppf(POWER)
settings = {"baseline": BASELINE, "method": "simulation", "sims": 400, "random_state": 1}


def needed(rho):
    """Items for a paired z-test, if on the share rho of items the better model is right wherever the other one is.

    There, the answers differ with probability delta, and elsewhere independently.
    """
    apart = BASELINE * (1 - better) + better * (1 - BASELINE)
    variance = rho * DELTA + (1 - rho) * apart - DELTA**2
    return quantiles**2 * variance / DELTA**2


for rho in (0.0, 0.5, 0.8):
    items = evalci.power(DELTA, power=POWER, rho=rho, **settings).n
    print(f"rho {rho}: needed {needed(rho):.0f}, evalci {items}")
reached = evalci.power(DELTA, n=10_000, rho=1.0, **settings).power
print(f"rho 1.0: needed {needed(1.0):.0f}, evalci: power of 10000 items {reached:.2f}")
PY
venv/bin/python items.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
rho 0.0: needed 353, evalci 356
rho 0.5: needed 212, evalci 723
rho 0.8: needed 127, evalci 1811
rho 1.0: needed 71, evalci: power of 10000 items 0.00
TXT
