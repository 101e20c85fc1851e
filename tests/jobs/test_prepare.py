"""`prepare`: the content of a prepared corpus."""

import bz2
import gzip
import hashlib
import io
import sys

import msgspec
import numpy as np
import pytest
from folders import contents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from preparing import ALICE, CHINESE, config, words_of

from lmctl.config import TextConfig
from lmctl.corpus import preparation
from lmctl.corpus.prepared import PreparedCorpus, SharedLines
from lmctl.jobs import prepare as job
from lmctl.jobs.prepare import prepare
from lmctl.jobs.tokenizing import make_tokenizer


@pytest.fixture
def long_texts(write):
    """Two files of 250 lines. Some lines are repeated, some are blank."""
    generator = np.random.default_rng(1)
    words = np.array(["the", "cat", "sat", "on", "a", "mat", "猫", "坐", "Ünited", *map(str, range(100))])
    lines = [" ".join(generator.choice(words, generator.integers(0, 9))) + "\n" for _ in range(220)]
    return [write("first.txt", "".join(lines[:150])), write("second.txt", "".join(lines[120:]))]


@pytest.mark.parametrize(
    ("setting", "chunks"),
    [
        (config(fraction=0.3), [(97, 1), (1_000, 3)]),
        (config(fraction=0.3, text={"blank_lines": "keep"}, vocabulary={"size": 50}), [(97, 1), (1_000, 1)]),
        (
            config(
                text={"segmenter": "char", "normalize": "nfkc", "lowercase": True}, vocabulary={"min_count": 50}
            ),
            [(1_000, 1)],
        ),
    ],
)
def test_chunks_of_any_size_and_any_number_of_workers_give_the_same_bytes(
    tmp_path, long_texts, monkeypatch, setting, chunks
):
    whole = prepare(long_texts, tmp_path / "whole", setting, jobs=1)
    assert whole.record.train.sentences > 100
    assert bool(whole.record.valid.words) is bool(setting.validation.fraction)

    for chunk_bytes, jobs in chunks:
        monkeypatch.setattr(job, "CHUNK_BYTES", chunk_bytes)
        folder = tmp_path / f"{chunk_bytes}-{jobs}"
        prepare(long_texts, folder, setting, jobs=jobs)
        assert contents(folder) == contents(whole.folder)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # At 0.25 "abc" validates and "a" does not; the others are blank.
    lines=st.lists(st.sampled_from(["a", "abc", "", " ", "the"]), max_size=12),
    chunk_bytes=st.integers(1, 12),
    blank_lines=st.sampled_from(["drop", "keep"]),
)
def test_the_ends_of_chunks_have_no_effect(tmp_path_factory, monkeypatch, lines, chunk_bytes, blank_lines):
    folder = tmp_path_factory.mktemp("corpora")
    text, stop_words = folder / "text", folder / "stop words"
    text.write_text("".join(f"{line}\n" for line in ["a", *lines]))
    stop_words.write_text("the\n")
    setting = config(fraction=0.25, text={"blank_lines": blank_lines, "stop_words": str(stop_words)})
    with monkeypatch.context() as patched:
        patched.setattr(preparation, "FEWEST_VALID_WORDS", 0)
        whole = prepare([str(text)], folder / "whole", setting)
        patched.setattr(job, "CHUNK_BYTES", chunk_bytes)
        pieces = prepare([str(text)], folder / "pieces", setting, jobs=1)

    assert contents(pieces.folder) == contents(whole.folder)


def test_the_record_describes_the_decompressed_bytes_of_the_sources(write, tmp_path):
    first = write("alice.txt.gz", gzip.compress(ALICE.encode()))
    second = write("chinese.txt.bz2", bz2.compress(CHINESE.encode()))
    held_out = write("held out.txt", b"the book\n")
    record = prepare([first, second], tmp_path / "corpus", config(file=held_out), jobs=1).record

    assert [msgspec.to_builtins(source) for source in record.sources] == [
        {
            "name": name,
            "split": split,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "sentences": sentences,
            "known_sentences": 0,
        }
        for name, split, content, sentences in [
            (first, "train", ALICE.encode(), 5),
            (second, "train", CHINESE.encode(), 4),
            (held_out, "valid", b"the book\n", 1),
        ]
    ]


def test_sources_are_read_in_the_order_given(write, tmp_path):
    first, second = write("b.txt", "one\ntwo"), write("a.txt", "three\n")

    assert [
        words_of(corpus, corpus.train)
        for corpus in (
            prepare([first, second], tmp_path / "1", config(), jobs=1),
            prepare([second, first], tmp_path / "2", config(), jobs=1),
        )
    ] == ["one </s> two </s> three </s>", "three </s> one </s> two </s>"]


def test_standard_input_is_a_source(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the cat\n")))
    corpus = prepare(["-"], tmp_path, config())

    assert words_of(corpus, corpus.train) == "the cat </s>"
    assert corpus.record.sources[0].name == "-"


def test_progress_is_the_number_of_bytes_read_so_far(write, tmp_path):
    seen = []
    first, second = write("first.txt", ALICE), write("second.txt", CHINESE)
    prepare([first, second], tmp_path / "corpus", config(), jobs=1, on_progress=seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == len(ALICE.encode()) + len(CHINESE.encode())


def test_a_file_to_validate_on_is_held_out_however_small(write, tmp_path, caplog):
    text, held_out = write("text.txt", ALICE), write("held out.txt", "the book\n")
    corpus = prepare([text], tmp_path / "corpus", config(file=held_out, fraction=0.5))

    assert words_of(corpus, corpus.valid) == "the book </s>"
    # If a validation text is given, no line of the corpus is held out.
    assert corpus.record.train.sentences == 5
    assert "too little" not in caplog.text


def test_too_little_text_is_trained_on_whole(write, tmp_path, caplog):
    corpus = prepare([write("text.txt", ALICE)], tmp_path / "corpus", config(fraction=0.5))

    assert corpus.record.train.sentences == 5
    assert corpus.record.valid.tokens == 0
    assert "too little text to hold out 50 % for validation (57 words)" in caplog.text


@pytest.mark.parametrize(
    ("text", "segmenter", "tokens"),
    [(ALICE, "space", 57), (CHINESE, "jieba", 21), (f"x\n{CHINESE}", "jieba", 22)],
)
def test_auto_chooses_the_segmenter_by_the_text(write, tmp_path, text, segmenter, tokens):
    record = prepare([write("text.txt", text)], tmp_path / "corpus", config()).record

    assert record.recipe.segmenter.name == segmenter
    assert record.train.words == tokens


def test_dictionaries_are_stored_with_the_corpus(write, tmp_path):
    dictionary, stop_words = write("words.txt", "编程是 100000\n"), write("stop.txt", "。\n的\n")
    corpus = prepare(
        [write("text.txt", CHINESE)],
        tmp_path / "corpus",
        config(text={"user_dictionary": dictionary, "stop_words": stop_words}),
    )

    assert corpus.recipe_files() == {
        "user_dictionary.txt": "编程是\t100000\t\n".encode(),
        "stop_words.txt": "。\n的\n".encode(),
    }
    again = PreparedCorpus.open(corpus.folder)
    tokenizer = again.record.recipe.tokenizer(again.recipe_files())
    assert tokenizer.tokens("编程是一种艺术。") == ["编程是", "一种", "艺术"]
    assert words_of(corpus, corpus.train).startswith("我 爱 编程 </s> 编程是 一种 艺术 </s>")


def test_a_user_dictionary_is_not_used_if_auto_chooses_space(write):
    text = TextConfig(user_dictionary=write("words.txt", "编程是 100000\n"))

    assert make_tokenizer(text, "space").segmenter.user_dictionary == b""


def test_a_fixed_vocabulary_takes_the_place_of_size_and_min_count(write, tmp_path):
    fixed = write("vocabulary.txt", "book\t3\npictures\n\nAlice\n")
    corpus = prepare(
        [write("text.txt", ALICE)],
        tmp_path / "corpus",
        config(vocabulary={"file": fixed, "size": 3, "min_count": 9}),
    )

    assert corpus.vocabulary.words == ("<unk>", "</s>", "Alice", "book", "pictures")
    assert corpus.record.train.oov == 57 - 6


def test_the_encoding_is_the_one_configured(write, tmp_path):
    text = write("text.txt", CHINESE.encode("gb18030"))
    corpus = prepare([text], tmp_path / "corpus", config(text={"encoding": "gb18030", "segmenter": "char"}))

    assert words_of(corpus, corpus.train).startswith("我 爱 编 程 。 </s>")


def test_a_validation_file_among_the_inputs_is_left_out_of_them(write, tmp_path, caplog):
    train, valid = write("train.txt", ALICE), write("valid.txt", "Alice had a book\nand no pictures\n")

    corpus = prepare([train, valid], tmp_path / "corpus", config(file=valid))

    assert f"{valid} is the validation text (--valid), so it is left out of the training text" in caplog.messages
    honest = prepare([train], tmp_path / "honest", config(file=valid))
    assert contents(corpus.folder) == contents(honest.folder)
    assert [source.split for source in corpus.record.sources] == ["train", "valid"]


def test_a_copy_of_the_training_text_validates_with_a_warning(write, tmp_path, caplog):
    corpus = prepare([write("train.txt", ALICE)], tmp_path / "corpus", config(file=write("copy.txt", ALICE)))

    assert corpus.record.shared == SharedLines(lines=5, words=corpus.record.train.words)
    assert any("5 of the 5 validation lines (100.0 % of the words)" in message for message in caplog.messages)
