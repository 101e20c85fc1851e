"""The bundle of a mixture: a bundle that contains whole bundles."""

import hashlib
import json
import re
import shutil

import msgspec
import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.families import load_language_model
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.mixture.sizes import MixtureSizes
from lmctl.store.bundle import open_bundle
from lmctl.store.verification import check_bundle, foreign_files_in, verify_bundle
from lmctl.store.writing import amend_bundle, write_bundle

SHARED = ("vocabulary.tsv", "characters.tsv", "config.yaml")
OTHER_WORDS = ("the", "cat", "sat", "on", "hat", "dog", ".")


def write_mixture(folder, weights=(0.5, 0.5)):
    """Write the bundle of a mixture around existing members."""
    places = [f"members/{number}" for number in range(len(weights))]
    first = open_bundle(folder / places[0])
    record = msgspec.structs.replace(
        first.record,
        sizes=MixtureSizes(vocabulary_size=first.record.sizes.vocabulary_size, weights=list(weights)),
        training=None,
        members=len(weights),
        files={},
    )
    contents = {name: first.read(name) for name in SHARED} | {"metrics.json": b'{"valid": null}\n'}
    write_bundle(folder, record, contents, there=[f"{place}/model.json" for place in places])
    return folder


@pytest.fixture(scope="module")
def sound(make_bundle, tmp_path_factory):
    """A mixture of two networks with random weights, each with weight 1/2."""
    folder = tmp_path_factory.mktemp("mixture") / "bundle"
    for seed in (0, 1):
        make_bundle(folder / f"members/{seed}", seed=seed)
    return write_mixture(folder)


@pytest.fixture
def mixture(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "bundle")


def read_all(folder):
    """Everything that a query reads."""
    opened = open_bundle(folder)
    opened.vocabulary()
    return load_language_model(opened)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def replace_by_link(path):
    aside = path.parents[3] / "aside"
    path.rename(aside)
    path.symlink_to(aside)


def refused(act, folder, name):
    """The message with which `act` refuses the file `name`."""
    with pytest.raises(DataError, match=f"^{re.escape(str(folder / name))}: ") as caught:
        act(folder)
    return str(caught.value)


def test_a_mixture_answers_with_the_mean_of_its_members(sound):
    opened = verify_bundle(sound)

    def probs(model):
        state = model.advance(model.initial_state(1), np.array([[2], [3]]))
        return np.exp(model.log_probs(state).astype(np.float64))

    members = [load_language_model(member) for member in opened.members()]
    assert [member.folder for member in opened.members()] == [sound / "members/0", sound / "members/1"]
    expected = 0.5 * probs(members[0]) + 0.5 * probs(members[1])
    assert np.abs(probs(members[0]) - probs(members[1])).max() > 0.01
    np.testing.assert_allclose(probs(load_language_model(opened)), expected, rtol=1e-6)


def test_the_record_names_the_family_and_the_members_records(sound):
    opened = open_bundle(sound)

    assert opened.record.family == "mixture"
    assert list(opened.record.files) == [
        *("characters.tsv", "config.yaml", "members/0/model.json", "members/1/model.json", "metrics.json"),
        "vocabulary.tsv",
    ]
    # 344 numbers each: see test_bundle.py.
    assert opened.parameters() == 2 * 344
    assert opened.history() == []


def test_a_mixture_may_be_in_a_mixture(sound, make_bundle, tmp_path):
    shutil.copytree(sound, tmp_path / "bundle/members/0")
    make_bundle(tmp_path / "bundle/members/1", seed=2)

    opened = verify_bundle(write_mixture(tmp_path / "bundle", weights=(0.25, 0.75)))

    assert [member.record.family for member in opened.members()] == ["mixture", "lstm"]
    assert opened.parameters() == 3 * 344
    assert foreign_files_in(opened.folder) == []
    (tmp_path / "bundle/members/0/members/1/notes.txt").touch()
    assert foreign_files_in(opened.folder) == ["members/0/members/1/notes.txt"]


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (read_all, "members/0/model.json"),
        (read_all, "members/1/weights.safetensors"),
        (verify_bundle, "members/0/model.json"),
        (verify_bundle, "members/1/weights.safetensors"),
        # A query reads the file of the mixture, which has the same content.
        (verify_bundle, "members/1/vocabulary.tsv"),
    ],
)
def test_a_members_file_that_is_damaged_is_refused_by_name(mixture, act, name):
    flip_a_bit(mixture / name)

    assert "damaged" in refused(act, mixture, name)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
@pytest.mark.parametrize("remove", [lambda path: path.unlink(), replace_by_link])
@pytest.mark.parametrize("name", ["members/0/model.json", "members/1/weights.safetensors"])
def test_a_members_file_that_is_missing_or_a_link_is_refused_by_name(mixture, name, remove, act):
    remove(mixture / name)

    assert "missing or a link" in refused(act, mixture, name)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
@pytest.mark.parametrize("place", ["members", "members/1"])
def test_a_folder_of_members_that_is_a_link_is_refused(mixture, tmp_path, place, act):
    (mixture / place).rename(tmp_path / "elsewhere")
    (mixture / place).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DataError, match=r"members/[01]/model\.json: .* missing or a link"):
        act(mixture)


@pytest.mark.parametrize("act", [read_all, verify_bundle])
def test_a_member_that_took_anothers_place_is_refused(mixture, make_bundle, act):
    shutil.rmtree(mixture / "members/1")
    make_bundle(mixture / "members/1", seed=7)

    assert "damaged" in refused(act, mixture, "members/1/model.json")


@pytest.mark.parametrize("stranger", ["extra.bin", "members/2", "members/.hidden", "members/1/extra.bin"])
def test_verify_refuses_files_that_are_not_of_the_mixture_or_its_members(mixture, stranger):
    (mixture / stranger).write_bytes(b"")

    assert "not a file of this bundle" in refused(verify_bundle, mixture, stranger)
    assert read_all(mixture).vocabulary_size == 9


@pytest.mark.parametrize("act", [read_all, verify_bundle])
def test_a_member_of_another_vocabulary_is_refused(make_bundle, tmp_path, act):
    folder = tmp_path / "bundle"
    make_bundle(folder / "members/0", seed=0)
    make_bundle(folder / "members/1", words=OTHER_WORDS)
    write_mixture(folder)

    assert "has words that the mixture that it is in does not have" in refused(act, folder, "members/1")


def test_the_same_words_counted_otherwise_are_the_same_vocabulary(make_bundle, tmp_path):
    # An imported member has no counts, so its vocabulary.tsv differs, but the words are the same.
    folder = tmp_path / "bundle"
    for seed in (0, 1):
        make_bundle(folder / f"members/{seed}", seed=seed)
    member = open_bundle(folder / "members/1")
    uncounted = re.sub(rb"\t\d+$", b"\t0", member.read("vocabulary.tsv"), flags=re.MULTILINE)
    amend_bundle(member, {"vocabulary.tsv": uncounted})

    assert len(verify_bundle(write_mixture(folder)).members()) == 2


def test_an_amended_bundle_has_the_new_content_and_hashes_that_fit(mixture):
    before = open_bundle(mixture)
    figures = {"perplexity": 2.0, "includes_oov": True, "state": "carry", "vocabulary_size": 9, "oov_rate": 0.0}
    content = json.dumps({"valid": figures}).encode()
    cache = CacheParameters(weight=0.25, theta=3.0)

    after = amend_bundle(before, {"metrics.json": content}, cache=cache)

    assert (after.metrics(), after.record.cache) == ({"valid": figures}, cache)
    assert after.record.files["metrics.json"].sha256 == hashlib.sha256(content).hexdigest()
    assert after.record.sha256 != before.record.sha256
    unchanged = {"metrics.json"} ^ before.record.files.keys()
    assert all(after.record.files[name] == before.record.files[name] for name in unchanged)
    assert verify_bundle(mixture).record == after.record
    # A bundle that was opened before does not see the change.
    with pytest.raises(DataError, match=r"metrics\.json: damaged"):
        before.metrics()


def test_weights_of_another_number_of_members_are_refused(mixture):
    opened = open_bundle(mixture)
    three = MixtureSizes(vocabulary_size=9, weights=[0.5, 0.25, 0.25])

    with pytest.raises(DataError, match=r"bundle: 3 weights for 2 members$"):
        load_language_model(amend_bundle(opened, sizes=three))


def test_a_member_that_the_record_names_no_file_of_is_refused(mixture):
    with pytest.raises(DataError, match=r"model\.json: damaged; it does not list members/2/model\.json"):
        amend_bundle(open_bundle(mixture), members=3).members()


def test_an_edited_weight_is_refused(mixture):
    document = json.loads((mixture / "model.json").read_bytes())
    document["sizes"]["weights"] = [0.25, 0.75]
    (mixture / "model.json").write_text(json.dumps(document))

    assert "does not have the hash it states" in refused(open_bundle, mixture, "model.json")


@pytest.mark.parametrize("name", ["members/1/weights.safetensors", "members/0/vocabulary.tsv", "metrics.json"])
@pytest.mark.parametrize("is_there", [False, True], ids=["gone", "changed"])
def test_a_check_of_all_files_finds_damage_in_a_member(mixture, name, is_there):
    check_bundle(mixture)
    if is_there:
        flip_a_bit(mixture / name)
    else:
        (mixture / name).unlink()

    with pytest.raises(DataError, match=name):
        check_bundle(mixture)
