import pytest

from lmctl.text.encoding_guess import doubt, encodings_that_read

# Sentences of several languages, each with the usual encodings of the language.
SIMPLIFIED = "我爱编程，编程是一种艺术。艺术是人类创造的。\n"
TRADITIONAL = "我愛程式設計，這是一種藝術。藝術是人類創造的。\n"
JAPANESE = "これは日本語の文章です。漢字も含みます。\n"
KOREAN = "안녕하세요 세계 여러분\n"
FRENCH = "Le café est très près de la forêt, où l'été s'achève.\n"


@pytest.mark.parametrize(
    ("text", "written", "read"),
    [
        (SIMPLIFIED, "gb2312", "gb18030"),
        (SIMPLIFIED, "utf-16", "utf-16"),
        (SIMPLIFIED, "utf-16-le", "utf-16-le"),
        (SIMPLIFIED, "utf-16-be", "utf-16-be"),
        ("plain English\n", "utf-16-le", "utf-16-le"),
        (TRADITIONAL, "big5", "big5"),
        (JAPANESE, "cp932", "cp932"),
        (JAPANESE, "euc-jp", "euc-jp"),
        (FRENCH, "latin-1", "cp1252"),
        ("It’s “done” – at last…\n", "cp1252", "cp1252"),
    ],
)
def test_text_that_is_not_utf8_is_recognised(text, written, read):
    assert encodings_that_read(text.encode(written), "utf-8")[0] == read


def test_korean_could_be_chinese_by_its_bytes_and_both_are_named():
    assert set(encodings_that_read(KOREAN.encode("euc-kr"), "utf-8")) >= {"cp949", "gb18030"}


@pytest.mark.parametrize("encoding", ["gb2312", "gbk", "GBK", "cp936"])
def test_a_vendors_addition_is_in_the_whole_standard(encoding):
    # 㐂 and the four-byte 𠮷 are in GB 18030 alone.
    content = "这个字是㐂，那个字是𠮷\n".encode("gb18030")
    with pytest.raises(UnicodeDecodeError):
        content.decode(encoding)
    assert encodings_that_read(content, encoding) == ["gb18030"]


def test_utf8_that_was_read_as_another_encoding_is_recognised():
    for encoding in ("gb18030", "ascii", "big5", "cp1252"):
        assert encodings_that_read(SIMPLIFIED.encode(), encoding) == ["utf-8"]


def test_no_encoding_is_named_for_damaged_utf8_or_for_a_few_bytes():
    damaged = SIMPLIFIED.encode() * 3
    assert encodings_that_read(damaged[1:], "utf-8") == []
    assert encodings_that_read(damaged[:-3], "utf-8") == []
    assert encodings_that_read(b"30 \xb0C\n", "utf-8") == []
    assert encodings_that_read(b"a stray \0 in plain text\n", "utf-8") == []
    assert encodings_that_read(b"a\0b\n", "utf-8") == []
    assert encodings_that_read(bytes(range(256)) * 4, "utf-8") == []


def test_the_encoding_that_was_named_is_never_suggested():
    for encoding in ("gb18030", "cp949", "cp1252", "euc-jp", "cp932", "big5", "utf-8"):
        for text, written in [(SIMPLIFIED, "gb2312"), (KOREAN, "euc-kr"), (FRENCH, "cp1252"), (JAPANESE, "cp932")]:
            assert encoding not in encodings_that_read(text.encode(written) + b"\xff\n", encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "latin-1"),
        (SIMPLIFIED, "koi8-r"),
        ("é è é\n", "cp1252"),
        ("中文 中文 中文\n", "gb18030"),
        ("plain English.\n" * 20, "utf-16-le"),
    ],
)
def test_utf8_that_is_read_as_something_else_is_doubted(text, encoding):
    text.encode().decode(encoding)
    assert doubt(text.encode(), encoding) == (
        f"valid utf-8, but read as {encoding}; if words come out wrong, --encoding utf-8 is right"
    )


def test_plain_english_that_is_read_as_utf_16_is_doubted():
    assert doubt(b"plain English, which is UTF-8 too.\n" * 20, "utf-16-le") is not None
    # This encoding cannot be read at all; it has its own message.
    assert doubt(b"plain English, which is UTF-8 too.\n" * 10, "utf-16") is None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED * 20, "utf-16"),
        (SIMPLIFIED * 20, "utf-16-be"),
        (TRADITIONAL, "big5"),
        (FRENCH, "latin-1"),
        ("plain English\n", "latin-1"),
        ("It’s “done”\n", "cp1252"),
        (JAPANESE, "euc-jp"),
    ],
)
def test_there_is_no_warning_if_the_text_has_the_encoding_that_was_named(text, encoding):
    assert doubt(text.encode(encoding), encoding) is None


def test_the_quotation_marks_of_windows_are_control_characters_in_latin_1():
    assert doubt("It’s “done”\n".encode("cp1252"), "latin-1") == (
        "has control characters of latin-1; if they are quotation marks, --encoding cp1252 reads them"
    )
    assert doubt(b"a line of NEL\x85", "latin-1") is None
