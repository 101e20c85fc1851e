"""Bundles and corpora that somebody else made: every hash fits, and any number or name may be anything.

Each is answered or refused in one line, without a traceback, in the memory that a small model takes.
"""

from __future__ import annotations

import copy
import hashlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import safetensors.numpy

from lmctl import families, load
from lmctl.config import read_settings
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.errors import DataError, InputMissingError
from lmctl.families.feedforward.config import FeedForwardConfig
from lmctl.families.feedforward.sizes import FeedForwardSizes
from lmctl.families.feedforward.weights import weight_shapes
from lmctl.jobs.mix import mix
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.run import train
from lmctl.query.model import verify_model
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import WEIGHTS
from lmctl.store.listing import list_generations
from lmctl.store.writing import weights_file, write_bundle

MANY, FEW = 3000, 160
COMMAND = (sys.executable, "-m", "lmctl")
# Addresses, not memory: Python, NumPy and their libraries take a good part of it before anything is read.
ADDRESSES = 4 << 30

HOSTILE: tuple[Any, ...] = (
    *(-1, 0, 1, 2**31, 2**53 + 1, 10**12, 2**63, 2**64 - 1, -(2**63), 1e308, -1.5, 0.5, True, None, "", [], {}),
    *("x" * 70_000, "/etc/passwd", "../../secret", "a\tb\nc", "\x1b]0;title\x07", "\u202e", "\x00", "9" * 5000),
    *([0] * 5000, [[]], {"": {}}, {"a": [1, {"b": None}]}, "1e400", [1e308, 1e308], ["x", -1]),
)


@pytest.fixture(scope="module")
def sound(make_bundle, tmp_path_factory):
    """A bundle of each family."""
    folder = tmp_path_factory.mktemp("sound")
    make_bundle(folder / "lstm", stop_words=["mat"])
    (folder / "text.txt").write_text("the cat sat on the mat .\nthe dog sat .\n" * 5)
    settings = read_settings([], ["model.family=ngram", "model.order=3", "validation.fraction=0"])
    ngram = train([str(folder / "text.txt")], folder / "counted", settings).published
    shutil.copytree(ngram, folder / "ngram")
    mixed = mix([str(folder / "ngram")] * 2, folder / "mixed", str(folder / "text.txt"))
    shutil.copytree(mixed.published, folder / "mixture")
    lstm = open_bundle(folder / "lstm")
    sizes = FeedForwardSizes.of(lstm.vocabulary().counts, FeedForwardConfig(embedding_dim=3, hidden_units=4))
    weights = {name: np.ones(shape, np.float32) for name, shape in weight_shapes(sizes).items()}
    contents = {name: lstm.read(name) for name in lstm.record.files} | {WEIGHTS: weights_file(weights)}
    write_bundle(folder / "feedforward", msgspec.structs.replace(lstm.record, sizes=sizes), contents)
    return folder


def read_record(folder):
    return msgspec.json.decode((folder / "model.json").read_bytes())


def write_record(folder, record):
    record = {key: value for key, value in record.items() if key != "sha256"}
    digest = hashlib.sha256(msgspec.json.encode(record)).hexdigest()
    (folder / "model.json").write_bytes(msgspec.json.encode(record | {"sha256": digest}))


def forge(folder, name, content):
    """Other content of a file, with a record that fits."""
    record = read_record(folder)
    (folder / name).write_bytes(content)
    record["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_record(folder, record)


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


def use(folder):
    """All that commands ask of a bundle."""
    verify_model(folder)
    for text in ("the cat", ""):
        model = load(folder)
        model.predict(text)
        model.score(text)
    opened = open_bundle(folder)
    opened.metrics()
    opened.history()
    opened.parameters()


def check(act, *arguments, where):
    """That something answers, or is refused in one line."""
    refusal = None
    try:
        act(*arguments)
    except (DataError, InputMissingError) as error:
        refusal = str(error)
    assert refusal is None or len(refusal) < 3000, where
    return refusal


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


TEXTS = {
    "vocabulary.tsv": [
        b"<unk>\t1\n</s>\t2\nthe\t%s\n" % count for count in (b"9" * 5000, b"-1", b"1e3", b"", b"\xd9\xa1")
    ],
    "characters.tsv": [
        b"end\t" + count + b"\n"
        for count in (b"-1", b"9" * 5000, b" 5", b"1_0", b"5\n113\t-1", b"5\n55296\t1", b"5\n1114112\t1")
    ]
    + [b"end\t5\n113\t1\n113\t2\n", b"end\t5\n\n", b"", b"\xff"],
    "stop_words.txt": [b"\xff\n"],
    "config.yaml": [
        b"a: &a [*a]\n",
        b"[" * 100_000,
        b"training:\n  seed: " + b"9" * 5000,
        b"\xff",
        b"x" * 300_000,
    ],
    "metrics.json": [
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"valid": [1]}',
        b'{"train": {"perplexity": "x"}}',
    ],
    "history.jsonl": [b"[" * 100_000, b'{"epoch": -1}\n', b'{"epoch": 1}\n3\n'],
}


@pytest.mark.parametrize(("name", "content"), [(name, each) for name in TEXTS for each in TEXTS[name]])
def test_no_text_of_a_bundle_is_a_traceback(sound, tmp_path, name, content):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "bundle")
    forge(bundle, name, content)

    assert name in check(use, bundle, where=name)


def change_weights(folder, change):
    weights = safetensors.numpy.load((folder / "weights.safetensors").read_bytes())
    forge(folder, "weights.safetensors", safetensors.numpy.save(change(weights)))


# Sums of products that are too large; the command ignores NumPy's warnings.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("everywhere", [True, False])
def test_weights_that_are_no_numbers_or_lead_to_none_are_refused(sound, tmp_path, value, everywhere):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "bundle")

    def change(weights):
        weights = {name: array.copy() for name, array in weights.items()}
        for array in weights.values():
            array[(...,) if everywhere else (0,) * array.ndim] = value
        return weights

    change_weights(bundle, change)

    assert check(use, bundle, where=value) is not None or np.isfinite(value)


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: {name: array.astype(np.float64) for name, array in weights.items()},
        lambda weights: {name: array.astype(np.float16) for name, array in weights.items()},
        lambda weights: {name: array.astype(np.int32) for name, array in weights.items()},
        lambda weights: weights | {"extra": np.zeros(1, dtype=np.float32)},
        lambda weights: dict(list(weights.items())[1:]),
        lambda weights: {name: np.ascontiguousarray(array[:1]) for name, array in weights.items()},
        lambda _weights: {},
    ],
)
def test_weights_of_another_kind_are_refused_by_name(sound, tmp_path, change):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "bundle")
    change_weights(bundle, change)

    assert "weights.safetensors: " in check(use, bundle, where=change)


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}',
        b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}',
        b'{"a":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[0,1]}}',
        b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        b"[" * 10_000,
        b"",
    ],
)
@pytest.mark.parametrize("claimed", [None, 2**63, 2**64 - 1])
def test_a_header_that_claims_what_is_not_there_is_refused(sound, tmp_path, header, claimed):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "bundle")
    length = (len(header) if claimed is None else claimed).to_bytes(8, "little")
    forge(bundle, "weights.safetensors", length + header + b"\0\0\0\0")

    assert "weights.safetensors: " in check(use, bundle, where=header)


@pytest.mark.parametrize("table", ["log_probs", "backoffs"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_tables_with_values_that_no_probability_has_are_refused(sound, tmp_path, table, value):
    bundle = shutil.copytree(sound / "ngram", tmp_path / "bundle")
    name = f"ngrams.1.{table}.npy"
    content = (bundle / name).read_bytes()
    forge(bundle, name, content[:-4] + np.float32(value).tobytes())

    assert name in check(use, bundle, where=value)


def nested(folder, model, depth):
    """A mixture of a model and a mixture of a model and ...; the names of their folders are as short as can be."""
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


def test_a_mixture_within_itself_is_refused(sound, tmp_path):
    bundle = shutil.copytree(sound / "mixture", tmp_path / "bundle")
    shutil.rmtree(bundle / "members/0")
    (bundle / "members/0").symlink_to(bundle)

    assert "missing or a link" in check(use, bundle, where="cycle")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("family", families.BUILT_IN)
def test_no_command_waits_for_what_is_no_file(sound, tmp_path, make, family):
    for name in ["model.json", *read_record(sound / family)["files"]]:
        bundle = shutil.copytree(sound / family, tmp_path / f"{family}-{name.replace('/', '-')}")
        (bundle / name).unlink()
        make(bundle / name)

        assert check(use, bundle, where=name) is not None


def limited(*arguments):
    """Run the command with no more addresses than `ADDRESSES`."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES)),
    )


def hole(name, size):
    """Lets a file of a bundle be one hole, which takes no room on disk."""

    def change(bundle):
        record = read_record(bundle)
        os.truncate(bundle / name, size)
        record["files"][name]["bytes"] = size
        # Not hashed, as large as it is, or so that somebody knows the hash.
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
    "keys": ("ngram", hole("ngrams.2.keys.npy", 100 * GB)),
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

    if what == "history":  # which is not asked by info
        assert done.returncode == 0
        return
    assert (done.returncode, done.stderr.count("\n")) == (65, 1), done.stderr


def test_a_model_json_that_is_one_hole_is_refused(sound, tmp_path):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "bundle")
    os.truncate(bundle / "model.json", 100 * GB)

    done = limited("verify", bundle)

    assert (done.returncode, done.stderr.count("\n")) == (65, 1), done.stderr


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

    with pytest.raises(DataError, match=rf"{name}: a word of id 65535, but there are only"):
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
    assert "leads to ../c/generations/000001, no generation of this model" in done.stderr
