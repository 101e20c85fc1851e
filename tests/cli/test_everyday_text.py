"""Chat in two languages, subtitles, tables, and scripts without spaces: trained on, and then queried.

docs/text.md says how such text is read. Models are n-grams, so a word that has followed its context is more
probable than one that never has.
"""

from __future__ import annotations

import csv
import io
import json

import pytest
from zstd_module import zstd

CHAT = [
    "The meeting is at 3:30 今天下午, ok?",
    "ok, I just left the 实验室 😂",
    "Read https://example.org/plan?d=3 first, @bob!",
    "The meeting is too long\nand I don't like 开会 #tired",
    "The meeting is at the 实验室 today.",
]
RECORDS = "".join(
    json.dumps({"id": number, "message": {"text": text}}, ensure_ascii=number % 2 == 0) + "\n"
    for number, text in enumerate(CHAT)
).encode()
SRT = rb"""1
00:00:01,000 --> 00:00:02,500
<i>The ship</i> leaves
at dawn.

2
00:00:03,000 --> 00:00:04,000
{\an8}- The ship leaves at noon!

3
00:00:05,000 --> 00:00:06,000
No, the ship leaves at dawn.

4
00:00:07,000 --> 00:00:08,000
<font color="#ffff00">Then we leave at dawn.</font>
"""
VTT = b"""WEBVTT - a talk

NOTE nothing of this is said

STYLE
::cue { color: red }

first
00:01.000 --> 00:02.000 align:start
<v Ada>Salt &amp; pepper, please.</v>

00:03.000 --> 00:04.000
<v Bob>Salt &amp; pepper?
<c.loud>No, thanks.</c>

00:05.000 --> 00:06.000
No, thanks. Salt &amp; pepper!
"""


@pytest.fixture
def train(call, write, tmp_path):
    """`train(name, content, *options)`: the model of a text, and the messages of its training."""

    def trained(name, content, *options):
        options = (*options, "--set", "model.family=ngram", "--valid-fraction", "0", "-v")
        finished = call("train", write(name, content), "-o", tmp_path / f"model of {name}", *options)
        assert finished.code == 0, finished.err
        return tmp_path / f"model of {name}", finished.err

    return trained


def best(call, model, *contexts):
    """The most probable next word after each context."""
    return call("predict", "-m", model, "-k", "1", "--format", "words", *contexts).lines


def located(call, model, path):
    """The words of the only line of a file with their places, and those outside the vocabulary."""
    rows = [json.loads(row) for row in call("surprisal", "-m", model, "--no-eos", "--json", path).lines]
    line = path.read_text(encoding="utf-8").rstrip("\n")
    assert [row["word"] for row in rows] == [line[row["start"] : row["end"]] for row in rows]
    return [(row["word"], row["start"]) for row in rows], [row["word"] for row in rows if row["oov"]]


@pytest.mark.parametrize(
    ("name", "content"), [("chat.jsonl", RECORDS), ("chat.zst", zstd.compress(RECORDS))], ids=["jsonl", "zst"]
)
def test_chat_in_two_languages_in_json_lines(call, write, train, name, content):
    model, messages = train(name, content, "--field", "message.text")

    assert "a part of the text is Chinese, so its words are cut apart (--segmenter words)" in messages
    assert best(call, model, "The meeting is at the", "and I don't like", "ok, I just left the 实验室") == [
        "实验室",
        "开会",
        "😂",
    ]
    # Places count code points: the face is one.
    words, unknown = located(
        call, model, write("line.txt", "Read https://example.org/plan?d=3,  @bob 😂 tired 实验室.\n".encode())
    )
    assert words == [
        *[("Read", 0), ("https://example.org/plan?d=3", 5), (",", 33), ("@bob", 36), ("😂", 41)],
        *[("tired", 43), ("实验室", 49), (".", 52)],
    ]
    assert unknown == ["tired"]
    generate = ("generate", "-m", model, "--seed", "3")
    assert call(*generate, "--top-k", "1", "--tokens", "ok,").lines == ["ok , I just left the 实验室 😂"]
    assert call(*generate, "--top-k", "1", "The meeting is at 3:30").lines == [
        "The meeting is at 3:30今天下午, ok?"
    ]
    assert call(*generate, "-n", "3", "The").out == call(*generate, "-n", "3", "The").out
    ranked = call("rank", "-m", model, "today 实验室 the.", "the 实验室 today.", "--format", "plain")
    assert ranked.lines == ["the 实验室 today.", "today 实验室 the."]


@pytest.mark.parametrize(
    ("name", "content", "context", "word", "text", "line", "words", "unknown"),
    [
        (
            *("film.srt", SRT, "The ship leaves at", "dawn", "The ship leaves at dawn."),
            "Then <i>the ship",
            [("Then", 0), ("<", 5), ("i", 6), (">", 7), ("the", 8), ("ship", 12)],
            ["<", "i", ">"],
        ),
        (
            *("talk.vtt", VTT, "Salt &", "pepper", "Salt & pepper, please."),
            "Bob: Salt & pepper!",
            [("Bob", 0), (":", 3), ("Salt", 5), ("&", 10), ("pepper", 12), ("!", 18)],
            ["Bob", ":"],
        ),
    ],
    ids=["srt", "vtt"],
)
def test_subtitles(call, write, train, name, content, context, word, text, line, words, unknown):
    model, messages = train(name, content)

    assert "words end in punctuation marks" in messages
    assert best(call, model, context) == [word]
    # Tags and names of speakers are not in the vocabulary.
    assert located(call, model, write("line.txt", f"{line}\n".encode())) == (words, unknown)
    assert call("generate", "-m", model, "--seed", "1", "--top-k", "1", context.split()[0]).lines == [text]
    ranked = call("rank", "-m", model, " ".join(reversed(text.split())), text, "--best", "--format", "plain")
    assert ranked.lines == [text]


def test_a_column_of_a_table(call, write, train):
    file = io.StringIO()
    reviews = [
        "Good tea, good cake.",
        '"Good" tea? No,\nbad tea.',
        "Good tea.",
        "The tea is good, the cake is good.",
    ]
    csv.writer(file).writerows([["id", "review"], *enumerate(reviews)])
    model, messages = train("reviews.csv", file.getvalue().encode(), "--column", "review")

    assert "words end in punctuation marks, such as 'tea.'" in messages
    # `bad` begins a line of the text.
    assert best(call, model, "Good", "bad", "The tea is good, the cake is") == ["tea", "tea", "good"]
    assert located(call, model, write("line.txt", b'A "Good"  cake, id\n')) == (
        [("A", 0), ('"', 2), ("Good", 3), ('"', 7), ("cake", 10), (",", 14), ("id", 16)],
        ["A", "id"],
    )
    generated = call("generate", "-m", model, "--seed", "1", "--top-k", "1", "The tea", "No")
    assert generated.lines == ["The tea is good, the cake is good.", "No,"]
    ranked = call("rank", "-m", model, "tea bad.", "bad tea.", "--best", "--format", "plain")
    assert ranked.lines == ["bad tea."]


def test_thai_and_kana_are_cut_into_characters_with_one_warning(call, write, train):
    lines = ["แมวกินปลาตัวใหญ่"] * 2 + ["ねこがさかなをたべる"] * 3
    model, messages = train("lines.txt", "".join(f"{line}\n" for line in lines).encode())

    assert messages.count("scripts without spaces whose words lmctl does not know") == 1
    assert "100 % of the characters" in messages
    assert best(call, model, "แมวกิ", "ねこがさか") == ["น", "な"]
    # A vowel sign above its consonant belongs to the same character.
    words, unknown = located(call, model, write("line.txt", "ねこ กิน\n".encode()))
    assert (words, unknown) == ([("ね", 0), ("こ", 1), ("กิ", 3), ("น", 5)], [])
    generated = call("generate", "-m", model, "--seed", "1", "--top-k", "1", "แมว", "ねこ")
    assert generated.lines == lines[1:3]
    ranked = call("rank", "-m", model, "かなをさたべる", "さかなをたべる", "--best", "--format", "plain")
    assert (ranked.lines, ranked.err) == (["さかなをたべる"], "")


def test_sources_of_several_forms_are_one_text(call, write, train, tmp_path):
    write("film.srt", SRT)
    write("reviews.csv", b'review\n"The ship, too, is good."\n')
    others = (tmp_path / "film.srt", tmp_path / "reviews.csv")

    model, messages = train(
        "chat.zst", zstd.compress(RECORDS), *others, "--field", "message.text", "--column", "review"
    )

    assert "a part of the text is Chinese, so its words are cut apart (--segmenter words)" in messages
    contexts = ("The meeting is at the", "The ship leaves at", "The ship, too, is")
    assert best(call, model, *contexts) == ["实验室", "dawn", "good"]
