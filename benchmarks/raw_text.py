"""Raw text cut by several segmenters, and the speed of libraries that find words.

    python -m benchmarks.raw_text wikitext-2/train.txt wikitext-2/valid.txt --lines 2000
    python -m benchmarks.raw_text zh-wiki/train.txt zh-wiki/dev.txt --segmenters char,jieba,sentencepiece:8000

A text in WikiText's form is put back into the form in which people write: no spaces before punctuation, and
without `<unk>`. N-grams of every segmenter are estimated from them, and compared in bits
per character. Libraries that are not installed are left out: regex, tokenizers, uniseg.
"""

from __future__ import annotations

import argparse
import importlib
import re
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.processes import lmctl_program, measure
from lmctl.text.segmentation import make_segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# After the colon, the number of pieces of sentencepiece.
SEGMENTERS = ("space", "words", "sentencepiece:8000")
ROUNDS = 5
# uniseg is slow: it gets a part of the text.
MOST_CHARACTERS, FEWEST_CHARACTERS = 1_000_000, 10_000
_JOINT = re.compile(r" @([-,.])@ ")
_CLOSING = re.compile(r" (?=[,.;:!?)\]%]|'(?:s|re|ve|ll|d|m)\b)|(?<=[(\[$\u00a3]) ")
_QUOTED = re.compile(r'" ([^"]*) "')


def main() -> None:
    """Print a row for each segmenter, and one for each library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--lines", type=int, help="lines of the training text; default: all")
    parser.add_argument("--valid-lines", type=int, default=400)
    parser.add_argument("--segmenters", default=",".join(SEGMENTERS), help="names, with commas between")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        texts = {name: Path(scratch) / f"{name}.txt" for name in ("train", "valid")}
        for name, path, count in (
            ("train", arguments.train, arguments.lines),
            ("valid", arguments.valid, arguments.valid_lines),
        ):
            with path.open(encoding="utf-8") as lines:
                raw = map(as_people_write, islice(lines, count))
                texts[name].write_text("".join(f"{line}\n" for line in raw), encoding="utf-8")
        print("segmenter\tvocabulary\ttokens of valid\tOOV\tperplexity\tbits per character")
        for segmenter in arguments.segmenters.split(","):
            print(*_quality(segmenter, texts["train"], texts["valid"]), sep="\t", flush=True)
        text = texts["train"].read_text(encoding="utf-8")
    print("\nlibrary\tMB/s")
    for name, (cut, characters) in _cutters().items():
        print(f"{name}\t{_megabytes_per_second(cut, text[:characters]):.1f}", flush=True)


def as_people_write(line: str) -> str:
    """Undo WikiText's tokenization: `well @-@ known , they said` becomes `well-known, they said`."""
    line = _JOINT.sub(r"\1", " ".join(line.replace("<unk>", "").split()))
    return _QUOTED.sub(r'"\1"', _CLOSING.sub("", line))


def _quality(segmenter: str, train: Path, valid: Path) -> tuple[str, ...]:
    model = train.with_name(segmenter)
    name, _, pieces = segmenter.partition(":")
    options = ["--segmenter", name, "--set", "model.family=ngram", "--set", "vocabulary.size=1000000"]
    options += ["--subwords", pieces] if pieces else []
    measure([lmctl_program(), "train", str(train), "--valid", str(valid), "-o", str(model), "-q", *options])
    run = measure([lmctl_program(), "eval", "-m", str(model), str(valid), "--json"])
    found = msgspec.json.decode(run.output)
    return (
        segmenter,
        f"{found['vocabulary_size']:,}",
        f"{found['tokens']:,}",
        f"{found['oov_rate']:.2%}",
        f"{found['perplexity']:.1f}",
        f"{found['bits_per_character']:.3f}",
    )


def _cutters() -> dict[str, tuple[Callable[[str], object], int]]:
    """By name, a function that cuts a line, and the number of characters that it is given."""
    cutters: dict[str, Callable[[str], object]] = {
        f"lmctl, {name}": make_segmenter(name).segment for name in ("space", "words")
    }
    if library := _installed("unicode_segmentation_rs"):
        cutters["unicode-segmentation-rs"] = library.split_word_bounds
    if library := _installed("regex"):
        cutters["regex, word boundaries"] = library.compile(r"(?wV1)\b").split
    if library := _installed("tokenizers"):
        for name in ("Whitespace", "BertPreTokenizer"):
            cutters[f"tokenizers, {name}"] = getattr(library.pre_tokenizers, name)().pre_tokenize_str
    found = {name: (cut, MOST_CHARACTERS) for name, cut in cutters.items()}
    if library := _installed("uniseg.wordbreak"):
        found["uniseg"] = (lambda line: list(library.words(line))), FEWEST_CHARACTERS
    return found


def _installed(name: str) -> Any:
    """A module, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _megabytes_per_second(cut: Callable[[str], object], text: str) -> float:
    """The speed in processor time, fastest of some rounds."""
    lines = text.splitlines()
    return len(text.encode()) / min(_seconds(cut, lines) for _ in range(ROUNDS)) / 1e6


def _seconds(cut: Callable[[str], object], lines: Sequence[str]) -> float:
    began = time.process_time()
    for line in lines:
        cut(line)
    return time.process_time() - began


if __name__ == "__main__":
    main()
