"""Wall time of one `lmctl predict` from a cold start, against `python -c "import numpy, click"`.

python -m benchmarks.cold_start models/news --text "the cat sat on the"
"""

from __future__ import annotations

import argparse
import statistics
import sys

from benchmarks.processes import lmctl_program, measure


def main() -> None:
    """Print the medians of alternating runs, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("--text", default="the cat sat on the")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    commands = {
        "import numpy, click": [sys.executable, "-c", "import numpy, click"],
        "lmctl predict": [lmctl_program(), "predict", "-m", arguments.model, arguments.text],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(arguments.runs):
        for name, command in commands.items():
            seconds[name].append(measure(command).seconds)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print("program\tmedian ms\tratio")
    for name, median in medians.items():
        print(f"{name}\t{1000 * median:.0f}\t{median / medians['import numpy, click']:.2f}")


if __name__ == "__main__":
    main()
