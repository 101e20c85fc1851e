"""The choice of the segmenter for an ARPA file, by the words that a query can contain."""

import logging

import pytest
from pieces import model_of_a_user

from lmctl.config import TextConfig
from lmctl.jobs import arpa_tokenizer
from lmctl.jobs.arpa_tokenizer import choose_tokenizer

ENGLISH = ["the", "cat", "sat", "mat.", "don't", "New-York"]
# Words of jieba's dictionary.
BY_JIEBA = ["我们", "喜欢", "机器", "学习", "的", "，", "自然语言", "处理", "GPU", "2024"]
BY_OTHERS = ["深度学习", "自然语言处理", "改变了", "图像识别", "机器学习"]
CHARACTERS = [*list("我们喜欢机器学习的，"), "<num>"]


@pytest.mark.parametrize(
    ("words", "segmenter"),
    [
        (ENGLISH, "space"),
        (["a", "b", "c"], "space"),
        ([], "space"),
        (BY_JIEBA, "jieba"),
        # jieba finds some words, about 1 to 2 %, only in their context; alone it cuts them.
        ([*BY_JIEBA * 10, "一题"], "jieba"),
        (BY_OTHERS, "space"),
        (BY_JIEBA + BY_OTHERS, "space"),
        (CHARACTERS[:-1], "char"),
        # Among many Han characters, a few words of another script do not count.
        ([*CHARACTERS[:-1], "GPU"], "char"),
        (list("私は毎日コーヒーを飲みます。"), "char"),
        (list("ภาษาไทย"), "char"),
        (list("나는학교에갑니다"), "char"),
        # Japanese, cut by MeCab, and Korean with its own spaces.
        (["私", "は", "毎日", "コーヒー", "を", "飲み", "ます"], "space"),
        (["나는", "학교에", "갑니다"], "space"),
        (list("abcdefg"), "space"),
    ],
)
def test_auto_chooses_the_segmenter_that_leaves_the_words_whole(words, segmenter):
    assert choose_tokenizer("a.arpa", TextConfig(), words).segmenter.identity.name == segmenter


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (ENGLISH, {}),
        (BY_JIEBA, {}),
        (BY_OTHERS, {}),
        (CHARACTERS[:-1], {}),
        (["the", "café"], {"lowercase": True, "segmenter": "space"}),
    ],
)
def test_there_is_no_warning_if_every_word_stays_whole(caplog, words, text):
    choose_tokenizer("a.arpa", TextConfig(**text), words)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (
            BY_OTHERS,
            {"segmenter": "jieba"},
            (
                "4 of 5 words cannot occur in a query, such as '深度学习', '自然语言处理', '改变了': "
                "jieba cuts 4 of them (--segmenter space would not)"
            ),
        ),
        (
            ENGLISH,
            {"lowercase": True},
            (
                "1 of 6 words cannot occur in a query, such as 'New-York': "
                "lower-casing changes 1 of them (no --lowercase would not)"
            ),
        ),
        (
            ["cafe\u0301", "the", "cat"],
            {},
            (
                "1 of 3 words cannot occur in a query, such as 'cafe\u0301': "
                "nfc changes 1 of them (--normalize none would not)"
            ),
        ),
        (
            ["The", "the", "ab"],
            {"segmenter": "char", "lowercase": True},
            (
                "3 of 3 words cannot occur in a query, such as 'The', 'the', 'ab': "
                "char cuts 2 of them (--segmenter space would not), "
                "lower-casing changes 1 of them (no --lowercase would not)"
            ),
        ),
    ],
)
def test_words_that_no_query_can_have_are_counted_and_named(caplog, words, text, message):
    with caplog.at_level(logging.WARNING):
        choose_tokenizer("a.arpa", TextConfig(**text), words)
    assert caplog.messages == [f"a.arpa: {message}"]


def test_a_long_word_is_shortened_and_control_characters_are_escaped(caplog):
    choose_tokenizer("a.arpa", TextConfig(segmenter="char"), ["\x1b[31m" + "x" * 100])
    assert caplog.messages[0].count("x") < 30
    assert "\x1b" not in caplog.messages[0]


def test_of_a_large_vocabulary_so_many_words_are_tried(monkeypatch, caplog):
    monkeypatch.setattr(arpa_tokenizer, "MOST_TRIED", 10)
    choose_tokenizer("a.arpa", TextConfig(segmenter="char"), [f"word{number}" for number in range(95)])
    assert "10 of 10 (tried of 95) words" in caplog.text


PIECES = ["\u2581the", "\u2581", "x", "\u2581cat", "s", "\u65e5"]


def test_pieces_of_words_are_recognised(caplog):
    assert choose_tokenizer("a.arpa", TextConfig(), PIECES).segmenter.identity.name == "space"
    (message,) = caplog.messages
    assert message.startswith("a.arpa: its words are pieces of words, such as '\u2581the'; ")
    assert message.endswith("with --segmenter sentencepiece --set text.model_file=FILE.model")


def test_pieces_of_the_model_file_occur_in_queries_and_others_do_not(caplog, tmp_path):
    """A run of characters that the model has not learned is a piece of a text, too."""
    model = tmp_path / "a.model"
    model.write_bytes(model_of_a_user(["the cat, the cats"], vocab_size=30))
    text = TextConfig(segmenter="sentencepiece", model_file=str(model))

    choose_tokenizer("a.arpa", text, PIECES)
    assert caplog.messages == []
    choose_tokenizer("a.arpa", text, [*PIECES, "\u2581dog"])
    assert caplog.messages == [
        f"a.arpa: 1 of 7 words cannot occur in a query, such as '\u2581dog': 1 of them are no pieces of {model}"
    ]
