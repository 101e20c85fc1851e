"""Lines of user dictionaries, read as jieba 0.42.1 reads them: `^(.+?)( [0-9]+)?( [a-z]+)?$`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.errors import DataError
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import make_segmenter
from lmctl.text.user_dictionary import (
    UserWord,
    decode_user_dictionary,
    encode_user_dictionary,
    normalized,
    parse_user_dictionary,
    remarks,
)

ENGINES = ["rjieba", "jieba"]


def parse(*lines):
    return parse_user_dictionary(lines, "user.txt")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("云计算 5", UserWord("云计算", 5)),
        ("李小福 2 nr", UserWord("李小福", 2, "nr")),
        ("创新办 i", UserWord("创新办", None, "i")),
        ("easy_install", UserWord("easy_install")),
        ("韩玉赏鉴 3 nz\r", UserWord("韩玉赏鉴", 3, "nz")),
        # A tag has small letters alone.
        ("Criminal Minds", UserWord("Criminal Minds")),
        ("Criminal Minds 20 nz", UserWord("Criminal Minds", 20, "nz")),
        ("New York n", UserWord("New York", None, "n")),
        ("词 3 NR", UserWord("词 3 NR")),
        ("词 3 n x", UserWord("词 3 n", None, "x")),
        # One space, and digits of ASCII.
        ("词  3", UserWord("词", 3)),
        ("词 ３", UserWord("词 ３")),
        ("2024 5", UserWord("2024", 5)),
        # A TAB ends the word, which jieba would take for a part of it.
        ("丁香\t125472", UserWord("丁香", 125472)),
        ("丁香\t125472\tn", UserWord("丁香", 125472, "n")),
        ("Louis Vuitton\t3 nz", UserWord("Louis Vuitton", 3, "nz")),
        ("丁香\t125472s", UserWord("丁香", 125472, None, ignored="s")),
        ("丁香\tN\t5", UserWord("丁香", None, None, ignored="N\t5")),
    ],
)
def test_a_line_is_read_as_jieba_reads_it(line, word):
    read = parse("", "  ", line)
    assert read == [UserWord(word.word, word.frequency, word.tag, 3, word.ignored)]


@given(st.from_regex(re.compile(r"[a词A]{1,3}( [a词A0-9]{1,3}){0,3}"), fullmatch=True))
def test_without_tabs_the_fields_are_those_of_jiebas_expression(line):
    word, frequency, tag = re.match("^(.+?)( [0-9]+)?( [a-z]+)?$", line).groups()
    if frequency is not None and int(frequency) == 0:
        with pytest.raises(DataError):
            parse(line)
        return
    expected = UserWord(word, None if frequency is None else int(frequency), tag and tag.strip(), 1)
    assert parse(line) == [expected]


@pytest.mark.parametrize("frequency", ["0", "99999999999", "9" * 5000])
def test_a_frequency_out_of_range_is_named(frequency):
    with pytest.raises(DataError) as caught:
        parse("ok", "", f"词 {frequency} n")
    assert str(caught.value).startswith(f"user.txt: line 3: frequency {frequency[:11]}")
    assert str(caught.value).endswith("expected 1 to 1000000000")
    assert len(str(caught.value)) < 120


def test_a_word_that_is_too_long_is_named():
    assert len(parse("词" * 128)[0].word) == 128
    with pytest.raises(DataError) as caught:
        parse("ok", "词" * 129)
    with pytest.raises(DataError, match="line 1: a word of 180 characters"):
        # NFKC makes 18 characters of each.
        normalized(parse("\ufdfa" * 10), Normalization("nfkc", False), "user.txt")
    assert str(caught.value) == f"user.txt: line 2: a word of 129 characters, '{'词' * 30}...'; the limit is 128"


def test_a_stored_dictionary_is_read_again():
    words = [UserWord("criminal minds", None, None, 1), UserWord("词", 5, "n", 2), UserWord("*ST", 7, None, 3)]
    assert decode_user_dictionary(encode_user_dictionary(words)) == words


@pytest.mark.parametrize(
    "content", ["词 5 n\n", "\t\t\n", " \t5\t\n", "词\tx\t\n", "词\t0\t\n", "词" * 129 + "\t\t\n"]
)
def test_a_stored_dictionary_is_checked(content):
    with pytest.raises(DataError):
        decode_user_dictionary(content.encode())


def test_a_stored_dictionary_is_utf_8():
    with pytest.raises(DataError, match="the model's user dictionary is damaged"):
        decode_user_dictionary(b"\xff\t\t\n")


@pytest.mark.parametrize("engine", ENGINES)
def test_words_of_any_characters_are_found(engine):
    lines = {
        "*ST舜船 1000": ("*ST舜船停牌", "*ST舜船 停牌"),
        "[/白眼]": ("好[/白眼]了", "好 [/白眼] 了"),
        "迈克尔·乔丹": ("迈克尔·乔丹退役", "迈克尔·乔丹 退役"),
        "A/B测试": ("做A/B测试", "做 A/B测试"),
        "小明(同学)": ("问小明(同学)吧", "问 小明(同学) 吧"),
        "Criminal Minds": ("我看Criminal Minds", "我 看 Criminal_Minds"),
        "café": ("去café吧", "去 café 吧"),
        # Letters of the set that jieba joins.
        "C++": ("我用C++编程", "我用 C++ 编程"),
        ".NET": ("学.NET编程", "学 .NET 编程"),
        "3D打印": ("用3D打印编程", "用 3D打印 编程"),
    }
    segmenter = make_segmenter("jieba", engine, encode_user_dictionary(parse(*lines)))
    assert {line: " ".join(segmenter.segment(line)) for line, _ in lines.values()} == dict(lines.values())


@pytest.mark.parametrize(
    ("form", "lowercase", "entry", "line", "token"),
    [
        ("nfc", True, "iPhone手机 1000", "他买了iPhone手机", "iphone手机"),
        ("nfkc", False, "Ａ股市场 1000", "买Ａ股市场", "A股市场"),
        ("nfc", False, "cafe\u0301馆", "去café馆", "café馆"),
        ("nfc", True, "Criminal Minds", "我看CRIMINAL MINDS", "criminal_minds"),
    ],
)
def test_words_are_normalized_as_the_text_is(form, lowercase, entry, line, token):
    normalization = Normalization(form, lowercase)
    content = encode_user_dictionary(normalized(parse(entry), normalization, "user.txt"))
    assert token in make_segmenter("jieba", "rjieba", content).segment(normalization(line))


def test_remarks_name_a_line_of_each_kind():
    words = parse(
        "Criminal Minds", "Louis Vuitton", "丁香\t125472s", "*ST舜船 1000", "[/白眼]", "云计算 5", "a·b 3"
    )
    literal = [word for word in words if not word.is_joined]
    assert remarks(words, literal, [words[5]]) == [
        "line 3: read as '丁香', frequency 125472; 's' is left out",
        (
            "line 1: 'Criminal Minds' has white space inside, and a word of a model has none: "
            "it becomes 'Criminal_Minds' (2 such lines)"
        ),
        (
            "line 4: '*ST舜船' has characters inside that jieba does not join: lmctl searches for it before "
            "jieba cuts, and its frequency has no effect (2 such lines)"
        ),
        (
            "line 6: '云计算' is cut even if it stands alone, so it is never found; "
            "with a higher frequency or none it would be"
        ),
    ]
    plain = parse("云计算", "[/白眼]", "C++ 5 n")
    assert remarks(plain, plain[1:2]) == []
