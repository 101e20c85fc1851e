"""One table of all families: each is trained for the same time on the same text.

    python -m benchmarks.families results --corpus wikitext-2 --minutes 60
    python -m benchmarks.families results --corpus wikitext-2 --minutes 60 --families lstm,hmm

The folder `--corpus` has train.txt, valid.txt (or dev.txt), and test.txt if there is one. Blank lines are kept. A
family that is trained gets the time limit; a family that is estimated takes as long as it takes. Perplexities are
those of `--state carry`, OOVs included if the training text has some. Without test.txt, gaps and contexts are from
the validation text.

`results` keeps the models and figures. A family that is done is not run again, and an interrupted training
continues. The table has a row for each family that is done.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from benchmarks.cloze import BLANK, random_gaps
from benchmarks.family_table import Row, table
from benchmarks.processes import lmctl_program, measure
from lmctl import families
from lmctl.config import config_from_yaml
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.jobs.mixing import Mixture
from lmctl.jobs.train.validating import ValidScores
from lmctl.perplexity import perplexity_of
from lmctl.store.bundle import open_bundle
from lmctl.store.naming import find_bundle

if TYPE_CHECKING:
    from lmctl.arrays import Float64Array
    from lmctl.families.family import Family
    from lmctl.store.bundle import Bundle

CONTEXT_WORDS = 20
COLD_STARTS = 5
# Without next-word distributions, a word costs as much as its sentence. So the pseudo-perplexity is that of some
# lines, drawn at random.
PSEUDO_LINES = 100
# A time limit ends the training. The number of epochs must not end it before.
ENDLESS = ("--epochs", "1000", "--set", "training.patience=1000")


def main() -> None:
    """Train, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path, help="folder of models and figures")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of train.txt, valid.txt, test.txt")
    parser.add_argument("--minutes", type=float, default=60, help="time limit of a training")
    parser.add_argument("--families", help="names, with commas between; default: all")
    parser.add_argument(
        "--preset", action="append", default=[], metavar="FAMILY=NAME", help="default: by the size of the text"
    )
    parser.add_argument(
        "--set", action="append", default=[], dest="assignments", metavar="FAMILY:KEY=VALUE", help="for one family"
    )
    parser.add_argument("--gaps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="decides the gaps")
    parser.add_argument(
        "--limit", type=int, default=200, help="score at most so many candidates for a gap; 0: exact answers"
    )
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    offered = [
        family.name for family in families.configurable().values() if family.trains_network or family.estimates
    ]
    chosen = arguments.families.split(",") if arguments.families else offered
    if unknown := set(chosen) - set(offered):
        parser.error(f"--families: {', '.join(sorted(unknown))}; expected some of {', '.join(offered)}")
    for option, given, separator in (("preset", arguments.preset, "="), ("set", arguments.assignments, ":")):
        for each in given:
            if each.partition(separator)[0] not in offered or separator not in each:
                parser.error(f"--{option} {each}: expected it to start with the name of a family and {separator}")
    benchmark = Benchmark(arguments)
    for name in chosen:
        benchmark.run(families.find(name))
    rows = [
        msgspec.json.decode(path.read_bytes(), type=Row)
        for name in offered
        if (path := arguments.results / name / "row.json").exists()
    ]
    print(table(rows, minutes=arguments.minutes, has_test=benchmark.test is not None))


class Benchmark:
    """Trains and measures families; every figure goes into the folder of results.

    Args:
        arguments: the command line.

    Attributes:
        test: the test text; None if there is none.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._results: Path = arguments.results
        texts: Path = arguments.corpus
        self._train = texts / "train.txt"
        self._valid = next((p for name in ("valid.txt", "dev.txt") if (p := texts / name).exists()), None)
        self.test = test if (test := texts / "test.txt").exists() else None
        if self._valid is None or not self._train.exists():
            sys.exit(f"{texts}: expected train.txt, and valid.txt or dev.txt")
        self._results.mkdir(parents=True, exist_ok=True)
        self._check_settings()
        corpus = self._results / "corpus"
        if not corpus.exists():
            _tell(f"preparing {self._train}")
            keep = ("--set", "text.blank_lines=keep")
            _lmctl("prepare", str(self._train), "--valid", str(self._valid), "-o", str(corpus), *keep)
        self._corpus = PreparedCorpus.open(corpus)
        self._draw()

    def run(self, family: Family) -> None:
        """Train and measure a family, unless it is done."""
        folder = self._results / family.name
        if (folder / "row.json").exists():
            _tell(f"{family.name}: done before")
            return
        folder.mkdir(exist_ok=True)
        bundle, seconds = self._trained(family)
        config = config_from_yaml(bundle.read("config.yaml").decode())
        training = {name: getattr(config.training, name) for name in ("batch_size", "num_steps", "learning_rate")}
        row: dict[str, Any] = {
            "family": family.name,
            "vocabulary_size": len(self._corpus.vocabulary),
            "preset": config.preset,
            "settings": msgspec.to_builtins(config.model) | (training if family.trains_network else {}),
            "parameters": bundle.parameters(),
            "bundle_bytes": sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file()),
            "minutes": seconds / 60,
            "own": bundle.metrics().get("own") or {},
            "machine": _machine(),
        }
        history = bundle.history()
        if history:
            training_seconds = sum(epoch["seconds"] for epoch in history)
            row |= {
                "minutes": training_seconds / 60,
                "tokens_per_second": history[-1]["tokens"] / training_seconds,
            }
        if family.predicts_next_word:
            row |= self._perplexities(family, bundle) | self._query_times(bundle)
        else:
            row["pseudo_perplexity"] = self._pseudo_perplexity(bundle)
        row |= self._filled(family, bundle)
        (folder / "row.json").write_bytes(msgspec.json.format(msgspec.json.encode(msgspec.convert(row, Row))))

    def _trained(self, family: Family) -> tuple[Bundle, float]:
        """The model of a family, and the seconds that the command took in the run that finished it."""
        folder = self._results / family.name
        model, done = folder / "model", folder / "seconds.json"
        if not done.exists():
            _tell(f"{family.name}: training")
            command = ["train", str(self._results / "corpus"), "-o", str(model)]
            command += ["--set", f"model.family={family.name}"]
            if family.trains_network:
                command += ["--time-limit", f"{60 * self._arguments.minutes:.0f}s", *ENDLESS]
                command += ["--set", "training.with_ngram=false"]
            for name, _, preset in (given.partition("=") for given in self._arguments.preset):
                command += ["--preset", preset] if name == family.name else []
            for name, _, assignment in (given.partition(":") for given in self._arguments.assignments):
                command += ["--set", assignment] if name == family.name else []
            began = time.monotonic()
            _lmctl(*command)
            done.write_bytes(msgspec.json.encode(time.monotonic() - began))
        return open_bundle(find_bundle(str(model))), msgspec.json.decode(done.read_bytes(), type=float)

    def _perplexities(self, family: Family, bundle: Bundle) -> dict[str, Any]:
        """Perplexities alone and mixed with the baseline; the weights of the mixture are tuned on the valid text.

        Training compares a network with the baseline of the same corpus on the whole valid text, unless its time
        limit is too short. Then and for other families, the text is scored here.
        """
        metrics = bundle.metrics()
        compared, valid = metrics.get("compared"), metrics.get("valid") or {}
        found: dict[str, Any] = {}
        if family.is_baseline:
            found["valid"] = self._perplexity(self._log_probs(family, "valid"))
        elif compared and compared["state"] == "carry" and valid.get("tokens") == len(self._corpus.valid):
            found |= {"valid": compared["network_perplexity"], "mixed_valid": compared["mixture_perplexity"]}
            found["weight"] = compared["weights"][0]
        else:
            own, of_baseline = self._log_probs(family, "valid"), self._baseline("valid")
            mixture = Mixture.tuned(
                [ValidScores(each, self._includes_oov, len(each)) for each in (own, of_baseline)]
            )
            found |= {"valid": self._perplexity(own), "mixed_valid": mixture.perplexity}
            found["weight"] = mixture.weights[0]
        if self.test is not None:
            own = self._log_probs(family, "test")
            found["test"] = self._perplexity(own)
            if not family.is_baseline:
                weights = np.array([[found["weight"]], [1 - found["weight"]]])
                with np.errstate(divide="ignore"):
                    weighted = np.log(weights) + np.stack([own, self._baseline("test")])
                found["mixed_test"] = self._perplexity(np.logaddexp.reduce(weighted))
        return found

    def _baseline(self, split: str) -> Float64Array:
        return self._log_probs(families.baseline(), split)

    def _log_probs(self, family: Family, split: str) -> Float64Array:
        """Natural log probability of every token of the valid or test text that counts, (N,)."""
        path = self._results / family.name / f"{split}.npy"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            bundle, _ = self._trained(family)
            _tell(f"{family.name}: scoring the {split} text")
            text = self._valid if split == "valid" else self.test
            options = ("--state", "carry", "--level", "word", "--format", "jsonl")
            output = _lmctl("eval", "-m", str(bundle.folder), *options, str(text))
            words = [row for row in map(msgspec.json.decode, output.splitlines()) if row["level"] == "word"]
            counted = [row["logprob"] for row in words if self._includes_oov or not row["oov"]]
            # An impossible token has no number in JSON.
            np.save(path, np.array([-np.inf if each is None else each for each in counted]))
        log_probs: Float64Array = np.load(path)
        return log_probs

    @property
    def _includes_oov(self) -> bool:
        return self._corpus.record.train.oov > 0

    @staticmethod
    def _perplexity(log_probs: Float64Array) -> float:
        return perplexity_of(float(-log_probs.mean()))

    def _pseudo_perplexity(self, bundle: Bundle) -> float:
        _tell(f"{bundle.family}: pseudo-perplexity")
        output = _lmctl("eval", "-m", str(bundle.folder), "--json", str(self._results / "lines.txt"))
        return float(msgspec.json.decode(output.splitlines()[-1])["pseudo_perplexity"])

    def _query_times(self, bundle: Bundle) -> dict[str, float]:
        """Medians in milliseconds: a context of 20 words, one more word, and the same in a new process."""
        _tell(f"{bundle.family}: queries")
        words = self._results / "words.txt"
        options = ("--queries", str(self._arguments.queries), "--words", str(CONTEXT_WORDS), "--batches")
        command = [sys.executable, "-m", "benchmarks.queries", str(bundle.folder), str(words), *options]
        # Threads that wait for each other are slow (docs/benchmarks.md); the command line uses one, too.
        printed = measure(["env", "OPENBLAS_NUM_THREADS=1", *command]).output
        rows = (line.split("\t") for line in printed.splitlines()[1:])
        medians = {row[0]: float(row[2]) for row in rows}
        context = " ".join(words.read_text(encoding="utf-8").split()[:CONTEXT_WORDS])
        cold = [
            measure([lmctl_program(), "predict", "-m", str(bundle.folder), context]).seconds
            for _ in range(COLD_STARTS)
        ]
        return {
            "query_ms": medians["1"],
            "word_ms": medians["1, one more word"],
            "cold_ms": 1000 * statistics.median(cold),
        }

    def _filled(self, family: Family, bundle: Bundle) -> dict[str, float]:
        """The share of gaps whose first answer is the word that stood there, and milliseconds a gap."""
        _tell(f"{bundle.family}: filling gaps")
        gaps, answers = self._results / "gaps.txt", self._results / "answers.txt"
        # A family that fills gaps itself scores all words at once, and takes no limit.
        limits = self._arguments.limit and family.predicts_next_word
        limit = ("--limit", str(self._arguments.limit)) if limits else ()
        options = ("-k", "1", "--format", "jsonl", "--blank", BLANK, "-f", str(gaps), *limit)
        run = measure([lmctl_program(), "fill", "-m", str(bundle.folder), *options])
        found = [msgspec.json.decode(line) for line in run.output.splitlines()]
        expected = answers.read_text(encoding="utf-8").splitlines()
        right = [answer["predictions"][0]["word"] == word for answer, word in zip(found, expected, strict=True)]
        return {
            "fill_accuracy": sum(right) / len(found),
            "fill_exact": sum(answer["exact"] for answer in found) / len(found),
            "fill_ms": 1000 * run.seconds / len(found),
            "gaps": len(found),
        }

    def _draw(self) -> None:
        """Write the texts of the measurements: the words of the text, the gaps and their words, and some lines."""
        text = self.test or self._valid
        if text is None or (self._results / "lines.txt").exists():
            return
        tokenizer = self._corpus.record.recipe.tokenizer(self._corpus.recipe_files())
        sentences = [tokenizer.tokens(line) for line in text.read_text(encoding="utf-8").splitlines()]
        gaps = random_gaps(self._corpus.vocabulary, sentences, self._arguments.gaps, self._arguments.seed)
        with_words = [sentence for sentence in sentences if sentence]
        order = np.random.default_rng(self._arguments.seed).permutation(len(with_words))[:PSEUDO_LINES]
        for name, lines in (
            ("words.txt", [" ".join(sentence) for sentence in with_words]),
            ("gaps.txt", [f"{gap.left} {BLANK} {gap.right}".strip() for gap in gaps]),
            ("answers.txt", [gap.word for gap in gaps]),
            ("lines.txt", [" ".join(with_words[place]) for place in order]),
        ):
            (self._results / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _check_settings(self) -> None:
        """Refuse a folder whose figures were made with other settings; rows of one table must be comparable."""
        names = ("corpus", "minutes", "gaps", "seed", "limit", "queries")
        settings = {name: getattr(self._arguments, name) for name in names}
        settings["corpus"] = str(settings["corpus"].resolve())
        path = self._results / "settings.json"
        content = msgspec.json.format(msgspec.json.encode(settings))
        if not path.exists():
            path.write_bytes(content)
        elif path.read_bytes() != content:
            sys.exit(f"{path}: these results were made with other options; choose another folder")


def _lmctl(*arguments: str) -> str:
    return measure([lmctl_program(), *arguments]).output


def _machine() -> str:
    """The processor and the versions that decide the times."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy"))
    return f"{len(os.sched_getaffinity(0))} x {processor}; Python {platform.python_version()}, {packages}"


def _tell(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
