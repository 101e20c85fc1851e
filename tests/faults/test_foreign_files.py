"""Bundles from others: texts, weights and tables that no training writes are refused in one line."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import safetensors.numpy
from forging import check, forge, read_record, use

from lmctl import families

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


# Sums of products become too large. The command ignores the warnings of NumPy.
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
def test_a_damaged_or_too_long_header_is_refused(sound, tmp_path, header, claimed):
    bundle = shutil.copytree(sound / "lstm", tmp_path / "bundle")
    length = (len(header) if claimed is None else claimed).to_bytes(8, "little")
    forge(bundle, "weights.safetensors", length + header + b"\0\0\0\0")

    assert "weights.safetensors: " in check(use, bundle, where=header)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -1])
def test_tables_with_values_that_no_probability_has_are_refused(sound, tmp_path, value):
    bundle = shutil.copytree(sound / "ngram", tmp_path / "bundle")
    name = "ngrams.1.probs.npy"
    content = (bundle / name).read_bytes()
    forge(bundle, name, content[:-4] + np.float32(value).tobytes())

    assert name in check(use, bundle, where=value)


def test_a_mixture_within_itself_is_refused(sound, tmp_path):
    bundle = shutil.copytree(sound / "mixture", tmp_path / "bundle")
    shutil.rmtree(bundle / "members/0")
    (bundle / "members/0").symlink_to(bundle)

    assert "missing or a link" in check(use, bundle, where="cycle")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("family", families.BUILT_IN)
def test_no_command_waits_for_a_pipe_or_folder_in_the_place_of_a_file(sound, tmp_path, make, family):
    for name in ["model.json", *read_record(sound / family)["files"]]:
        bundle = shutil.copytree(sound / family, tmp_path / f"{family}-{name.replace('/', '-')}")
        (bundle / name).unlink()
        make(bundle / name)

        assert check(use, bundle, where=name) is not None
