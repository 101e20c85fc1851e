import json
import re
import shutil

import pytest

from lmctl.corpus import prepared
from lmctl.corpus.prepared import FORMAT_VERSION, PreparedCorpus, is_prepared
from lmctl.errors import DataError, InputMissingError

KEYS = ["characters", "stop_words.txt", "train", "valid", "vocabulary"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory, prepare):
    folder = tmp_path_factory.mktemp("sound") / "corpus"
    return prepare(folder, "the cat sat\nthe dog\n", valid="the cat\n", stop_words=["of"], min_count=1)


@pytest.fixture
def corpus(sound, tmp_path):
    """A copy of the folder, to be damaged."""
    return shutil.copytree(sound.folder, tmp_path / "corpus")


def refused(folder, name):
    """The message with which opening refuses the file `name`."""
    with pytest.raises(DataError) as caught:
        PreparedCorpus.open(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: ")
    assert "\n" not in message
    return message


def edit(folder, change):
    path = folder / "corpus.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def test_what_was_prepared_is_opened(sound):
    corpus = PreparedCorpus.open(sound.folder)

    assert corpus.record == sound.record
    assert corpus.vocabulary == sound.vocabulary
    assert corpus.vocabulary.words == ("<unk>", "</s>", "the", "cat", "dog", "sat")
    assert corpus.characters.counts == sound.characters.counts
    assert corpus.train.tolist() == [2, 3, 5, 1, 2, 4, 1]
    assert corpus.valid.tolist() == [2, 3, 1]
    assert corpus.recipe_files() == {"stop_words.txt": b"of\n"}
    assert corpus.record.recipe.stop_words == 1


def test_a_corpus_without_validation_text_is_opened(tmp_path, prepare):
    prepare(tmp_path, "the cat\n")

    assert PreparedCorpus.open(tmp_path).valid.tolist() == []
    assert PreparedCorpus.open(tmp_path).recipe_files() == {}


def test_a_corpus_that_another_one_replaces_while_it_is_opened_is_that_one(corpus, prepare, monkeypatch):
    read_record = prepared.read_record

    def replaced_behind_its_back(folder):
        record = read_record(folder)
        monkeypatch.setattr(prepared, "read_record", read_record)
        prepare(folder, "the cow\n")
        return record

    monkeypatch.setattr(prepared, "read_record", replaced_behind_its_back)

    assert PreparedCorpus.open(corpus).vocabulary.words == ("<unk>", "</s>", "cow", "the")


def test_a_corpus_may_be_moved(corpus, tmp_path):
    assert PreparedCorpus.open(corpus.rename(tmp_path / "moved")).train.tolist() == [2, 3, 5, 1, 2, 4, 1]


@pytest.mark.parametrize(("name", "prepared"), [("", True), ("corpus.json", False), ("nowhere", False)])
def test_is_prepared_tells_a_corpus_from_other_places(corpus, name, prepared):
    assert is_prepared(corpus / name) is prepared


@pytest.mark.parametrize("name", ["", "nowhere", "file"])
def test_no_corpus_at_all_is_a_missing_input(tmp_path, name):
    (tmp_path / "file").write_text("")

    with pytest.raises(InputMissingError, match=re.escape(f"{tmp_path / name}: not a prepared corpus")):
        PreparedCorpus.open(tmp_path / name)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, empty])
@pytest.mark.parametrize("key", KEYS)
def test_a_damaged_file_is_refused_by_name(corpus, sound, key, damage):
    name = sound.record.files[key]
    damage(corpus / name)

    assert "damaged" in refused(corpus, name)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_file_is_refused_by_name(corpus, sound, key):
    name = sound.record.files[key]
    (corpus / name).unlink()

    assert "missing; prepare the corpus again" in refused(corpus, name)


@pytest.mark.parametrize("key", KEYS)
def test_two_files_that_changed_places_are_refused(corpus, sound, key):
    name, other = sound.record.files[key], sound.record.files[KEYS[KEYS.index(key) - 1]]
    (corpus / name).rename(corpus / "between")
    (corpus / other).rename(corpus / name)
    (corpus / "between").rename(corpus / other)

    with pytest.raises(DataError, match=f"({re.escape(name)}|{re.escape(other)}): damaged"):
        PreparedCorpus.open(corpus)


def test_streams_that_changed_places_in_the_record_are_refused(corpus, sound):
    def swap(document):
        streams = document["files"]
        streams["train"], streams["valid"] = streams["valid"], streams["train"]

    edit(corpus, swap)

    assert "expected 7 token ids" in refused(corpus, sound.record.files["valid"])


def test_a_vocabulary_of_another_size_than_the_record_says_is_refused(corpus, sound):
    edit(corpus, lambda document: document.update(vocabulary_size=7))

    assert "6 words, but corpus.json says 7" in refused(corpus, sound.record.files["vocabulary"])


@pytest.mark.parametrize("key", ["characters", "train", "valid", "vocabulary"])
def test_a_record_that_names_no_such_file_is_refused(corpus, key):
    edit(corpus, lambda document: document["files"].pop(key))

    assert f"names no {key} file" in refused(corpus, "corpus.json")


@pytest.mark.parametrize("name", ["../secret.0123456789abcdef.npy", "/etc/passwd", ".", "..", ""])
def test_a_record_that_names_a_place_elsewhere_is_refused(corpus, tmp_path, name):
    (tmp_path / "secret.0123456789abcdef.npy").write_bytes(b"")
    edit(corpus, lambda document: document["files"].update(train=name))

    with pytest.raises(DataError, match="expected a file of its folder"):
        PreparedCorpus.open(corpus)


@pytest.mark.parametrize("version", [0, FORMAT_VERSION - 1, FORMAT_VERSION + 1, 99])
def test_another_format_version_is_named_as_such(corpus, version):
    # A newer format may have keys that this version does not know.
    edit(corpus, lambda document: document.update(format_version=version, something="new"))

    assert refused(corpus, "corpus.json").endswith(
        f"format version {version}; this lmctl reads {FORMAT_VERSION}: prepare it again"
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format_version": 1}', b"\xff\xfe", b'{"files": {}}'])
def test_a_record_that_is_none_is_refused(corpus, content):
    (corpus / "corpus.json").write_bytes(content)

    refused(corpus, "corpus.json")


def test_a_key_that_is_not_of_this_format_is_refused(corpus):
    edit(corpus, lambda document: document.update(something="new"))

    assert "something" in refused(corpus, "corpus.json")
