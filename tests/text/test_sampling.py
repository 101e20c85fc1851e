import gzip
import io
import itertools
import os
import sys
import threading

import pytest
from waiting import LONGEST_SECONDS

from lmctl.errors import InputMissingError
from lmctl.text import sampling
from lmctl.text.formats import TextFormat
from lmctl.text.reading import read_chunks
from lmctl.text.sampling import PIPE_BYTES, PLACE_BYTES, PLACES, SampledSources

ALL = PLACES * PLACE_BYTES


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def fifo(tmp_path):
    """A FIFO. On request, its writer opens it and writes a whole content."""
    writers = []

    def fifo(name, content, after=None):
        path = tmp_path / name
        os.mkfifo(path)

        def put():
            if after is not None:
                after.join()
            path.write_bytes(content)

        writers.append(threading.Thread(target=put, daemon=True))
        writers[-1].start()
        return str(path), writers[-1]

    yield fifo
    for writer in writers:
        writer.join(LONGEST_SECONDS)
        assert not writer.is_alive()


def whole(sampled, paths):
    return b"".join(chunk.content for chunk in read_chunks(paths, read=sampled.pieces))


def test_short_sources_are_sampled_whole_in_the_order_of_their_names(write):
    paths = [write("b", "two\n"), write("a", "one\n")]
    assert SampledSources(paths, "utf-8").text().split() == ["one", "two"]
    assert SampledSources(paths[::-1], "utf-8").text() == SampledSources(paths, "utf-8").text()


def test_a_source_has_the_share_of_the_sample_that_it_has_of_the_bytes(write):
    line = "{} 2345678\n"
    paths = [write("a", line.format("a") * 300_000), write("b", line.format("b") * 100_000), write("c", "c\n")]
    text = SampledSources(paths, "utf-8").text()

    assert len(text) <= ALL
    assert text.count("a") / text.count("b") == pytest.approx(3, rel=0.05)
    assert SampledSources(paths[::-1], "utf-8").text() == text


def test_places_are_spread_over_a_file(write):
    path = write("numbers", "".join(f"{number}\n" for number in range(1_000_000)))
    numbers = [int(line) for line in SampledSources([path], "utf-8").text().split()]

    assert numbers == sorted(numbers)
    # Lines that are cut at the ends of a piece are left out.
    assert numbers[0] > 0
    steps = [later - earlier for earlier, later in itertools.pairwise(numbers)]
    assert sum(step > 1 for step in steps) == PLACES - 1
    assert max(steps) < 2 * 1_000_000 / PLACES


def test_a_compressed_file_is_sampled_at_its_start(write):
    text = "".join(f"{number}\n" for number in range(500_000))
    sampled = SampledSources([write("text.gz", gzip.compress(text.encode()))], "utf-8")
    numbers = [int(line) for line in sampled.text().split()]

    assert numbers == list(range(1, len(numbers) + 1))
    assert whole(sampled, [sampled._sources[0].path]) == text.encode()


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "utf-8-sig"])
def test_text_is_decoded_as_it_will_be(write, encoding):
    text = "语言模型根据前面的词语来预测下一个词。\n" * 20_000
    sample = SampledSources([write("text", text.encode(encoding))], encoding).text()

    assert set(sample) == set(text)
    assert len(sample) > 20_000


def test_a_compressed_file_without_its_suffix_is_decompressed_too(write):
    text = "语言模型\n" * 10
    assert SampledSources([write("text", gzip.compress(text.encode()))], "utf-8").text() == text


def test_cr_ends_lines(write):
    assert SampledSources([write("text", b"one\rtwo\r\nthree\r")], "utf-8").text().split("\n")[:2] == [
        "one",
        "two",
    ]


def test_a_byte_that_is_not_text_is_left_to_the_reader(write):
    assert SampledSources([write("text", b"caf\xe9 au lait\n")], "utf-8").text() == "caf au lait\n"


@pytest.mark.parametrize("size", [10, 3 * PIPE_BYTES])
def test_a_pipe_is_read_once_and_whole(fifo, write, size):
    content = b"word " * (size // 5)
    path, _ = fifo("pipe", content)
    sampled = SampledSources([write("a", "first "), path], "utf-8")

    assert sampled.text().count("word") >= min(size // 5, 1_000)
    assert whole(sampled, [path]) == content


def test_standard_input_is_read_once(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the cat\n")))
    sampled = SampledSources(["-"], "utf-8")

    assert sampled.text() == "the cat\n"
    assert whole(sampled, ["-"]) == b"the cat\n"


def test_a_pipe_is_not_opened_while_the_writer_of_an_earlier_one_waits_for_a_reader(fifo):
    # One process that writes two pipes in turn, as `(cat a >one; cat b >two) &`: it opens the second when the
    # first has been read.
    one, writer = fifo("one", b"first " * PIPE_BYTES)
    two, _ = fifo("two", b"second ", after=writer)
    sampled = SampledSources([one, two], "utf-8")

    assert set(sampled.text().split()) <= {"first", "f", "fi", "fir", "firs", "irst", "rst", "st", "t"}
    assert whole(sampled, [one, two]) == b"first " * PIPE_BYTES + b"second "


def test_pipes_that_are_short_are_all_sampled(fifo):
    one, writer = fifo("one", b"first\n")
    two, _ = fifo("two", b"second\n", after=writer)
    sampled = SampledSources([one, two], "utf-8")

    assert sampled.text().split() == ["first", "second"]
    assert whole(sampled, [two, one]) == b"second\nfirst\n"


def test_a_source_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputMissingError, match="no such file"):
        SampledSources([str(tmp_path / "none")], "utf-8")


def test_bytes_that_are_not_text_are_noticed(tmp_path):
    path = tmp_path / "text.txt"
    for content, encoding, is_text in [
        ("我爱编程。\n" * 5, "utf-8", True),
        ("我爱编程。\n" * 50_000, "utf-8", True),
        # A piece that ends inside a character is no error.
        ("我爱编程。" * 50_000, "utf-8", True),
        ("我爱编程。\n" * 5, "gb18030", False),
        ("我爱编程。\n" * 50_000, "gb18030", False),
        ("a\0b\n", "utf-8", False),
    ]:
        path.write_bytes(content.encode(encoding))
        sampled = SampledSources([str(path)], "utf-8")
        sampled.text()
        assert sampled.is_text is is_text


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_records_are_sampled_by_their_text(write, fifo, name):
    records = b"".join(b'{"id": "x", "text": "line %d"}\n' % number for number in range(1000))
    content = gzip.compress(records) if name.endswith(".gz") else records
    path, (pipe, writer) = write(name, content), fifo("pipe", content)
    text_format = TextFormat("text")
    expected = [f"line {number}" for number in range(1000)]

    # The size of the text in a compressed file is estimated, so the sample may end before it.
    found = SampledSources([path], "utf-8", text_format=text_format).text().split("\n")
    assert found[:900] == expected[:900]
    sampled = SampledSources([pipe], "utf-8", text_format=text_format)
    assert sampled.text().split("\n") == [*expected, ""]
    # The pipe is read whole afterwards, and the file has other bytes than its text.
    chunks = read_chunks([pipe], read=sampled.pieces, text_format=text_format)
    assert b"".join(chunk.content for chunk in chunks).decode().split() == " ".join(expected).split()
    writer.join(LONGEST_SECONDS)


def test_a_sample_of_records_is_no_larger_than_that_of_lines(write):
    record = b'{"text": "' + b"word " * 100 + b'"}\n'
    path = write("a.jsonl", record * 2000)
    text = SampledSources([path], "utf-8", text_format=TextFormat("text")).text()
    assert len(text) <= ALL
    assert set(text.split()[:-1]) == {"word"}


CUE = "00:00:0{0},000 --> 00:00:0{0},500\n{1}"


@pytest.mark.parametrize(
    ("name", "content", "text_format"),
    [
        ("a.srt", f"1\n{CUE.format(1, 'One.')}\n\n2\n{CUE.format(2, 'Last.')}", TextFormat()),
        ("a.vtt", f"WEBVTT\n\n{CUE.format(1, 'One.')}\n\n{CUE.format(2, 'Last.')}", TextFormat()),
        ("a.jsonl", '{"text": "One."}\n{"text": "Last."}', TextFormat("text")),
        ("a.csv", 'id,text\n1,One.\n2,"Last."', TextFormat(column="text")),
        ("a.tsv", "One.\t1\nLast.\t2", TextFormat(column="1")),
        ("a.txt", "One. Last.", TextFormat(line="paragraph")),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
@pytest.mark.parametrize("source", ["file", "gzip", "pipe"])
def test_the_last_record_is_sampled_with_and_without_a_line_end(
    write, fifo, tmp_path, name, content, text_format, end, source
):
    content = (content + end).encode()
    writer = None
    if source == "pipe":
        path, writer = fifo(name, content)
    else:
        path = write(name, gzip.compress(content) if source == "gzip" else content)

    sampled = SampledSources([path], "utf-8", text_format=text_format)
    assert sampled.text().split() == ["One.", "Last."]
    chunks = read_chunks([path], read=sampled.pieces, text_format=text_format)
    assert b"".join(chunk.content for chunk in chunks).split() == [b"One.", b"Last."]
    if writer is not None:
        writer.join(LONGEST_SECONDS)


def test_a_record_that_a_pipe_has_not_written_yet_is_left_out(monkeypatch):
    """The bytes read ahead from a pipe may end inside a record."""
    content = b'{"text": "One."}\n{"text": "Last."}\n'
    monkeypatch.setattr(sampling, "PIPE_BYTES", 20)
    monkeypatch.setattr(sampling, "read_pieces", lambda *_: iter([content[:20], content[20:]]))
    assert SampledSources(["-"], "utf-8", text_format=TextFormat("text")).text().split() == ["One."]
