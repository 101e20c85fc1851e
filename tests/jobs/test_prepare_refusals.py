"""`prepare` refuses an input in one line and leaves the corpus that was there."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from folders import contents
from preparing import ALICE, CHINESE, config, words_of

from lmctl.corpus.prepared import PreparedCorpus
from lmctl.errors import DataError, InputMissingError, StorageError, UsageError
from lmctl.jobs import prepare as job
from lmctl.jobs.prepare import prepare


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("bad", [b"caf\xe9 \n", b"a\0b\n"])
def test_a_failure_half_way_leaves_the_old_corpus_and_no_scratch(write, tmp_path, monkeypatch, jobs, bad):
    folder = tmp_path / "corpus"
    prepare([write("old.txt", "the old corpus\n")], folder, config())
    before = contents(folder)
    line = b"a line that can be read\n"
    text = write("text.txt", line * 40 + bad + line * 40)
    monkeypatch.setattr(job, "CHUNK_BYTES", 200)

    with pytest.raises(DataError, match=r"text\.txt: line 41, byte"):
        prepare([text], folder, config(), jobs=jobs)

    assert contents(folder) == before
    corpus = PreparedCorpus.open(folder)
    assert words_of(corpus, corpus.train) == "the old corpus </s>"


def test_a_cut_off_archive_leaves_the_old_corpus_and_no_scratch(write, tmp_path):
    folder = tmp_path / "corpus"
    prepare([write("old.txt", "the old corpus\n")], folder, config())
    before = contents(folder)
    text = write("text.txt.gz", gzip.compress(np.random.default_rng(1).bytes(1_000).hex().encode())[:-100])

    with pytest.raises(DataError, match=r"text\.txt\.gz: damaged or cut off"):
        prepare([write("sound.txt", ALICE), text], folder, config(), jobs=1)

    assert contents(folder) == before


@pytest.mark.parametrize("held_out", ["", "\n \n"])
def test_a_file_with_nothing_to_validate_on_leaves_the_old_corpus(write, tmp_path, held_out):
    folder = tmp_path / "corpus"
    prepare([write("old.txt", "the old corpus\n")], folder, config())
    before = contents(folder)

    with pytest.raises(DataError, match=r"held out\.txt: nothing to validate on; the text has no words"):
        prepare([write("text.txt", ALICE)], folder, config(file=write("held out.txt", held_out)))

    assert contents(folder) == before


def test_of_many_empty_texts_a_message_names_the_first(write, tmp_path):
    paths = [write(f"{number}.txt", "") for number in range(20)]

    with pytest.raises(DataError) as caught:
        prepare(paths, tmp_path / "prepared", config())

    assert str(caught.value) == f"{', '.join(paths[:8])} and 12 more: empty; expected text, a sentence a line"


@pytest.mark.parametrize(
    ("text", "message"), [("", "empty; expected text"), ("\n \n", "nothing to train on; the text has no words")]
)
def test_text_without_words_is_refused(write, tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        prepare([write("text.txt", text)], tmp_path / "corpus", config())

    assert {path.name for path in tmp_path.glob("corpus/*")} <= {"lock"}


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        ("", None, "train.txt: empty; expected text, a sentence a line"),
        ("\n", None, "train.txt: nothing to train on; the text has no words"),
        ("a b\n", "\n", "../valid.txt: nothing to validate on; the text has no words"),
    ],
)
def test_a_message_shows_a_path_as_it_was_typed(write, tmp_path, monkeypatch, train, valid, message):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("train.txt").write_text(train)
    if valid is not None:
        write("valid.txt", valid)

    with pytest.raises(DataError) as caught:
        prepare(["train.txt"], tmp_path / "corpus", config(file=None if valid is None else "../valid.txt"))

    assert str(caught.value) == message


@pytest.mark.parametrize("missing", ["source", "file", "vocabulary", "stop_words", "user_dictionary"])
def test_a_missing_file_is_refused_by_name_before_anything_is_written(write, tmp_path, missing):
    text, nowhere = write("text.txt", CHINESE), str(tmp_path / "nowhere.txt")
    setting = config(
        text={missing: nowhere} if missing in ("stop_words", "user_dictionary") else {},
        vocabulary={"file": nowhere} if missing == "vocabulary" else {},
        file=nowhere if missing == "file" else None,
    )

    with pytest.raises(InputMissingError, match=r"nowhere\.txt: "):
        prepare([text, nowhere] if missing == "source" else [text], tmp_path / "corpus", setting)

    assert not (tmp_path / "corpus").exists()


def test_standard_input_can_be_read_only_once(tmp_path):
    with pytest.raises(UsageError, match="more than once"):
        prepare(["-"], tmp_path / "corpus", config(file="-"))


def test_a_folder_that_cannot_be_made_is_an_error(write, tmp_path):
    text = write("text.txt", ALICE)

    with pytest.raises((OSError, StorageError), match=r"text\.txt"):
        prepare([text], tmp_path / "text.txt" / "corpus", config())


@pytest.mark.parametrize("fraction", [0.0, 0.05])
@pytest.mark.parametrize(("segmenter", "advice"), [("space", "jieba or char"), ("jieba", "the limit is 32768")])
def test_a_word_that_is_no_word_is_refused_with_its_line(write, tmp_path, fraction, segmenter, advice):
    word = "x" * 3_000_000
    text = write("text.txt", f"{'a b ' * 10_000}\n{word[: 1 << 15]}\na {word} b\n")
    with pytest.raises(DataError) as caught:
        prepare([text], tmp_path / "corpus", config(fraction=fraction, text={"segmenter": segmenter}), jobs=1)
    assert str(caught.value).startswith(f"{text}: line 3: a word of ")
    assert advice in str(caught.value)
    assert len(str(caught.value)) < len(text) + 250


def test_a_bundle_is_no_place_for_a_corpus(tmp_path, write):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.json").write_text('{"format_version": 4}')

    with pytest.raises(UsageError, match="bundle: is a model's bundle, which never changes"):
        prepare([write("alice.txt", ALICE)], folder, config())
    assert [path.name for path in folder.iterdir()] == ["model.json"]


def test_the_folder_of_a_model_is_no_place_for_a_corpus(tmp_path, write):
    folder = tmp_path / "news"
    (folder / "generations").mkdir(parents=True)

    with pytest.raises(UsageError, match="news: is a model; name another folder with -o"):
        prepare([write("alice.txt", ALICE)], folder, config())
    assert [path.name for path in folder.iterdir()] == ["generations"]
