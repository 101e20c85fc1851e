import dataclasses

import msgspec
import pytest

from lmctl.corpus.recipe import TextRecipe, recipe_files
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.tokenization import Tokenizer


def made_again(tokenizer):
    """Write a recipe to JSON and files, as a bundle does, and read it."""
    recipe = TextRecipe.of(tokenizer, "drop")
    stored = msgspec.json.decode(msgspec.json.encode(recipe), type=TextRecipe)
    assert stored == recipe
    return stored.tokenizer(recipe_files(tokenizer))


@pytest.mark.parametrize(
    ("tokenizer", "line", "tokens"),
    [
        (
            Tokenizer(Normalization("nfc", False), make_segmenter("space"), frozenset()),
            "The ＣＡＴ",
            ["The", "ＣＡＴ"],
        ),
        (
            Tokenizer(Normalization("nfkc", True), make_segmenter("space"), frozenset()),
            "The ＣＡＴ",
            ["the", "cat"],
        ),
        (
            Tokenizer(Normalization("nfkc", True), make_segmenter("space"), frozenset(["The", "ｏｎ"])),
            "The cat sat on it",
            ["cat", "sat", "it"],
        ),
        (
            # NFKC makes U+0020 U+0304 of U+FFE3, and four words of U+FDFA (UnicodeData.txt).
            Tokenizer(Normalization("nfkc", True), make_segmenter("space"), frozenset(["\uffe3", "\ufdfa"])),
            "x \uffe3 y صلى الله",
            ["x", "y", "صلى", "الله"],
        ),
        (
            Tokenizer(Normalization("none", False), make_segmenter("char"), frozenset()),
            "我 爱e\u0301",
            [*"我爱e\u0301"],
        ),
        (
            Tokenizer(Normalization("nfc", False), make_segmenter("jieba"), frozenset(["是"])),
            "编程是一种艺术。",
            ["编程", "一种", "艺术", "。"],
        ),
        (
            Tokenizer(
                Normalization("nfc", False),
                make_segmenter("jieba", "rjieba", "编程是\t100000\t\n".encode()),
                frozenset(),
            ),
            "编程是一种艺术。",
            ["编程是", "一种", "艺术", "。"],
        ),
    ],
)
def test_the_tokenizer_made_again_cuts_alike(tokenizer, line, tokens):
    again = made_again(tokenizer)

    assert tokenizer.tokens(line) == tokens
    assert again.tokens(line) == tokens
    assert again.segmenter.identity == tokenizer.segmenter.identity


def test_without_dictionaries_there_are_no_files():
    assert recipe_files(Tokenizer(Normalization("nfc", False), make_segmenter("space"), frozenset())) == {}


def test_dictionaries_are_files_in_a_fixed_order():
    tokenizer = Tokenizer(
        Normalization("nfc", False), make_segmenter("jieba", "rjieba", "云计算\t5\t\n".encode()), frozenset("cab")
    )

    assert recipe_files(tokenizer) == {
        "user_dictionary.txt": "云计算\t5\t\n".encode(),
        "stop_words.txt": b"a\nb\nc\n",
    }
    assert TextRecipe.of(tokenizer, "keep").stop_words == 3


def test_the_engine_is_made_again_too():
    tokenizer = Tokenizer(Normalization("nfc", False), make_segmenter("jieba", "jieba"), frozenset())

    assert made_again(tokenizer).segmenter.identity.engine == "jieba"


def test_what_cuts_text_otherwise_is_named():
    def recipe(name, user_dictionary=b"", *, blank_lines="drop", lowercase=False, stop_words=(), tags=False):
        segmenter = make_segmenter(name, user_dictionary=user_dictionary)
        tokenizer = Tokenizer(Normalization("nfc", lowercase), segmenter, frozenset(stop_words), strip_tags=tags)
        return TextRecipe.of(tokenizer, blank_lines)

    space = recipe("space")
    assert space.differences(recipe("space", blank_lines="keep")) == []
    assert space.differences(recipe("char", lowercase=True)) == [
        "segmenter char, not space",
        "lowercase true, not false",
    ]
    assert space.differences(recipe("space", stop_words=["the"], tags=True)) == [
        "stop_words 1, not 0",
        "sentence_tags strip, not keep",
    ]
    words = recipe("words")
    assert words.differences(recipe("words", b"New York\t\t\n")) == ["another user dictionary"]
    older = msgspec.structs.replace(words, segmenter=dataclasses.replace(words.segmenter, engine_version="0"))
    assert words.differences(older) == ["another version of the segmenter words"]
