import hashlib
import json
import re
import shutil

import msgspec
import numpy as np
import pytest

from lmctl.errors import DataError, InputMissingError
from lmctl.families import load_language_model
from lmctl.families.lstm.weights import weight_shapes
from lmctl.layers.clusters import Cluster, one_cluster
from lmctl.store import bundle as bundle_module
from lmctl.store.bundle import open_bundle
from lmctl.store.verification import verify_bundle
from lmctl.store.writing import weights_file, write_bundle
from lmctl.training.moments import summarize

FILES = [
    "characters.tsv",
    "config.yaml",
    "history.jsonl",
    "metrics.json",
    "stop_words.txt",
    "vocabulary.tsv",
    "weights.safetensors",
]
EVERY_FILE = [*FILES, "model.json"]


def read_all(folder):
    """Everything that a query may read from a bundle."""
    opened = open_bundle(folder)
    opened.vocabulary()
    opened.characters()
    opened.metrics()
    opened.history()
    opened.recipe_files()
    opened.read("config.yaml")
    return load_language_model(opened)


def rewrite(folder, contents=None, **changes):
    """Write a bundle again with other content and correct hashes."""
    opened = open_bundle(folder)
    contents = {name: (folder / name).read_bytes() for name in opened.record.files} | (contents or {})
    shutil.rmtree(folder)
    write_bundle(folder, msgspec.structs.replace(opened.record, **changes), contents)
    return folder


def test_a_bundle_that_was_written_is_read_again(tmp_path, make_bundle):
    words = ("我", "爱", "编程", "。")
    sizes = {"embedding_dim": 5, "hidden_units": 3, "layers": 1}
    opened = verify_bundle(make_bundle(tmp_path, words=words, sizes=sizes, segmenter="jieba", seed=7))

    assert opened.vocabulary().words == ("<unk>", "</s>", *words)
    assert opened.vocabulary().counts == (1, 2, 4, 3, 2, 1)
    assert opened.characters().counts == {"我": 4, "爱": 3, "编": 2, "程": 2, "。": 1}
    assert opened.record.recipe.segmenter.name == "jieba"
    assert opened.record.sizes.vocabulary_size == 6
    assert opened.metrics()["train"] == {"perplexity": 9.5}
    assert opened.history() == [{"epoch": 1, "train_perplexity": 9.5}]
    weights = opened.weights()
    assert {name: array.shape for name, array in weights.items()} == {
        "embedding": (6, 5),
        "lstm.0.kernel": (5, 12),
        "lstm.0.recurrent_kernel": (3, 12),
        "lstm.0.bias": (12,),
        "softmax.embedding": (6, 3),
        "softmax.bias": (6,),
    }
    drawn = np.random.default_rng(7).normal(size=(6, 5)).astype(np.float32)
    assert weights["embedding"].tobytes() == drawn.tobytes()


def test_the_same_bundle_has_the_same_bytes(make_bundle, tmp_path, sound):
    again = make_bundle(tmp_path, stop_words=["a", "of"])

    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in sound.iterdir()
    }


def test_the_files_of_a_bundle_are_those_that_its_record_names(sound):
    record = open_bundle(sound).record

    assert sorted(path.name for path in sound.iterdir()) == sorted(EVERY_FILE)
    assert list(record.files) == FILES
    for name, entry in record.files.items():
        content = (sound / name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_sound_bundle_is_accepted_wherever_it_is_moved(bundle, tmp_path):
    moved = bundle.rename(tmp_path / "moved")

    assert verify_bundle(moved).record == open_bundle(moved).record
    assert read_all(moved).vocabulary_size == 9


def cut_off(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"{}\n")


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_link(path):
    path.rename(path.parent.parent / path.name)
    path.symlink_to(path.parent.parent / path.name)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, empty, lengthen, replace_by_link])
@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_damaged_file_is_refused_by_name(bundle, name, damage, act, refused):
    damage(bundle / name)

    refused(act, bundle, name)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
@pytest.mark.parametrize("remove", [lambda path: path.unlink(), replace_by_folder])
@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(bundle, name, remove, act, refused):
    remove(bundle / name)

    assert "missing or a link" in refused(act, bundle, name)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
@pytest.mark.parametrize("other", FILES)
def test_two_files_that_changed_places_are_refused(bundle, other, act):
    name = FILES[FILES.index(other) - 1]
    (bundle / name).rename(bundle / "between")
    (bundle / other).rename(bundle / name)
    (bundle / "between").rename(bundle / other)

    with pytest.raises(DataError, match=f"({re.escape(name)}|{re.escape(other)}): damaged"):
        act(bundle)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
@pytest.mark.parametrize("name", ["vocabulary.tsv", "weights.safetensors"])
def test_a_file_of_another_bundle_is_refused(bundle, make_bundle, tmp_path, name, act, refused):
    other = make_bundle(tmp_path / "other", words=("the", "cat", "sat", "on", "hat", "dog", "."), seed=2)
    assert (other / name).stat().st_size == (bundle / name).stat().st_size
    shutil.copyfile(other / name, bundle / name)

    assert "does not have the hash in model.json" in refused(act, bundle, name)


@pytest.mark.parametrize("stranger", ["extra.bin", ".hidden", "weights.safetensors.bak"])
def test_verify_refuses_a_file_that_is_not_of_the_bundle(bundle, stranger, refused):
    (bundle / stranger).write_bytes(b"")

    assert "not a file of this bundle" in refused(verify_bundle, bundle, stranger)
    assert read_all(bundle).vocabulary_size == 9


def test_no_bundle_at_all_is_a_missing_input(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(InputMissingError, match=re.escape(f"{folder}: not a model")):
            open_bundle(folder)


def test_a_vocabulary_of_another_size_than_the_model_is_refused(bundle, refused):
    larger = {"vocabulary_size": 10, "clusters": one_cluster(10, 4)}
    rewrite(bundle, sizes=msgspec.structs.replace(open_bundle(bundle).record.sizes, **larger))

    for act in (lambda folder: open_bundle(folder).vocabulary(), verify_bundle):
        assert "9 words, but the model has 10" in refused(act, bundle, "vocabulary.tsv")


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_units": 5, "clusters": one_cluster(9, 5)},
        {"layers": 1},
        {"layers": 3},
        {"tied": True, "clusters": one_cluster(9, 3)},
        {"clusters": [Cluster(words=6, width=4), Cluster(words=3, width=2)]},
    ],
)
def test_weights_that_do_not_fit_the_sizes_are_refused(bundle, change, refused):
    rewrite(bundle, sizes=msgspec.structs.replace(open_bundle(bundle).record.sizes, **change))

    assert "weight " in refused(read_all, bundle, "weights.safetensors")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", b"[1]"),
        ("metrics.json", b'{"a": '),
        ("history.jsonl", b'{"epoch": 1}\n3\n'),
        ("vocabulary.tsv", b"nothing"),
        ("characters.tsv", b"nothing"),
    ],
)
def test_content_that_makes_no_sense_is_refused_though_its_hash_is_right(bundle, name, content, refused):
    rewrite(bundle, contents={name: content})

    refused(verify_bundle, bundle, name)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", bytes(8), b"\xff" * 64])
def test_weights_that_make_no_sense_are_refused_though_their_hash_is_right(bundle, content, refused):
    rewrite(bundle, contents={"weights.safetensors": content})

    refused(read_all, bundle, "weights.safetensors")


def test_a_weight_that_is_not_float32_is_refused(bundle, refused):
    opened = open_bundle(bundle)
    weights = opened.weights()
    weights["softmax.bias"] = weights["softmax.bias"].astype(np.float64)
    rewrite(bundle, contents={"weights.safetensors": weights_file(weights)})

    assert "weight softmax.bias is float64" in refused(read_all, bundle, "weights.safetensors")


def test_second_moments_are_read_as_they_were_written(bundle):
    opened = open_bundle(bundle)
    assert opened.moments() is None
    squares = {name: np.square(weight) for name, weight in opened.weights().items()}
    rewrite(bundle, contents={"moments.safetensors": weights_file(summarize(squares, 3))})

    found = verify_bundle(bundle).moments()
    assert found["steps"].tolist() == [3]
    assert found["softmax.bias"].tolist() == squares["softmax.bias"].tolist()
    np.testing.assert_allclose(found["embedding/rows"], squares["embedding"].mean(axis=1), rtol=1e-6)


def test_second_moments_of_other_weights_are_refused(bundle, refused):
    moments = summarize({"softmax.bias": np.ones(9, np.float32)}, 3)
    rewrite(bundle, contents={"moments.safetensors": weights_file(moments)})

    assert "damaged; embedding/columns is missing" in refused(verify_bundle, bundle, "moments.safetensors")


def test_a_file_that_the_record_does_not_name_is_refused(bundle):
    opened = open_bundle(bundle)

    with pytest.raises(DataError, match=r"model\.json: damaged; it does not list user_dictionary\.txt"):
        opened.read("user_dictionary.txt")


def test_dictionaries_come_with_the_bundle(bundle):
    assert open_bundle(bundle).recipe_files() == {"stop_words.txt": b"a\nof\n"}


def test_large_files_are_hashed_by_verify_alone(bundle, monkeypatch, refused):
    name = "weights.safetensors"
    size = (bundle / name).stat().st_size
    content = bytearray((bundle / name).read_bytes())
    content[-1] ^= 1
    (bundle / name).write_bytes(content)

    monkeypatch.setattr(bundle_module, "HASHED_AT_LOAD_BYTES", size)
    refused(read_all, bundle, name)
    monkeypatch.setattr(bundle_module, "HASHED_AT_LOAD_BYTES", size - 1)
    assert read_all(bundle).vocabulary_size == 9
    refused(verify_bundle, bundle, name)


def test_a_large_file_that_was_cut_off_is_refused_at_load(bundle, monkeypatch, refused):
    monkeypatch.setattr(bundle_module, "HASHED_AT_LOAD_BYTES", 0)
    cut_off(bundle / "weights.safetensors")

    assert "bytes, expected" in refused(read_all, bundle, "weights.safetensors")


@pytest.mark.parametrize(
    "clusters",
    [
        [],
        [(8, 4)],  # of 9 words
        [(10, 4)],
        [(9, 3)],  # the width of the embedding; untied vectors must have the width of the hidden units
        [(9, 4), (0, 2)],
        [(12, 4), (-3, 2)],
        [(5, 4), (4, 0)],
    ],
)
def test_clusters_that_do_not_fit_the_other_sizes_are_refused(bundle, clusters, refused):
    document = json.loads((bundle / "model.json").read_bytes())
    document["sizes"]["clusters"] = [{"words": words, "width": width} for words, width in clusters]
    (bundle / "model.json").write_text(json.dumps(document))

    assert "clusters do not fit a vocabulary of 9" in refused(open_bundle, bundle, "model.json")


def test_the_sizes_decide_the_number_of_parameters(sound):
    record = open_bundle(sound).record

    # 9*3 embedding, 3*16 + 4*16 + 16 and 4*16 + 4*16 + 16 layers, 9*4 + 9 output
    assert record.training.parameters == 27 + 128 + 144 + 45
    assert sum(int(np.prod(shape)) for shape in weight_shapes(record.sizes).values()) == 344
