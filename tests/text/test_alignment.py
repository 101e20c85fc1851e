import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.text.alignment import locate_tokens
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.tokenization import Tokenizer


def tokenizer(segmenter="words", form="nfc", lowercase=False, stop_words=(), user_dictionary=b"", **more):
    return Tokenizer(
        Normalization(form, lowercase),
        make_segmenter(segmenter, user_dictionary=user_dictionary),
        frozenset(stop_words),
        **more,
    )


def located(line, **settings):
    """The tokens, and the text at their places."""
    found = locate_tokens(tokenizer(**settings), line)
    return [(token, line[start:end]) for token, start, end in found]


def test_tokens_of_a_plain_line():
    assert locate_tokens(tokenizer(), " The cat's here, ok?") == [
        ("The", 1, 4),
        ("cat's", 5, 10),
        ("here", 11, 15),
        (",", 15, 16),
        ("ok", 17, 19),
        ("?", 19, 20),
    ]


@pytest.mark.parametrize("segmenter", ["space", "words", "jieba", "char"])
@pytest.mark.parametrize("form", ["none", "nfc"])
def test_half_a_surrogate_pair_is_a_replacement_character(segmenter, form):
    line = "\u4eba \ud800 e\u0301 \udfff"
    tokens = tokenizer(segmenter, form).tokens(line)
    assert tokens.count("\ufffd") == 2
    assert "".join(tokens) == Normalization(form, False)("\u4eba\ufffde\u0301\ufffd")
    found = locate_tokens(tokenizer(segmenter, form), line)
    assert [(each.start, each.end) for each in found if "\ufffd" in each] == [(2, 3), (7, 8)]


def test_a_token_that_normalization_makes_shorter():
    # e and U+0301 become one character in NFC, and so do three jamo.
    line = "un cafe\u0301, \u1112\u1161\u11ab x"
    assert located(line) == [
        ("un", "un"),
        ("caf\u00e9", "cafe\u0301"),
        (",", ","),
        ("\ud55c", line[10:13]),
        ("x", "x"),
    ]


def test_a_token_that_normalization_makes_longer():
    # U+FB03 is ffi in NFKC, and U+0130 has two characters in lower case.
    assert located("o\ufb03ce \u0130I x", form="nfkc", lowercase=True) == [
        ("office", "o\ufb03ce"),
        ("i\u0307i", "\u0130I"),
        ("x", "x"),
    ]


def test_a_cluster_that_becomes_two_tokens_belongs_to_both():
    # U+2460, a digit in a circle; U+00BC is 1, U+2044 and 4 in NFKC.
    assert located("a \u00bc b", segmenter="char", form="nfkc") == [
        ("a", "a"),
        ("1", "\u00bc"),
        ("\u2044", "\u00bc"),
        ("4", "\u00bc"),
        ("b", "b"),
    ]


def test_a_mark_after_white_space_does_not_reach_over_it():
    # U+0344 is two marks in NFC.
    assert located("a, \u0344 b", segmenter="space") == [("a,", "a,"), ("\u0308\u0301", "\u0344"), ("b", "b")]


def test_tags_and_stop_words_are_left_out():
    assert located("<s> the cat </s>", segmenter="space", strip_tags=True) == [("the", "the"), ("cat", "cat")]
    # The word is also in the tags.
    tags = tokenizer("space", strip_tags=True)
    assert locate_tokens(tags, " <s> s </s>") == [("s", 5, 6)]
    assert locate_tokens(tags, "<s>s s</s>") == [("s", 3, 4), ("s", 5, 6)]
    assert locate_tokens(tags, " s </s>") == [("s", 1, 2)]
    assert locate_tokens(tags, "<s> </s>") == []
    assert locate_tokens(tokenizer("space", stop_words=["the"]), "the cat") == [("cat", 4, 7)]


def test_a_user_word_with_white_space_inside():
    settings = {"segmenter": "jieba", "user_dictionary": b"New York\t\t\n"}
    assert located("in New  York now", **settings)[1:2] == [("New_York", "New  York")]
    assert located("in New_York now", **settings)[1:2] == [("New_York", "New_York")]


@pytest.mark.parametrize("segmenter", ["space", "words", "jieba", "char"])
@pytest.mark.parametrize("form", ["nfc", "nfkc", "none"])
@settings(max_examples=60, deadline=None)
@given(
    line=st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.text(alphabet="中aか1 \u0301\u3099\uff76\uff9e\u0130\u03a3\ufb03\u1100\u1161\u11a8<unk>_", max_size=30)
)
def test_places_rise_and_hold_their_tokens(segmenter, form, line):
    cut = tokenizer(segmenter, form, lowercase=True)
    found = locate_tokens(cut, line)
    assert [token for token, _, _ in found] == cut.tokens(line)
    for token, start, end in found:
        assert 0 <= start < end <= len(line)
        normalized = cut.normalization(line[start:end])
        # A part of a cluster is in the cluster's normalized text; a sigma depends on what stands beside it.
        assert token.replace("ς", "σ") in normalized.replace("ς", "σ")
    assert all(before.start <= after.start for before, after in itertools.pairwise(found))
