import pytest

from lmctl.errors import DataError
from lmctl.families.arpa.words import SpecialWords, WordSpelling, unescape


def test_words_are_written_as_they_are():
    spelling = WordSpelling(["<unk>", "</s>", "cat", r"\x20", "naïve", "中文"])

    assert spelling.words == ["<unk>", "</s>", "cat", r"\x20", "naïve", "中文"]
    assert spelling.escaped == []


def test_words_that_others_would_misread_are_escaped():
    words = ["<UNK>", "<s>", r"\x20", r"a\x20", "<unk"]

    spelling = WordSpelling(["<unk>", "</s>", *words])

    assert spelling.words[2:] == [r"\x3cUNK>", r"\x3cs>", r"\x5cx20", r"a\x20", "<unk"]
    assert spelling.escaped == ["<UNK>", "<s>", r"\x20"]
    assert [unescape(word) for word in spelling.words[2:]] == words


def test_the_unknown_word_is_written_as_asked():
    spelling = WordSpelling(["<unk>", "</s>", "!!UNK", "<UNK>"], unknown="!!UNK")

    assert spelling.words == ["!!UNK", "</s>", r"\x21!UNK", r"\x3cUNK>"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["<s>", "</s>", "<unk>"], ("<unk>", "<s>", "</s>")),
        (["<s>", "</s>", "<UNK>", "!!UNK"], ("<UNK>", "<s>", "</s>")),
        (["</s>", "a"], (None, None, "</s>")),
        (["!ENTER", "!EXIT", "!!UNK"], ("!!UNK", "!ENTER", "!EXIT")),
        (["<S>", "</S>"], (None, "<S>", "</S>")),
        (["!ENTER", "!EXIT", "<s>", "</s>"], (None, "<s>", "</s>")),
    ],
)
def test_special_words_are_found_by_their_usual_spellings(words, found):
    assert SpecialWords().found_in(words, "x.arpa") == SpecialWords(*found)


@pytest.mark.parametrize(
    ("named", "words", "message"),
    [
        (SpecialWords(), ["<s>", "a"], "x.arpa: no </s> among the unigrams; name the word .* with --eos"),
        (SpecialWords(end="!EXIT"), ["</s>"], "x.arpa: '!EXIT', named by --eos, is not among the unigrams"),
        (SpecialWords(start="!ENTER"), ["</s>"], "'!ENTER', named by --bos, is not"),
        (SpecialWords(unknown="oov"), ["</s>"], "'oov', named by --unk, is not"),
        (SpecialWords(), ["</s>", "<unk>", "<UNK>"], "both <unk> and <UNK> are unigrams; .* --unk '<unk>'"),
        (SpecialWords(unknown="oov"), ["</s>", "<unk>", "oov"], "both 'oov' and '<unk>' are unigrams"),
        (SpecialWords(unknown="<s>"), ["<s>", "</s>"], "'<s>' is more than one of the unknown word .--unk., "),
        (SpecialWords(end="<s>"), ["<s>"], "'<s>' is more than one of"),
        (SpecialWords(end="!EXIT"), ["</s>", "!EXIT"], "both '!EXIT' and '</s>' are unigrams"),
    ],
)
def test_ambiguous_special_words_are_refused(named, words, message):
    with pytest.raises(DataError, match=message):
        named.found_in(words, "x.arpa")


def test_of_two_unknown_words_one_is_named():
    words = ["</s>", "<unk>", "<UNK>"]

    assert SpecialWords(unknown="<unk>").found_in(words, "x.arpa").unknown == "<unk>"
