"""Paragraphs cut into sentences."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import MissingExtraError
from lmctl.text.formats import TextFormat
from lmctl.text.formats.sentences import sentence_splitter
from lmctl.text.formats.unpacking import ChunkReader, unpacked_start

PARAGRAPHS = TextFormat(line="paragraph")


@pytest.mark.parametrize(
    "sentences",
    [
        ["Mr. Smith went to Washington.", "He met Dr. Jones."],
        ["The U.S. Senate met at 3 p.m. on Monday.", "It rose by 3.5 percent."],
        ['"Go!" he said.', "Nobody moved."],
        ["She came from the U.S.", "He did not."],
        ["We sell fruit, e.g. apples and pears, i.e. food.", "Prices vary."],
        ["What?!", "No way...", "Really?"],
        ["J. K. Rowling wrote it."],
        ["Visit www.example.com.", "It is free."],
        ["The company, Acme Inc. of Ohio, lost $4.5 million.", "Shares fell."],
        ["Is it true?", "“Yes,” she said.", "“It is!”"],
    ],
)
def test_english(sentences):
    assert sentence_splitter()("  " + " ".join(sentences) + "\r") == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["今天天气很好。", "我们去公园吧！", "好吗？"],
        ["他说：“你好。”", "然后走了。"],
        ["价格是3.5元。", "涨了吗？"],
        ["真的吗？！", "（完）"],
        ["日本語です。", "そうです！"],
    ],
)
def test_chinese_and_japanese_have_no_spaces_between_sentences(sentences):
    assert sentence_splitter()("".join(sentences)) == sentences


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_character_is_lost_except_white_space(paragraph):
    sentences = sentence_splitter()(paragraph)
    assert "".join("".join(sentences).split()) == "".join(paragraph.split())
    assert all(sentences) or sentences == [""]


@pytest.mark.parametrize("piece", [1, 1000])
def test_each_line_is_a_paragraph_and_its_sentences_have_its_number(piece):
    content = "One. Two!\r\n\n编程。是的？\nno end".encode()
    reader = ChunkReader("a", "utf-8", "strict", 1000, text_format=PARAGRAPHS)
    chunks = [
        chunk for start in range(0, len(content), piece) for chunk in reader.feed(content[start : start + piece])
    ]
    lines = [
        (chunk.line_number(place), line)
        for chunk in [*chunks, *reader.finish()]
        for place, line in enumerate(chunk.lines())
    ]
    assert lines == [(1, "One."), (1, "Two!"), (2, ""), (3, "编程。"), (3, "是的？"), (4, "no end")]


def test_the_texts_of_records_are_paragraphs_too():
    records = b'{"text": "One. Two.\\nThree. Four."}\n'
    text_format = TextFormat("text", line="paragraph")
    reader = ChunkReader("a", "utf-8", "strict", 1000, text_format=text_format)
    chunks = [*reader.feed(records), *reader.finish()]
    assert [line for chunk in chunks for line in chunk.lines()] == ["One.", "Two.", "Three.", "Four."]
    assert unpacked_start([b"One. Two.\nThr"], "a", "utf-8", "strict", PARAGRAPHS, 100) == "One.\nTwo.\n"


def test_without_its_package_paragraphs_are_refused_with_the_name_of_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencex", None)
    with pytest.raises(MissingExtraError) as caught:
        sentence_splitter()
    assert str(caught.value) == (
        "--line paragraph (text.line) needs the package sentencex, which is not installed: "
        "pip install 'lmctl[sentences]'"
    )
