r"""Subtitles: the text of the cues alone, `<i>` and `{\an8}` left out."""

import pytest

from lmctl.errors import DataError
from lmctl.text.formats import TextFormat
from lmctl.text.formats.recognition import recognised
from lmctl.text.formats.subtitles import Subtitles, are_subtitles
from lmctl.text.formats.unpacking import ChunkReader

SUBRIP = """1
00:00:01,000 --> 00:00:02,500
{\\an8}<i>Hello,</i>
my <font color="#fff">friend</font>.

2
00:00:03,000 --> 00:00:04,000 X1:10 X2:20
- 3 < 4 & {curly}
- R&amp;D

3
00:00:05,000 --> 00:00:06,000
42

4
00:00:07,000 --> 00:00:08,000

5
00:00:09,000 --> 00:00:10,000
<i></i>
"""
# The examples of WebVTT, 1, put together.
WEBVTT = """WEBVTT - some subtitles
Kind: captions

NOTE a note
that has two lines

STYLE
::cue { color: red }

REGION
id:fred

1 - an identifier
00:11.000 --> 00:13.000 region:fred align:left
<v Roger Bingham>We are in <b.loud>New York</b> City

00:00:13.000 --> 00:00:16.000
We&rsquo;re at <00:00:14.000>AT&amp;T,
&lt;live&gt;

a block without times
is no cue
"""


def texts(content, size=1000):
    subtitles = Subtitles("a.srt", content)
    lines = content.split("\n")
    found = []
    for start in range(0, len(lines), size):
        found += subtitles.texts(lines[start : start + size], start + 1)
    return [*found, *subtitles.finish()]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_cue_of_subrip_is_a_line(size):
    assert texts(SUBRIP, size) == [
        (3, "Hello, my friend."),
        (8, "- 3 < 4 & {curly} - R&amp;D"),
        (13, "42"),
    ]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_cue_of_webvtt_is_a_line(size):
    assert texts(WEBVTT, size) == [(15, "We are in New York City"), (18, "We’re at AT&T, <live>")]


def test_subrip_as_it_is_found():
    # No blank line before the next number; a blank line inside a cue; a cue without a number; <br>.
    content = (
        "1\n0:0:1.0 --> 0:0:2.0\none\n2\n00:00:03,000 --> 00:00:04,000\ntwo\n\nmore of two\n\n1984\n\n"
        "00:00:05,000 --> 00:00:06,000\nthree<br/>four"
    )
    assert [text for _, text in texts(content)] == ["one", "two", "more of two", "1984", "three four"]


@pytest.mark.parametrize(
    ("start", "so_far", "at_end"),
    [
        (SUBRIP, True, True),
        (WEBVTT, True, True),
        ("WEBVTT\n", True, True),
        ("00:01.000 --> 00:02.000\n", True, True),
        ("WEBVTTX\n", False, False),
        ("1\nmore\n", False, False),
        ("1\nmore", False, False),
        ("12:30 - 13:00\n", False, False),
        ("one\n", False, False),
        # What follows decides.
        ("WEBVTT", None, True),
        ("", None, False),
        ("WEB", None, False),
        ("12", None, False),
        ("1 \r", None, False),
        ("1\n00:00:0", None, False),
        ("00:00:01,000 -", None, False),
    ],
)
def test_the_first_lines_tell_subtitles(start, so_far, at_end):
    assert are_subtitles(start, is_whole=False) is so_far
    assert are_subtitles(start, is_whole=True) is at_end


def test_the_name_tells_subtitles_also_if_other_texts_are_records():
    record = TextFormat("text")
    assert recognised("\n1\n", "a.SRT.gz", record, is_whole=True) == "subtitles"
    assert recognised("1\n", "a.txt", record, is_whole=True) == "json"
    assert recognised(SUBRIP, "standard input", TextFormat(), is_whole=False) == "subtitles"
    # WebVTT and SubRip have other tags.
    assert recognised("WEBVTT", "a.vtt", TextFormat(), is_whole=False) is None
    assert recognised("1", "a.vtt", TextFormat(), is_whole=False) == "subtitles"


def test_a_file_with_the_name_of_subtitles_and_without_cues_is_refused():
    for content in ("plain text\n", "WEBVTT\n\nNOTE nothing\n"):
        with pytest.raises(DataError, match=r"^a\.srt: no subtitles, which its name or its first line promises"):
            texts(content)
    assert texts("") == []


def test_a_number_as_the_first_line_is_not_held_back_from_a_program_that_waits():
    reader = ChunkReader("standard input", "utf-8", "strict", 1000, text_format=TextFormat())
    assert list(reader.feed(b"42\n")) == []
    assert [chunk.lines() for chunk in reader.flush()] == [["42"]]
    assert [chunk.lines() for chunk in reader.feed(b"43\n")] == []
    assert [chunk.lines() for chunk in reader.finish()] == [["43"]]


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize(
    ("content", "expected"), [(SUBRIP[2:], ["Hello, my friend."]), (WEBVTT, ["We’re at AT&T, <live>"])]
)
def test_pieces_of_any_size_give_the_same_text(piece, content, expected):
    reader = ChunkReader("a", "utf-8", "strict", 1000, text_format=TextFormat())
    content = content.encode()
    chunks = [
        chunk for start in range(0, len(content), piece) for chunk in reader.feed(content[start : start + piece])
    ]
    lines = [line for chunk in [*chunks, *reader.finish()] for line in chunk.lines()]
    assert set(expected) < set(lines)
    assert not any("-->" in line for line in lines)


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_subtitles_are_chunks_with_the_lines_of_the_file(piece, encoding):
    content = SUBRIP.replace("\n", "\r\n").encode(encoding)
    reader = ChunkReader("standard input", encoding, "strict", 1000, text_format=TextFormat())
    chunks = [
        chunk for start in range(0, len(content), piece) for chunk in reader.feed(content[start : start + piece])
    ]
    (chunk,) = [*chunks, *reader.finish()]
    assert chunk.lines() == ["Hello, my friend.", "- 3 < 4 & {curly} - R&amp;D", "42"]
    assert [chunk.line_number(place) for place in range(3)] == [3, 8, 13]
