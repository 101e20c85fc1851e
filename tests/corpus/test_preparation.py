"""Ids, counts and the vocabulary of a prepared corpus."""

import logging

import numpy as np
import pytest
from streams_of_ids import END, FOUR_SENTENCES, sentences

from lmctl.corpus import choosing
from lmctl.corpus.counts import SplitCounts
from lmctl.corpus.prepared import NewWords
from lmctl.errors import DataError


def test_four_sentences_have_the_ids_and_counts_of_the_book(tmp_path, prepare):
    corpus = prepare(tmp_path, FOUR_SENTENCES, segmenter="jieba")

    # U+4EBA 人 < U+521B 创 < U+7684 的 < U+7F16 编 < U+827A 艺; U+4E00 一 < U+5929 天 < U+6211 我 < U+7231 爱
    assert corpus.vocabulary.words == (
        *("<unk>", "</s>", "。", "是"),
        *("人类", "创造", "的", "编程", "艺术"),
        *("一种", "天赋", "我", "爱"),
    )
    assert corpus.vocabulary.counts == (0, 4, 4, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1)
    assert corpus.train.tolist() == [
        *(11, 12, 7, 2, END),
        *(7, 3, 9, 8, 2, END),
        *(8, 3, 4, 5, 6, 2, END),
        *(5, 3, 4, 6, 10, 2, END),
    ]
    assert corpus.valid.tolist() == []
    assert corpus.record.train == SplitCounts(sentences=4, words=21, oov=0, characters=5 + 8 + 9 + 9 + 4)
    assert corpus.record.train.tokens == 25
    assert corpus.record.valid == SplitCounts()
    assert corpus.characters.words == 21
    assert corpus.characters.counts["人"] == 2


def test_words_sentences_characters_and_unknown_words_are_counted(tmp_path, prepare):
    train = "the cat sat\n\nthe  dog\n"
    corpus = prepare(tmp_path, train, valid="the bird sang\nthe cat\n", min_count=2)

    assert corpus.vocabulary.words == ("<unk>", "</s>", "the")
    assert corpus.vocabulary.counts == (3, 2, 2)
    assert corpus.train.tolist() == [2, 0, 0, END, 2, 0, END]
    assert corpus.valid.tolist() == [2, 0, 0, END, 2, 0, END]
    # Characters of a line with its spaces and its end: 11 + 1 and 8 + 1; 13 + 1 and 7 + 1.
    assert corpus.record.train == SplitCounts(sentences=2, words=5, oov=3, characters=21)
    assert corpus.record.valid == SplitCounts(sentences=2, words=5, oov=3, characters=22)
    assert corpus.record.valid.oov_rate == pytest.approx(3 / 5)


def test_characters_are_counted_after_normalization_and_before_segmentation(tmp_path, prepare):
    corpus = prepare(tmp_path, "Cafe\u0301 ﬁne\n", form="nfkc", lowercase=True, stop_words=["fine"])

    assert corpus.vocabulary.words == ("<unk>", "</s>", "café")
    assert corpus.record.train == SplitCounts(sentences=1, words=1, oov=0, characters=len("café fine") + 1)


def test_the_vocabulary_and_the_characters_come_from_the_training_text_alone(tmp_path, prepare):
    corpus = prepare(tmp_path, "a b\n", valid="c c c c\n")

    assert corpus.vocabulary.words == ("<unk>", "</s>", "a", "b")
    assert corpus.characters.counts == {"a": 1, "b": 1}


def test_literal_specials_are_unknown_words(tmp_path, prepare):
    corpus = prepare(tmp_path, "a <unk> </s> <s> a\n")

    assert corpus.vocabulary.words == ("<unk>", "</s>", "a")
    assert corpus.vocabulary.counts == (3, 1, 2)
    assert corpus.train.tolist() == [2, 0, 0, 0, 2, END]
    assert corpus.record.train.oov == 3
    assert corpus.characters.counts == {"a": 2}


@pytest.mark.parametrize("text", ["a b\nc", "a b\nc\n", "a b\r\nc\r\n"])
def test_the_last_line_may_lack_its_end(tmp_path, prepare, text):
    corpus = prepare(tmp_path, text)

    assert sentences(corpus, corpus.train) == ["a b", "c"]
    assert corpus.record.train.characters == 6


def test_a_fixed_vocabulary_is_ordered_by_the_counts_of_the_text(tmp_path, prepare):
    corpus = prepare(
        tmp_path, "the cat the rare dog\n", words=("rare", "never", "cat", "absent", "<unk>", "</s>", "the")
    )

    assert corpus.vocabulary.words == ("<unk>", "</s>", "the", "cat", "rare", "absent", "never")
    assert corpus.vocabulary.counts == (1, 1, 2, 1, 1, 0, 0)
    assert corpus.train.tolist() == [2, 3, 2, 4, 0, END]


OLD_WORDS = ("<unk>", "</s>", "the", "cat", "yak", "zebu")
GROWN_TEXT = "the dog the dog the gnu\na cat\n"


@pytest.mark.parametrize(
    ("rules", "chosen"),
    [
        ({}, "the cat"),
        ({"keep": True}, "the cat yak zebu"),
        ({"grow": True}, "the cat dog a gnu"),
        ({"grow": True, "size": 4}, "the dog"),
        ({"grow": True, "min_count": 2}, "the dog"),
        # The old words have four of the five places.
        ({"grow": True, "keep": True, "size": 7}, "the cat yak zebu dog"),
        ({"grow": True, "keep": True, "min_count": 2}, "the cat yak zebu dog"),
        ({"words": ("gnu",), "grow": True}, "gnu"),
    ],
)
def test_which_words_an_old_vocabulary_lets_in(tmp_path, prepare, rules, chosen):
    corpus = prepare(tmp_path, GROWN_TEXT, known=OLD_WORDS, **rules)

    assert " ".join(corpus.vocabulary.words[2:]) == chosen


def test_an_old_vocabulary_that_fills_the_new_one_is_warned_of(tmp_path, prepare, caplog):
    corpus = prepare(tmp_path, GROWN_TEXT, known=OLD_WORDS, grow=True, keep=True, size=6)

    assert corpus.vocabulary.words[2:] == ("the", "cat", "yak", "zebu")
    assert (
        "no new word enters: the 4 words of the old model, which are kept, fill vocabulary.size, 6" in caplog.text
    )


def test_the_words_that_an_old_model_does_not_know_are_named_and_counted(tmp_path, prepare, monkeypatch):
    monkeypatch.setattr(choosing, "NEW_WORDS_NAMED", 2)

    corpus = prepare(tmp_path, GROWN_TEXT, "<unk> ox emu\n", known=OLD_WORDS)

    # dog 2; a, gnu, <unk>, ox and emu 1 each.
    assert corpus.record.new_words == NewWords(oov=7, most_frequent=[("dog", 2), ("a", 1)])


def test_without_an_old_model_no_word_is_new(tmp_path, prepare):
    assert prepare(tmp_path, GROWN_TEXT).record.new_words is None


@pytest.mark.parametrize(("size", "known"), [(3, 1), (4, 2), (5, 3), (6, 3), (None, 3)])
def test_words_beyond_the_size_are_unknown(tmp_path, prepare, size, known):
    corpus = prepare(tmp_path, "a a a b b c\n", size=size)

    assert len(corpus.vocabulary) == 2 + known
    assert corpus.train.tolist() == [token if token < 2 + known else 0 for token in (2, 2, 2, 3, 3, 4)] + [END]


@pytest.mark.parametrize(("distinct_words", "dtype"), [(65_534, np.uint16), (65_535, np.uint32)])
def test_ids_take_two_bytes_up_to_65536_words(tmp_path, prepare, distinct_words, dtype):
    corpus = prepare(tmp_path, " ".join(f"{number:05}" for number in range(distinct_words)))

    assert len(corpus.vocabulary) == distinct_words + 2
    assert corpus.train.dtype == dtype
    # Each word occurs once, so ids are in the order of the words, and the last word has the highest id.
    assert corpus.train[-2] == distinct_words + 1
    assert (np.diff(corpus.train[:-1].astype(np.int64)) == 1).all()


@pytest.mark.parametrize("text", ["", "\n\n \n", "\u3000\n"])
def test_text_without_words_is_nothing_to_train_on(tmp_path, prepare, text):
    with pytest.raises(DataError, match="nothing to train on"):
        prepare(tmp_path, text, blank_lines="keep")

    assert list(tmp_path.iterdir()) == []


def test_an_empty_vocabulary_is_refused(tmp_path, prepare):
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, "a a b b a <unk> <unk> <unk> <unk>\n", min_count=4)
    assert str(caught.value) == (
        "no word stands 4 times, so the vocabulary would be empty; the most frequent, 'a', stands 3 times: lower "
        "vocabulary.min_count to 3 or less"
    )


@pytest.mark.parametrize(
    ("text", "rules", "message"),
    [
        ("<unk> <unk> </s>\n", {}, "the text has no words but </s>, <s>, <unk>, which no model predicts"),
        ("a\n", {"words": ("<s>", "<unk>")}, "the fixed vocabulary has no words but </s>, <s>, <unk>"),
        (
            "a\n",
            {"known": OLD_WORDS},
            "no word of the text is in the vocabulary of the model that training starts",
        ),
        (
            "the\n",
            {"stop_words": ["the"]},
            "text: nothing to train on; the text has no words beside the stop words",
        ),
    ],
)
def test_the_message_gives_the_reason_for_an_empty_vocabulary(tmp_path, prepare, text, rules, message):
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, text, **rules)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "said"), [("a b\n", True), ("a <unk> b\n", False)])
def test_of_a_training_text_without_unknown_words_it_is_said(tmp_path, prepare, caplog, text, said):
    caplog.set_level(logging.INFO, "lmctl")
    prepare(tmp_path, text)

    assert ("<unk> was never seen in training" in caplog.text) is said
