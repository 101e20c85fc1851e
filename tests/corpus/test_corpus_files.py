"""The files of a prepared corpus: named by their hash, replaced as a whole."""

import contextlib
from pathlib import Path

import pytest
from folders import contents
from streams_of_ids import FOUR_SENTENCES, sentences

from lmctl import files
from lmctl.corpus.choosing import VocabularyRules
from lmctl.corpus.chunks import EncodedChunk, SplitRules
from lmctl.corpus.preparation import prepare_corpus, sweep
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.errors import DataError
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import SegmenterIdentity
from lmctl.text.source_chunks import SourceChunk
from lmctl.text.tokenization import Tokenizer


def test_a_prepared_corpus_is_its_record_and_the_files_that_it_names(tmp_path, prepare):
    corpus = prepare(tmp_path / "deep" / "corpus", "the cat\n", stop_words=["dog"])

    assert sorted(corpus.record.files) == [
        "characters",
        "stop_words.txt",
        "train",
        "valid",
        "valid_text",
        "vocabulary",
    ]
    assert sorted(path.name for path in corpus.folder.iterdir()) == sorted(
        [*corpus.record.files.values(), "corpus.json"]
    )
    for name in corpus.record.files.values():
        assert name.split(".")[1] == files.sha256_of(corpus.folder / name)[:16]


def test_preparing_again_replaces_the_corpus_and_removes_its_files(tmp_path, prepare):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "train.txt").write_text("mine too")
    prepare(tmp_path, "the old corpus\n", stop_words=["dog"])
    old = PreparedCorpus.open(tmp_path)
    new = prepare(tmp_path, "the new corpus is longer\n")

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*new.record.files.values(), "corpus.json", "notes.txt", "train.txt"]
    )
    assert PreparedCorpus.open(tmp_path).record == new.record
    # A reader that has the old streams open keeps them.
    assert sentences(old, old.train) == ["the old corpus"]


def test_preparing_the_same_again_changes_nothing(tmp_path, prepare):
    prepare(tmp_path, FOUR_SENTENCES, segmenter="jieba")
    before = contents(tmp_path)
    prepare(tmp_path, FOUR_SENTENCES, segmenter="jieba")

    assert contents(tmp_path) == before


@pytest.mark.parametrize("failing", ["vocabulary", "characters", "corpus"])
def test_a_disk_that_fills_up_leaves_the_old_corpus_whole(tmp_path, prepare, monkeypatch, failing):
    prepare(tmp_path, "the old corpus\n")
    before = contents(tmp_path)
    write_bytes = files.write_bytes

    def write(path, content, beside=None):
        if path.name.startswith(failing):
            raise OSError(28, "No space left on device")
        write_bytes(path, content, beside)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", write)
        with pytest.raises(OSError, match="No space left"):
            prepare(tmp_path, "the new corpus\n")

    assert before.items() <= contents(tmp_path).items()
    assert not list(tmp_path.glob(".*"))
    old = PreparedCorpus.open(tmp_path)
    assert sentences(old, old.train) == ["the old corpus"]
    # The next run removes the remaining files before it begins.
    sweep(tmp_path)
    assert contents(tmp_path) == before
    corpus = prepare(tmp_path, "the new corpus\n")
    assert set(contents(tmp_path)) == {*corpus.record.files.values(), "corpus.json"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interrupted_preparation_leaves_no_file_open(tmp_path, prepare, monkeypatch, interruption):
    def translate(*_arguments):
        raise interruption

    monkeypatch.setattr(EncodedChunk, "translate", translate)
    # `interrupted` keeps the frames of the preparation, so nothing is closed because it is collected.
    with pytest.raises(interruption) as interrupted:
        prepare(tmp_path, "the cat\n")

    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(descriptor.readlink()))
    assert interrupted.tb is not None
    assert not [link for link in links if link.startswith(f"{tmp_path}/")]


@pytest.mark.parametrize("failing", [False, True])
def test_workers_are_gone_before_their_scratch_folder_is(tmp_path, failing):
    seen = []

    @contextlib.contextmanager
    def workers():
        try:
            yield map
        finally:
            seen.append([path.name for path in tmp_path.iterdir() if path.is_dir()])

    class Segmenter:
        identity = SegmenterIdentity("space")
        user_dictionary = model = b""

        def segment(self, line):
            if failing:
                raise DataError("bad")
            return line.split()

    expected = pytest.raises(DataError, match="bad") if failing else contextlib.nullcontext()
    with expected:
        prepare_corpus(
            [(SourceChunk("text", b"a b", "utf-8", "strict", 1, 0), "train")],
            tmp_path,
            SplitRules(Tokenizer(Normalization("nfc", False), Segmenter(), frozenset()), "drop", 0.0),
            VocabularyRules(),
            workers=lambda _scratch: workers(),
            sources=lambda _sentences: [],
        )

    # The scratch folder exists as long as a worker may write into it.
    assert len(seen[0]) == 1
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
