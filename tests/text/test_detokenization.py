"""Text as people write it: each example is cut by the segmenter, and joined again."""

import pytest

from lmctl.text.detokenization import Detokenizer, detokenize
from lmctl.text.segmentation import make_segmenter


@pytest.mark.parametrize(
    "text",
    [
        "The cat sat on the mat.",
        "\u201cWhy?\u201d she asked. \u2018No idea,\u2019 he said (in vain); then they left\u2026",
        'He said "yes" and "no", "maybe".',
        "Don't touch the dogs' food: it's mine, isn't it?",
        "He called it 'odd' and went home.",
        "A well-known writer and/or editor paid $5.30 at 10:30 for 1,000 copies (pages 5\u20136).",
        "See https://example.com/a?b=c or write to me@example.com, #now, @you!",
        "He came\u2014too late\u2014and left.",
        "50% of them, [sic] {all} were there.",
        "Das ist gut, nicht wahr? \u00bfQu\u00e9? \u00a1S\u00ed!",
        "\ud55c\uad6d\uc5b4 \ubb38\uc7a5, \ub450 \uac1c.",
        # The word before the hyphen ends in a vowel sign.
        "हिन्दी-भाषी लोग",
    ],
)
def test_words_and_their_punctuation_come_back(text):
    assert detokenize(make_segmenter("words").segment(text), "words") == text


@pytest.mark.parametrize("segmenter", ["words", "jieba"])
@pytest.mark.parametrize(
    "text",
    [
        "编程是一种艺术。",
        "他说：“你好，世界！”然后走了。",
        "《红楼梦》（曹雪芹著）、《西游记》……都是名著；",
        "我用Python写代码，2004年开始。",
        "约翰·史密斯",
    ],
)
def test_chinese_has_no_spaces(segmenter, text):
    assert detokenize(make_segmenter(segmenter).segment(text), segmenter) == text


def test_english_in_chinese_text_has_spaces():
    text = "他说 Hello World, again."

    assert detokenize(make_segmenter("jieba").segment(text), "jieba") == "他说Hello World, again."


@pytest.mark.parametrize("text", ["编程是艺术。", "日本語のテキストです。", "ภาษาไทย"])
def test_scripts_without_spaces_come_back_from_clusters_and_characters(text):
    assert detokenize(make_segmenter("words").segment(text), "words") == text
    assert detokenize(make_segmenter("char").segment(text), "char") == text


@pytest.mark.parametrize(
    ("tokenized", "text"),
    [
        # WikiText-2.
        (
            "It is the blue @-@ eyed cat 's 1 @,@ 000 km ( 3 @.@ 5 mi ) walk .",
            "It is the blue-eyed cat's 1,000 km (3.5 mi) walk.",
        ),
        ('becoming " lobster red " on cooking , 5 \u2013 6 % .', 'becoming "lobster red" on cooking, 5\u20136%.'),
        ("Sean O 'Brien don 't play AC / DC \u2014 ever", "Sean O'Brien don't play AC/DC\u2014ever"),
        (" = = Description = = ", "= = Description = ="),
        ("the dogs ' home , for $ 5 and # 1 at 10 : 30 : now", "the dogs' home, for $5 and #1 at 10:30: now"),
        # The Penn Treebank.
        ("`` I do n't , '' he said -- twice -LRB- or so -RRB- .", '"I don\'t," he said -- twice (or so).'),
        # Chinese that another segmenter has cut.
        ("我 爱 编程 ， 真 的 。", "我爱编程，真的。"),
        # Text that was only cut at white space keeps its spaces.
        ("He said: 'Hello there,' and - well - left.", "He said: 'Hello there,' and - well - left."),
    ],
)
def test_text_that_was_tokenized_for_white_space_is_joined(tokenized, text):
    assert detokenize(tokenized.split(), "space") == text


def test_characters_are_joined():
    assert detokenize(list("a,b."), "char") == "a,b."


def test_the_pieces_of_a_text_can_be_written_one_after_the_other():
    detokenizer = Detokenizer("space")

    assert [detokenizer.append(token) for token in ('"', "yes", '"', ".")] == ['"', "yes", '"', "."]


def test_a_quotation_ends_with_its_line():
    detokenizer = Detokenizer("space")
    first = [detokenizer.append(token) for token in ('"', "yes")]
    detokenizer.start_line()

    assert first == ['"', "yes"]
    assert [detokenizer.append(token) for token in ("so", '"', "no", '"')] == ["so", ' "', "no", '"']
