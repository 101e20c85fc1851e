"""Bundles and corpora from others: any number or name in a record may have any value.

The hashes are correct. lmctl answers, or refuses the bundle in one line without a traceback.
"""

from __future__ import annotations

import copy
import hashlib
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from forging import check, forge, limited, read_record, use, write_record

from lmctl import families
from lmctl.config import read_settings
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.errors import DataError
from lmctl.jobs.prepare import prepare
from lmctl.store.listing import list_generations

MANY, FEW = 3000, 160
HOSTILE: tuple[Any, ...] = (
    *(-1, 0, 1, 2**31, 2**53 + 1, 10**12, 2**63, 2**64 - 1, -(2**63), 1e308, -1.5, 0.5, True, None, "", [], {}),
    *("x" * 70_000, "/etc/passwd", "../../secret", "a\tb\nc", "\x1b]0;title\x07", "\u202e", "\x00", "9" * 5000),
    *([0] * 5000, [[]], {"": {}}, {"a": [1, {"b": None}]}, "1e400", [1e308, 1e308], ["x", -1]),
)


def places(value, path=()):
    """The path of every value within a document."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def mutated(document, dice):
    """A document with a value replaced, removed, repeated or renamed."""
    document = copy.deepcopy(document)
    *path, last = dice.choice(list(places(document))[1:])
    holder = document
    for key in path:
        holder = holder[key]
    match dice.randrange(8):
        case 0:
            del holder[last]
        case 1 if isinstance(holder, dict):
            holder[dice.choice(["x", "../x", "/x", "", "model.json", "\x1b"])] = holder.pop(last)
        case 2 if isinstance(holder[last], int):
            holder[last] += dice.choice([-1, 1])
        case 3 if isinstance(holder, list):
            holder.append(holder[last])
        case _:
            holder[last] = copy.deepcopy(dice.choice(HOSTILE))
    return document


@pytest.mark.parametrize("family", families.BUILT_IN)
def test_any_field_of_a_record_is_looked_at_before_it_is_used(sound, tmp_path, family, dice, many):
    bundle = shutil.copytree(sound / family, tmp_path / "bundle")
    record = read_record(bundle)
    for number in range(MANY if many else FEW):
        document = mutated(record, dice)
        write_record(bundle, document)
        check(use, bundle, where=(number, document))


@pytest.mark.parametrize("name", ["metrics.json", "history.jsonl"])
def test_any_figure_is_looked_at_before_it_is_used(sound, tmp_path, name, dice, many):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "models/x/generations/000001")
    (tmp_path / "models/x/current").symlink_to("generations/000001")
    valid = {"perplexity": 3.5, "includes_oov": True, "state": "carry", "vocabulary_size": 9, "oov_rate": 0.5}
    drift = {"model_sha256": "0", "oov_rate": 0.1, "new_words": [["a", 1]], "rows_kept": 1, "rows_moved": 0}
    drift |= {
        "rows_new": 1,
        "rows_gone": 0,
        "valid_perplexity": 2.0,
        "valid_oov_rate": 0.0,
        "valid_state": "carry",
        "new_text": 0.25,
        "rehearsed_text": 0.1,
        "rate_factor": 0.3,
    }
    epoch = {"epoch": 1, "step": 3, "train_perplexity": 9.5, "valid_perplexity": None, "best": True}
    document = epoch if name == "history.jsonl" else {"valid": valid, "train": {"perplexity": 2.5}, "drift": drift}
    forge(bundle, name, msgspec.json.encode(document))
    use(bundle)
    for number in range(MANY if many else FEW):
        changed = mutated(document, dice)
        forge(bundle, name, msgspec.json.encode(changed))
        check(use, bundle, where=(number, changed))
        (listed,) = list_generations(tmp_path / "models")
        assert listed.valid_perplexity is None or isinstance(listed.valid_perplexity, int | float)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A prepared corpus."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "text.txt").write_text("the cat sat on the mat .\nthe dog sat .\n" * 20)
    settings = read_settings([], ["validation.fraction=0.5"])
    prepare([str(folder / "text.txt")], folder / "corpus", settings.resolve())
    return folder / "corpus"


def test_any_field_of_a_prepared_corpus_is_looked_at_before_it_is_used(corpus, tmp_path, dice, many):
    copied = shutil.copytree(corpus, tmp_path / "corpus")
    record = msgspec.json.decode((copied / "corpus.json").read_bytes())
    for number in range(MANY if many else FEW):
        document = mutated(record, dice)
        (copied / "corpus.json").write_bytes(msgspec.json.encode(document))
        check(PreparedCorpus.open, copied, where=(number, document))


def test_an_id_that_is_no_words_is_refused(corpus, tmp_path):
    copied = shutil.copytree(corpus, tmp_path / "corpus")
    record = msgspec.json.decode((copied / "corpus.json").read_bytes())
    content = (copied / record["files"]["train"]).read_bytes()
    content = content[:-2] + np.uint16(65_535).tobytes()
    name = f"train.{hashlib.sha256(content).hexdigest()[:16]}.npy"
    (copied / name).write_bytes(content)
    record["files"]["train"] = name
    (copied / "corpus.json").write_bytes(msgspec.json.encode(record))

    with pytest.raises(DataError, match=rf"{name}: token id 65535; expected ids below"):
        PreparedCorpus.open(copied)


def test_one_foreign_bundle_does_not_end_the_list_of_all_others(sound, tmp_path):
    for name in ("a", "b", "c"):
        generations = tmp_path / "models" / name / "generations"
        shutil.copytree(sound / "lstm", generations / "000001")
        (generations.parent / "current").symlink_to("generations/000001")
    forge(tmp_path / "models/a/generations/000001", "metrics.json", b'{"valid": [1]}')
    (tmp_path / "models/b/current").unlink()
    (tmp_path / "models/b/current").symlink_to(Path("..") / "c/generations/000001")

    listed = list_generations(tmp_path / "models")

    assert [(Path(each.model).name, each.current, each.fault is None) for each in listed] == [
        *(("a", True, False), ("b", False, True), ("c", True, True))
    ]
    done = limited("predict", "-m", tmp_path / "models/b", "the")
    assert (done.returncode, done.stderr.count("\n")) == (65, 1)
    assert "leads to ../c/generations/000001, which is no generation of this model" in done.stderr
