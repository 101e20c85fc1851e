"""Bundles from others: sizes that do not fit the files are refused before memory is allocated."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest
from forging import check, limited, read_record, use, write_record


def nested(folder, model, depth):
    """Make a deeply nested mixture: of a model and a mixture of a model and ... Names of folders are short."""
    inner = shutil.copytree(model, folder / "0")
    for _ in range(depth):
        outer = folder / "outer"
        (outer / "members").mkdir(parents=True)
        shutil.copytree(model, outer / "members/0")
        inner.rename(outer / "members/1")
        record = read_record(outer / "members/0")
        names = [name for name in record["files"] if not name.startswith("ngrams.")]
        for name in names:
            shutil.copyfile(outer / "members/0" / name, outer / name)
        record["files"] = {name: record["files"][name] for name in names}
        for member in ("members/0/model.json", "members/1/model.json"):
            content = (outer / member).read_bytes()
            record["files"][member] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        vocabulary_size = record["sizes"]["vocabulary_size"]
        record["sizes"] = {"family": "mixture", "vocabulary_size": vocabulary_size, "weights": [0.5, 0.5]}
        record["members"] = 2
        write_record(outer, record)
        inner = outer.rename(folder / "0")
    return inner


def test_mixtures_nested_without_end_are_refused(sound, tmp_path):
    use(nested(tmp_path / "few", sound / "ngram", 3))
    deep = nested(tmp_path / "many", sound / "ngram", 60)

    assert "nested more than 8 deep" in check(use, deep, where="deep")


def hole(name, size):
    """Replace a file of a bundle by a hole of some size, which takes no space on disk."""

    def change(bundle):
        record = read_record(bundle)
        os.truncate(bundle / name, size)
        record["files"][name]["bytes"] = size
        # lmctl does not hash so large a file when it opens it, and a stranger could give the right hash.
        write_record(bundle, record)

    return change


def sizes(**changes):
    def change(bundle):
        record = read_record(bundle)
        record["sizes"] |= changes
        write_record(bundle, record)

    return change


def both(*changes):
    def change(bundle):
        for each in changes:
            each(bundle)

    return change


GB = 1 << 30
LARGE = {
    "layers": ("lstm", sizes(layers=10**9)),
    "layers within bounds": ("lstm", sizes(layers=60)),
    "hidden units": ("lstm", sizes(hidden_units=2**31 - 1, clusters=[{"words": 9, "width": 2**31 - 1}])),
    "words": ("lstm", sizes(vocabulary_size=10**12, clusters=[{"words": 10**12, "width": 4}])),
    "words within bounds": ("lstm", sizes(vocabulary_size=10**9, clusters=[{"words": 10**9, "width": 4}])),
    "clusters": ("lstm", sizes(clusters=[{"words": 1, "width": 4}] * 9000)),
    "weights": ("lstm", hole("weights.safetensors", 100 * GB)),
    "vocabulary": ("lstm", hole("vocabulary.tsv", 3 * GB)),
    "vocabulary of many words": (
        "lstm",
        both(
            hole("vocabulary.tsv", 3 * GB), sizes(vocabulary_size=10**9, clusters=[{"words": 10**9, "width": 4}])
        ),
    ),
    "history": ("lstm", hole("history.jsonl", 9 * GB)),
    "metrics": ("lstm", hole("metrics.json", 9 * GB)),
    "characters": ("lstm", hole("characters.tsv", 9 * GB)),
    "stop words": ("lstm", hole("stop_words.txt", 9 * GB)),
    "n-grams": ("ngram", sizes(ngrams=[9, 10**15, 10**15])),
    "orders": ("ngram", sizes(ngrams=[9] * 100_000)),
    "words of n-grams": ("ngram", hole("ngrams.2.words.npy", 100 * GB)),
    "contexts of n-grams": ("ngram", hole("ngrams.2.contexts.npy", 100 * GB)),
    "members": ("mixture", sizes(weights=[1 / 10**6] * 10**6)),
}


@pytest.mark.parametrize("what", LARGE)
def test_sizes_are_held_against_the_files_before_anything_is_allocated(sound, tmp_path, what):
    family, change = LARGE[what]
    bundle = shutil.copytree(sound / family, tmp_path / "bundle")
    change(bundle)

    done = (
        limited("predict", "-m", bundle, "the") if what not in ("history", "metrics") else limited("info", bundle)
    )

    if what == "history":  # info does not read it
        assert done.returncode == 0
        return
    assert (done.returncode, done.stderr.count("\n")) == (65, 1), done.stderr


def test_a_model_json_that_is_one_hole_is_refused(sound, tmp_path):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "bundle")
    os.truncate(bundle / "model.json", 100 * GB)

    done = limited("verify", bundle)

    assert (done.returncode, done.stderr.count("\n")) == (65, 1), done.stderr
