"""Bits a character of a narrow domain: a large general text, a small text of the domain, both in one, and mixed.

    python -m benchmarks.domains wikitext-2/train.txt --words album,song,songs,chart,band,lyrics,vocals,guitar

The text is cut into articles at WikiText's headings. An article is of the domain if at least `--share` of its
words are among `--words`. The other articles are the general text. Of every five articles of the domain, the first
is validation text, the second is test text, and three are training text. N-grams are counted on each text, and on
both together. `lmctl mix` mixes the domain with the general text, and with both texts. Weights are tuned on the
validation text. The vocabularies differ, so the table has bits a character (docs/metrics.md).
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.processes import lmctl_program, measure

HEADING = re.compile(r" ?= [^=].* = ?")


def main() -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path, help="WikiText's training text")
    parser.add_argument("--words", required=True, metavar="WORD,...", help="words of the domain")
    parser.add_argument("--share", type=float, default=0.01, help="least share of these words in an article")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        texts = split(articles(arguments.text), frozenset(arguments.words.split(",")), arguments.share)
        for name, lines in texts.items():
            (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        print("\t".join(f"{name} {len(''.join(lines).split()):,} words" for name, lines in texts.items()))
        trained = {name: str(folder / name) for name in ("general", "domain", "both")}
        for name, model in trained.items():
            _train(folder / f"{name}.txt", model, arguments.assignments)
        named = dict(trained)
        for general in ("general", "both"):
            model = str(folder / f"{general}-domain")
            tuning = ["--valid", str(folder / "valid.txt"), "--state", "reset", "--json", "-o", model]
            mixing = measure([lmctl_program(), "mix", trained[general], trained["domain"], *tuning])
            weights = [member["weight"] for member in json.loads(mixing.output)["members"]]
            named[f"{general} and domain, mixed {weights[0]:.3f} to {weights[1]:.3f}"] = model
        print("model\tvocabulary\tOOV rate\tbits/character\tperplexity")
        for name, model in named.items():
            figures = _evaluate(model, folder / "test.txt")
            print(
                f"{name}\t{figures['vocabulary_size']}\t{figures['oov_rate']:.4f}\t"
                f"{figures['bits_per_character']:.4f}\t{figures['perplexity']:.1f}"
            )


def articles(path: Path) -> list[list[str]]:
    """The articles of a text of WikiText, each a list of lines; a heading stands between two blank lines."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    blank = [True, *(not line.strip() for line in lines), True]
    starts = [
        number
        for number, line in enumerate(lines)
        if blank[number] and blank[number + 2] and HEADING.fullmatch(line.rstrip("\n"))
    ]
    return [lines[start:stop] for start, stop in pairwise([*starts, len(lines)])]


def split(texts: list[list[str]], words: frozenset[str], share: float) -> dict[str, list[str]]:
    """The lines of `general`, `domain`, `both` (the two together), `valid` and `test`."""
    parts: dict[str, list[str]] = {name: [] for name in ("general", "domain", "both", "valid", "test")}
    fifths = ("valid", "test", "domain", "domain", "domain")
    number = 0
    for lines in texts:
        found = "".join(lines).lower().split()
        name = "general"
        if sum(word in words for word in found) >= share * len(found):
            name, number = fifths[number % len(fifths)], number + 1
        parts[name].extend(lines)
    parts["both"] = parts["general"] + parts["domain"]
    return parts


def _train(text: Path, model: str, assignments: list[str]) -> None:
    settings = [f"--set={each}" for each in ("preset=ngram", "text.segmenter=space", *assignments)]
    measure([lmctl_program(), "train", str(text), "-o", model, *settings])


def _evaluate(model: str, text: Path) -> dict[str, Any]:
    output = measure([lmctl_program(), "eval", "-m", model, "--state", "reset", "--json", str(text)]).output
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
