import pytest

from lmctl.text.segmentation import make_segmenter


def words(line):
    return make_segmenter("words").segment(line)


def test_the_example_of_uax_29():
    # UAX #29 of Unicode 16, figure 1: word boundaries of "The quick ("brown") fox can't jump 32.3 feet, right?"
    tokens = words("The quick (\u201cbrown\u201d) fox can\u2019t jump 32.3 feet, right?")
    assert " ".join(tokens) == "The quick ( \u201c brown \u201d ) fox can\u2019t jump 32.3 feet , right ?"


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        # UAX #29, table 3 and rules WB6 to WB13: apostrophes, points and commas inside; a hyphen and % outside.
        ("don't well-known 1,000.5 95% a_b U.S.A.", "don't well - known 1,000.5 95 % a_b U.S.A ."),
        ('"Hi," she said...', '" Hi , " she said . . .'),
        ("na\u00efve cafe\u0301s \u00fcber", "na\u00efve cafe\u0301s \u00fcber"),
        ("привет, мир!", "привет , мир !"),
        ("한국어 문장이다.", "한국어 문장이다 ."),
        ("हिन्दी है।", "हिन्दी है ।"),
        # Emoji joined by U+200D, with a skin tone, and a flag of two letters (UTS #51).
        (
            "\U0001f469\u200d\U0001f467\U0001f44d\U0001f3fd\U0001f1e9\U0001f1ea",
            "\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea",
        ),
    ],
)
def test_words_of_scripts_with_spaces(line, tokens):
    assert words(line) == tokens.split(" ")


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("see http://a.org/b?c=1#d, or", "see http://a.org/b?c=1#d , or"),
        ("(www.a.org/b_(c)).", "( www.a.org/b_(c ) ) ."),
        ("WWW.A.ORG! ftp://x", "WWW.A.ORG ! ftp://x"),
        # Whether it is an address does not depend on another one in the line.
        ("Www.a.org/b wWW.a.org/b", "Www.a.org/b wWW.a.org/b"),
        ("WwW.a.org/b", "WwW.a.org / b"),
        ("WwW.a.org/b ftp://x", "WwW.a.org / b ftp://x"),
        ("见http://a.cn/x的网页", "见 http://a.cn/x 的 网页"),
        ('<a href="http://a.org">', '< a href = " http://a.org " >'),
        ("to me.you+x@mail.a-b.org.", "to me.you+x@mail.a-b.org ."),
        ("邮箱a@b.com。", "邮箱 a@b.com 。"),
        ("http:// www. @ x@y", "http : / / www . @ x @ y"),
    ],
)
def test_addresses_are_whole(line, tokens):
    assert words(line) == tokens.split(" ")


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("#nlp (#ok) @you_2", "#nlp ( #ok ) @you_2"),
        ("#हिन्दी", "#हिन्दी"),
        ("C# #1 a#b ##c", "C # # 1 a # b # #c"),
        ("# a @ b", "# a @ b"),
        # These words end in a mark: a vowel sign, an accent.
        ("हिन्दी#टैग cafe\u0301@x", "हिन्दी # टैग cafe\u0301 @ x"),
        ("#编程# 编程#nlp", "# 编程 # 编程 #nlp"),
    ],
)
def test_a_hashtag_and_a_mention_are_whole(line, tokens):
    assert words(line) == tokens.split(" ")


def test_han_characters_are_cut_by_jieba_and_other_scripts_are_not():
    line = "编写Python3代码, don't 买T恤。"
    assert words(line) == ["编写", "Python3", "代码", ",", "don't", "买", "T", "恤", "。"]
    # T恤 is a word of jieba's dictionary.
    assert make_segmenter("jieba").segment("don't 买T恤。") == ["don", "'", "t", "买", "T恤", "。"]


def test_kana_and_thai_are_cut_into_grapheme_clusters():
    # Thai vowels and marks above a consonant belong to its cluster (UAX #29, table 1a).
    assert words("สวัสดี OK") == ["ส", "วั", "ส", "ดี", "OK"]
    assert words("コーヒーを飲む") == [*"コーヒーを", "飲", "む"]
    assert words("か\u3099") == ["か\u3099"]


def test_reserved_words_are_found_first():
    assert words("<s> a<unk>, <unk></s>") == ["<s>", "a", "<unk>", ",", "<unk>", "</s>"]


def test_white_space_and_marks_after_it():
    assert words(" a\t\u3000b\xa0\u0301c \x1c") == ["a", "b", "\u0301", "c"]


def test_user_words():
    dictionary = "云计算平台\t\t\nC++\t\t\nNew York\t\t\n".encode()
    segmenter = make_segmenter("words", user_dictionary=dictionary)
    assert segmenter.segment("云计算平台用C++, in New York") == ["云计算平台", "用", "C++", ",", "in", "New_York"]
    assert words("云计算平台用C++") == ["云", "计算", "平台", "用", "C", "+", "+"]


@pytest.mark.parametrize(
    "line", ["a" * 200_000 + "@", "a." * 100_000 + "@", "h://" + "." * 200_000, "www." * 50_000]
)
def test_a_long_run_is_cut_in_linear_time(line):
    # A search that starts anew at each character of a run would take minutes.
    assert "".join(words(line)) == line
