"""Literals: words that are found unchanged, before a segmenter cuts the rest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.corpus.vocabulary import NEVER_WORDS
from lmctl.text.literals import RESERVED, Literals, as_token


def cut(line, *words):
    return Literals(words).cut(line, lambda rest: [f"[{rest}]"])


def test_the_specials_are_those_of_the_vocabulary():
    assert set(RESERVED) == NEVER_WORDS


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("我<unk>了", ["[我]", "<unk>", "[了]"]),
        ("<s> 我 </s>", ["<s>", "[ 我 ]", "</s>"]),
        ("<unk><unk>", ["<unk>", "<unk>"]),
        ("a < b", ["[a < b]"]),
        ("", ["[]"]),
        ("<UNK> <unk", ["[<UNK> <unk]"]),
    ],
)
def test_reserved_words_are_found_anywhere(line, tokens):
    assert cut(line) == tokens


@pytest.mark.parametrize(
    ("line", "words", "tokens"),
    [
        # The leftmost match counts; among several, the longest.
        ("做A/B测试员", ["A/B", "A/B测试", "/B测试员"], ["[做]", "A/B测试", "[员]"]),
        # No literal ends inside a longer word of a script with spaces. Han characters do not join to longer words.
        ("A/Best和A/B的AA/B", ["A/B"], ["[A/Best和]", "A/B", "[的AA/B]"]),
        ("用.NET和ASP.NET", [".NET"], ["[用]", ".NET", "[和ASP]", ".NET"]),
        ("é/x\u0301", ["é/x"], ["[é/x\u0301]"]),
        ("U.S.A.有", ["U.S.A."], ["U.S.A.", "[有]"]),
        # Vowel signs belong to the letter before them: कमी and कम are two words. So does a virama, and a joiner.
        ("कमी कम", ["कम"], ["[कमी ]", "कम"]),
        ("मीकम", ["कम"], ["[मीकम]"]),
        ("x\u0301bar cafe\u0301", ["bar", "cafe\u0301"], ["[x\u0301bar ]", "cafe\u0301"]),
        ("می\u200cخواهم", ["می", "خواهم"], ["[می\u200cخواهم]"]),
        ("<unk>\u200cها", [], ["<unk>", "[\u200cها]"]),
        # An emoji with its variation selector is no letter.
        ("\u2764\ufe0fbar", ["\u2764", "bar"], ["[\u2764\ufe0f]", "bar"]),
        ("用葛\U000e0100的葛", ["葛"], ["[用葛\U000e0100的]", "葛"]),
        # Any white space matches any other. The token has none.
        ("看Criminal \u3000Minds吧", ["Criminal Minds"], ["[看]", "Criminal_Minds", "[吧]"]),
        ("看Criminal_Minds吧", ["Criminal Minds"], ["[看]", "Criminal_Minds", "[吧]"]),
        ("CriminalMinds", ["Criminal Minds"], ["[CriminalMinds]"]),
        # Characters with a meaning in regular expressions.
        ("^_^笑[-]", ["^_^", "[-]"], ["^_^", "[笑]", "[-]"]),
    ],
)
def test_words_of_a_dictionary_are_found_as_they_are_written(line, words, tokens):
    assert cut(line, *words) == tokens


def test_a_token_has_no_white_space():
    assert as_token(" Louis \t Vuitton ") == "Louis_Vuitton"


@settings(max_examples=200)
@given(st.text("ab<unk>/s /b·测"), st.lists(st.text("ab/·测 ", min_size=1).filter(str.strip), max_size=5))
def test_nothing_is_lost_and_nothing_is_added(line, words):
    tokens = Literals(words).cut(line, str.split)
    plain = "".join(line.split())
    assert "".join(tokens).replace("_", "") == plain.replace("_", "")
