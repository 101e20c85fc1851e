import hashlib
import json
import math
import re
import shutil

import msgspec
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmctl.config import ModelConfig
from lmctl.corpus.vocabulary import SPECIALS, Vocabulary
from lmctl.errors import DataError, InputMissingError
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import weight_shapes
from lmctl.families.mixture.sizes import MixtureSizes
from lmctl.layers.clusters import Cluster, choose_clusters, one_cluster
from lmctl.store import bundle as bundle_module
from lmctl.store.bundle import open_bundle
from lmctl.store.model_record import FORMAT_VERSION
from lmctl.store.verification import verify_bundle
from lmctl.store.writing import weights_file, write_bundle

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


@pytest.fixture(scope="module")
def sound(make_bundle, tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("sound") / "bundle", stop_words=["of", "a"])


@pytest.fixture
def bundle(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "bundle")


def read_all(folder):
    """Everything that a query may ask a bundle for."""
    opened = open_bundle(folder)
    opened.vocabulary()
    opened.characters()
    opened.metrics()
    opened.history()
    opened.recipe_files()
    opened.read("config.yaml")
    return LSTMLanguageModel.from_bundle(opened)


def refused(act, folder, name):
    """The message with which `act` refuses the file `name`."""
    with pytest.raises(DataError) as caught:
        act(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: ")
    assert "\n" not in message
    return message


def rewrite(folder, contents=None, **changes):
    """Write a bundle again with other content, all of its hashes right."""
    opened = open_bundle(folder)
    contents = {name: (folder / name).read_bytes() for name in opened.record.files} | (contents or {})
    shutil.rmtree(folder)
    write_bundle(folder, msgspec.structs.replace(opened.record, **changes), contents)
    return folder


def test_what_is_written_is_read_again(tmp_path, make_bundle):
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
def test_a_damaged_file_is_refused_by_name(bundle, name, damage, act):
    damage(bundle / name)

    refused(act, bundle, name)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
@pytest.mark.parametrize("remove", [lambda path: path.unlink(), replace_by_folder])
@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(bundle, name, remove, act):
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
def test_a_file_of_another_bundle_is_refused(bundle, make_bundle, tmp_path, name, act):
    other = make_bundle(tmp_path / "other", words=("the", "cat", "sat", "on", "hat", "dog", "."), seed=2)
    assert (other / name).stat().st_size == (bundle / name).stat().st_size
    shutil.copyfile(other / name, bundle / name)

    assert "does not have the hash in model.json" in refused(act, bundle, name)


@pytest.mark.parametrize("stranger", ["extra.bin", ".hidden", "weights.safetensors.bak"])
def test_verify_refuses_a_file_that_is_not_of_the_bundle(bundle, stranger):
    (bundle / stranger).write_bytes(b"")

    assert "not a file of this bundle" in refused(verify_bundle, bundle, stranger)
    assert read_all(bundle).vocabulary_size == 9


def test_no_bundle_at_all_is_a_missing_input(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(InputMissingError, match=re.escape(f"{folder}: not a model")):
            open_bundle(folder)


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (FORMAT_VERSION + 1, "upgrade lmctl"),
        (99, "upgrade lmctl"),
        (FORMAT_VERSION - 1, "train the model again"),
        (0, "train the model again"),
    ],
)
def test_another_format_version_is_named_as_such(bundle, version, advice):
    # A newer format may have keys that this version does not know, and no valid hash by its rules.
    document = json.loads((bundle / "model.json").read_bytes())
    (bundle / "model.json").write_text(json.dumps(document | {"format_version": version, "something": "new"}))

    message = refused(open_bundle, bundle, "model.json")
    assert f"bundle format {version}," in message
    assert message.endswith(advice)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lmctl_version", "0.0.0"),
        ("sha256", "0" * 64),
        ("sha256", ""),
        ("files", {}),
        ("files.weights.safetensors.bytes", 1),
        ("sizes.layers", 3),
        ("training.seed", 2),
        ("recipe.lowercase", True),
        ("recipe.segmenter.name", "char"),
    ],
)
def test_an_edited_record_is_refused(bundle, key, value):
    document = json.loads((bundle / "model.json").read_bytes())
    place, last = document, key
    while last not in place:
        first = max((name for name in place if last.startswith(f"{name}.")), key=len)
        place, last = place[first], last.removeprefix(f"{first}.")
    assert place[last] != value
    place[last] = value
    (bundle / "model.json").write_text(json.dumps(document))

    assert "does not have the hash it states" in refused(open_bundle, bundle, "model.json")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b'{"format_version": "3"}',
        b'{"format_version": %d}' % FORMAT_VERSION,
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_record_that_is_none_is_refused(bundle, content):
    (bundle / "model.json").write_bytes(content)

    assert "damaged" in refused(open_bundle, bundle, "model.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_of_the_record_can_be_flipped(bundle, sound, where, bit):
    content = bytearray((sound / "model.json").read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    (bundle / "model.json").write_bytes(content)

    refused(open_bundle, bundle, "model.json")


def test_a_family_that_is_not_known_is_named(bundle):
    document = json.loads((bundle / "model.json").read_bytes())
    document["sizes"]["family"] = "transformer"
    (bundle / "model.json").write_text(json.dumps(document))

    message = refused(open_bundle, bundle, "model.json")

    assert "family 'transformer' is not one that this lmctl knows: lstm, " in message


def test_a_vocabulary_of_another_size_than_the_model_is_refused(bundle):
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
def test_weights_that_do_not_fit_the_sizes_are_refused(bundle, change):
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
def test_content_that_makes_no_sense_is_refused_though_its_hash_is_right(bundle, name, content):
    rewrite(bundle, contents={name: content})

    refused(verify_bundle, bundle, name)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", bytes(8), b"\xff" * 64])
def test_weights_that_make_no_sense_are_refused_though_their_hash_is_right(bundle, content):
    rewrite(bundle, contents={"weights.safetensors": content})

    refused(read_all, bundle, "weights.safetensors")


def test_a_weight_that_is_not_float32_is_refused(bundle):
    opened = open_bundle(bundle)
    weights = opened.weights()
    weights["softmax.bias"] = weights["softmax.bias"].astype(np.float64)
    rewrite(bundle, contents={"weights.safetensors": weights_file(weights)})

    assert "weight softmax.bias is float64" in refused(read_all, bundle, "weights.safetensors")


def test_a_file_that_the_record_does_not_name_is_refused(bundle):
    opened = open_bundle(bundle)

    with pytest.raises(DataError, match=r"model\.json: names no user_dictionary\.txt"):
        opened.read("user_dictionary.txt")


def test_dictionaries_come_with_the_bundle(bundle):
    assert open_bundle(bundle).recipe_files() == {"stop_words.txt": b"a\nof\n"}


def test_large_files_are_hashed_by_verify_alone(bundle, monkeypatch):
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


def test_a_large_file_that_was_cut_off_is_refused_at_load(bundle, monkeypatch):
    monkeypatch.setattr(bundle_module, "HASHED_AT_LOAD_BYTES", 0)
    cut_off(bundle / "weights.safetensors")

    assert "bytes, expected" in refused(read_all, bundle, "weights.safetensors")


def test_weights_of_any_memory_layout_are_written_alike():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert weights_file({"w": np.asfortranarray(array)}) == weights_file({"w": array})


@pytest.mark.parametrize(
    "clusters",
    [
        [],
        [(8, 4)],  # of 9 words
        [(10, 4)],
        [(9, 3)],  # the embedding's width, where untied vectors have that of the hidden units
        [(9, 4), (0, 2)],
        [(12, 4), (-3, 2)],
        [(5, 4), (4, 0)],
    ],
)
def test_clusters_that_do_not_fit_the_other_sizes_are_refused(bundle, clusters):
    document = json.loads((bundle / "model.json").read_bytes())
    document["sizes"]["clusters"] = [{"words": words, "width": width} for words, width in clusters]
    (bundle / "model.json").write_text(json.dumps(document))

    assert "clusters do not fit a vocabulary of 9" in refused(open_bundle, bundle, "model.json")


@pytest.mark.parametrize(
    ("softmax", "words", "tied", "clusters"),
    [
        ("auto", 4_998, True, 1),
        ("auto", 4_999, True, 3),
        ("full", 9_000, True, 1),
        ("adaptive", 3_000, True, 3),
        ("adaptive", 3_000, False, 3),
        ("adaptive", 1_000, True, 1),  # too few words for a tail
    ],
)
def test_the_softmax_that_is_asked_for(softmax, words, tied, clusters):
    vocabulary = Vocabulary([*SPECIALS, *map(str, range(words - 1))], range(words + 1, 0, -1))
    model = ModelConfig(softmax=softmax, tied=tied, embedding_dim=16, hidden_units=24)

    sizes = LSTMSizes.of(vocabulary.counts, model)

    assert len(sizes.clusters) == clusters
    assert sizes.clusters[0].width == (16 if tied else 24)
    if clusters > 1:
        assert sizes.clusters == choose_clusters(vocabulary.counts, sizes.clusters[0].width)


def test_the_sizes_decide_the_number_of_parameters(sound):
    record = open_bundle(sound).record

    # 9*3 embedding, 3*16 + 4*16 + 16 and 4*16 + 4*16 + 16 layers, 9*4 + 9 output
    assert record.training.parameters == 27 + 128 + 144 + 45
    assert sum(int(np.prod(shape)) for shape in weight_shapes(record.sizes).values()) == 344


@pytest.mark.parametrize("weights", [[], [1.0], [0.5, 0.6], [1.5, -0.5], [math.nan, 0.5]])
def test_weights_that_are_not_a_mixtures_are_refused(weights):
    assert MixtureSizes(vocabulary_size=9, weights=[0.25, 0.75]).weights == [0.25, 0.75]
    with pytest.raises(ValueError, match="are not those of two members or more that sum to 1"):
        MixtureSizes(vocabulary_size=9, weights=weights)


@pytest.mark.parametrize(
    ("weight", "theta"), [(1.0, 2.0), (-0.1, 2.0), (0.2, 0.0), (0.2, math.inf), (math.nan, 2.0), (0.2, math.nan)]
)
def test_cache_parameters_that_make_no_distribution_are_refused(weight, theta):
    assert CacheParameters(weight=0.0, theta=2.0).theta == 2.0
    with pytest.raises(ValueError, match="is out of range"):
        CacheParameters(weight=weight, theta=theta)


def test_weights_that_are_not_contiguous_are_written_as_they_are_counted():
    # safetensors 0.8.0 writes a transposed array in the order of its memory, and says nothing; 0.7.0 did not.
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    weights = {"transposed": values[0].T, "part": values[:, ::2, 1:3], "fortran": np.asfortranarray(values[1])}

    written = safetensors.numpy.load(weights_file(weights))

    assert {name: array.tolist() for name, array in written.items()} == {
        name: array.tolist() for name, array in weights.items()
    }


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/passwd", "a/../../b", "", ".", "a\\b", "a\0b", "model.json"]
)
def test_a_file_outside_of_the_bundle_is_neither_read_nor_called_sound(bundle, name):
    secret = bundle.parent / "secret.txt"
    secret.write_bytes(b"secret")
    for content in (b"secret", b"another"):
        digest = hashlib.sha256(content).hexdigest()
        document = json.loads((bundle / "model.json").read_bytes())
        document["files"][name] = {"bytes": len(content), "sha256": digest}
        del document["sha256"]
        document["sha256"] = hashlib.sha256(msgspec.json.encode(document)).hexdigest()
        (bundle / "model.json").write_bytes(msgspec.json.encode(document))

        # Whatever the hash says: nobody learns from the answer what the file holds.
        message = refused(verify_bundle, bundle, "model.json")
        assert "expected names within the folder" in message
        assert "ok" not in message.split()
