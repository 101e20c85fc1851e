"""Estimate an n-gram model and score a text with it, against KenLM. KenLM's programs must be on the PATH.

    python -m benchmarks.ngrams wikitext-2/train.txt wikitext-2/test.txt

Both programs read the same words: lmctl cuts the texts, blank lines are dropped, and `<unk>` is renamed to an
ordinary word, because lmplz refuses it. lmplz has discount fallback, like lmctl, and 1 GB for sorting. All
programs are measured from start to end. First, lmctl runs in Python processes that import NumPy and read a
prepared corpus. Then `lmctl eval` and `query` score five million tokens in turn, each as a user runs it: the words
of both texts, repeated. lmctl divides such a text among the cores; `query` has one thread.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from benchmarks.processes import lmctl_program, measure
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.arpa.export import write_arpa
from lmctl.families.arpa.words import WordSpelling
from lmctl.families.ngram.estimation import estimate
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.sizes import NgramSizes
from lmctl.families.ngram.tables import NgramTables, open_tables

if TYPE_CHECKING:
    from benchmarks.processes import Measured

# Settings with which lmctl reads a text that is segmented already.
CUT_TEXT = ("text.segmenter=space", "text.normalize=none", "vocabulary.size=null")
UNKNOWN_RENAMED = "UNKNOWNWORD"

LONG_TEXT_TOKENS = 5_000_000

# Columns and steps that are scored at once. Their product is the number of positions in lmctl.query.
COLUMNS, STEPS = 64, 128


def main() -> None:
    """Print a row for each program that estimates, then one for each that scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--segmenter", default="auto", help="how lmctl cuts the texts")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program on the long text")
    arguments = parser.parse_args()
    for program in ("lmplz", "build_binary", "query"):
        if shutil.which(program) is None:
            parser.error(f"{program} is not on the PATH; build KenLM")
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        for name in ("train", "test"):
            cut_text(getattr(arguments, name), scratch / name, arguments.segmenter)
        settings = [part for assignment in CUT_TEXT for part in ("--set", assignment)]
        corpus = [str(scratch / "train"), "--valid", str(scratch / "test"), "-o", str(scratch / "corpus")]
        measure([lmctl_program(), "prepare", *corpus, *settings])
        compare(scratch, arguments.order)
        score_long_text(scratch, arguments.order, arguments.rounds)


def cut_text(text: Path, cut: Path, segmenter: str) -> None:
    """Write the words of a text with blanks between them, one sentence a line, without blank lines and `<unk>`."""
    run = measure([lmctl_program(), "prepare", "--stdout", "--segmenter", segmenter, str(text)])
    lines = [line for line in run.output.replace("<unk>", UNKNOWN_RENAMED).split("\n") if line.strip()]
    cut.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def compare(scratch: Path, order: int) -> None:
    """Estimate and score with both programs; `scratch` has the texts and the prepared corpus."""
    kenlm = _shell(scratch, f"lmplz -o {order} -S 1G -T . --discount_fallback < train > kenlm.arpa")
    ours = _python(scratch, f"estimate_corpus({order})")
    print("estimation\tseconds\tCPU seconds\tpeak RSS\tratio of CPU seconds")
    for program, run in (("lmplz", kenlm), ("lmctl", ours)):
        print(
            f"{program}\t{run.seconds:.1f}\t{run.cpu_seconds:.1f}\t{run.peak_rss_bytes / 1e6:.0f} MB\t"
            f"{run.cpu_seconds / kenlm.cpu_seconds:.2f}",
            flush=True,
        )
    _python(scratch, "export_model()")
    print("scoring\tperplexity\tseconds\ttokens/s\ttokens/s without starting\tpeak RSS", flush=True)
    for arpa in ("kenlm", "lmctl"):
        _shell(scratch, f"build_binary {arpa}.arpa {arpa}.binary")
        run = _shell(scratch, f"query -v summary {arpa}.binary < test")
        perplexity = float(re.findall(r"including OOVs:\s+([0-9.]+)", run.output)[0])
        tokens = int(re.findall(r"Tokens:\s+([0-9]+)", run.output)[0])
        _print_scoring(f"query, {arpa}'s model", perplexity, tokens, run, None)
    run = _python(scratch, "score_corpus()")
    perplexity, speed = map(float, run.output.split())
    _print_scoring("lmctl, lmctl's model", perplexity, tokens, run, speed)


def score_long_text(scratch: Path, order: int, rounds: int) -> None:
    """Score a long text with `query` and `lmctl eval` in turn, and print the fastest run of each."""
    tokens = _write_long_text(scratch)
    settings = [part for assignment in (*CUT_TEXT, f"model.order={order}") for part in ("--set", assignment)]
    model = ["--preset", "ngram", "-o", str(scratch / "model"), "--valid", str(scratch / "test")]
    measure([lmctl_program(), "train", str(scratch / "train"), *model, *settings])
    evaluate = [lmctl_program(), "eval", "-m", str(scratch / "model"), str(scratch / "long")]
    runs: dict[str, list[Measured]] = {"query": [], "lmctl eval": []}
    for _ in range(rounds):
        runs["query"].append(_shell(scratch, "query -v summary kenlm.binary < long"))
        runs["lmctl eval"].append(measure(evaluate))
    print("long text\ttokens\tseconds\ttokens/s\tCPU seconds\tpeak RSS", flush=True)
    for program, of_program in runs.items():
        seconds = min(run.seconds for run in of_program)
        cpu_seconds = min(run.cpu_seconds for run in of_program)
        rss = max(run.peak_rss_bytes for run in of_program)
        print(
            f"{program}\t{tokens:,}\t{seconds:.2f}\t{tokens / seconds:,.0f}\t{cpu_seconds:.2f}\t"
            f"{rss / 1e6:.0f} MB",
            flush=True,
        )


def _write_long_text(scratch: Path) -> int:
    """Write the lines of both texts, again and again, and return the number of tokens."""
    tokens, lines = 0, []
    both = [(scratch / name).read_text(encoding="utf-8") for name in ("train", "test")]
    for line in itertools.cycle("".join(both).splitlines(keepends=True)):
        lines.append(line)
        tokens += len(line.split()) + 1
        if tokens >= LONG_TEXT_TOKENS:
            break
    (scratch / "long").write_text("".join(lines), encoding="utf-8")
    return tokens


def estimate_corpus(order: int) -> None:
    """Runs in a new process: estimate a model from the corpus in this folder."""
    corpus = PreparedCorpus.open(Path("corpus"))
    Path("tables").mkdir()
    sizes = estimate(
        corpus.train,
        len(corpus.vocabulary),
        Path("tables"),
        order=order,
        smoothing="kneser-ney",
        scratch=Path(),
    )
    Path("sizes.json").write_bytes(msgspec.json.encode(sizes))


def export_model() -> None:
    """Runs in a new process: write the model in this folder as ARPA."""
    with Path("lmctl.arpa").open("wb") as file:
        words = PreparedCorpus.open(Path("corpus")).vocabulary.words
        write_arpa(_open_model(), WordSpelling(words), file)


def score_corpus() -> None:
    """Runs in a new process: print the perplexity of the test text, and the tokens a second of scoring alone."""
    import time

    model = NgramLanguageModel(_open_model())
    targets = PreparedCorpus.open(Path("corpus")).valid.astype(np.int64)
    inputs = np.concatenate([[SENTENCE_END_ID], targets[:-1]])
    # The text in columns. Each column begins with the words before it, as its first context.
    steps = -(-len(targets) // COLUMNS)
    starts = np.arange(COLUMNS) * steps
    lengths = np.clip(len(targets) - starts, 0, steps)
    places = np.minimum(starts + np.arange(steps)[:, None], len(targets) - 1)
    began = time.perf_counter()
    before = np.maximum(starts + np.arange(-model.sizes.order, 0)[:, None], 0)
    state = model.advance(model.initial_state(COLUMNS), inputs[before])
    total = 0.0
    for first in range(0, steps, STEPS):
        block = places[first : first + STEPS]
        there = np.clip(lengths - first, 0, len(block))
        scores, state = model.score(inputs[block], targets[block], there, state)
        total += float(scores.log_probs.sum())
    print(math.exp(-total / len(targets)), len(targets) / (time.perf_counter() - began))


def _open_model() -> NgramTables:
    return open_tables(Path("tables"), msgspec.json.decode(Path("sizes.json").read_bytes(), type=NgramSizes))


def _shell(folder: Path, command: str) -> Measured:
    return measure(["sh", "-c", f"cd {shlex.quote(str(folder))} && {command}"])


def _python(folder: Path, call: str) -> Measured:
    """Call a function of this module in a new process, whose working folder is `folder`."""
    paths = f"sys.path.insert(0, {str(Path(__file__).parents[1])!r}); os.chdir({str(folder)!r})"
    return measure(
        [sys.executable, "-c", f"import os, sys; {paths}; from benchmarks import ngrams; ngrams.{call}"]
    )


def _print_scoring(program: str, perplexity: float, tokens: int, run: Measured, speed: float | None) -> None:
    alone = "" if speed is None else f"{speed:,.0f}"
    print(
        f"{program}\t{perplexity:.5f}\t{run.seconds:.2f}\t{tokens / run.seconds:,.0f}\t{alone}\t"
        f"{run.peak_rss_bytes / 1e6:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
