"""`lmctl prepare`."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma

import pytest
from zstd_module import zstd

from lmctl.corpus.prepared import PreparedCorpus

TEXT = b"the cat sat\n\nthe dog sat on the mat\nThe cat\n"


@pytest.fixture
def text(write):
    return write("text.txt", TEXT)


def prepared(folder):
    """The words of a prepared corpus by falling count, and its token ids."""
    corpus = PreparedCorpus.open(folder)
    return corpus.vocabulary.words, corpus.train.tolist()


def test_the_summary_is_on_standard_output_and_the_warning_is_not(call, text, tmp_path):
    finished = call("prepare", text, "-o", tmp_path / "prepared", "--vocab-size", "5", "--valid-fraction", "0")

    assert finished.code == 0
    assert finished.rows == [
        ["name", "value"],
        ["vocabulary", "5"],
        ["segmenter", "space"],
        ["train_lines", "3"],
        ["train_words", "11"],
        ["train_tokens", "14"],
        # the, cat, sat are in; dog, on, mat and The are not: 4 of 11.
        ["train_oov_rate", "0.363636"],
        ["valid_lines", "0"],
        ["valid_words", "0"],
        ["valid_tokens", "0"],
        ["valid_oov_rate", "0.000000"],
    ]
    assert finished.err == ""


def test_json_is_one_object(call, text, tmp_path):
    held_out = tmp_path / "held out.txt"
    held_out.write_bytes(TEXT)
    finished = call("prepare", text, "-o", tmp_path / "prepared", "--json", "--valid", held_out)

    counts = {"sentences": 3, "words": 11, "oov": 0, "tokens": 14, "oov_rate": 0.0, "characters": 43}
    sha256 = hashlib.sha256(TEXT).hexdigest()
    found = json.loads(finished.out)
    assert list(found) == ["train", "valid", "shared", "vocabulary_size", "segmenter", "sources"]
    assert found["train"] == found["valid"] == counts
    assert found["vocabulary_size"] == 2 + 7
    assert found["segmenter"]["name"] == "space"
    assert found["sources"] == [
        {
            "name": str(path),
            "split": split,
            "bytes": len(TEXT),
            "sha256": sha256,
            "sentences": 3,
            "known_sentences": 0,
        }
        for path, split in ((text, "train"), (held_out, "valid"))
    ]


def test_quiet_silences_warnings_and_leaves_results(call, text, tmp_path):
    loud = call("prepare", text, "-o", tmp_path / "loud")
    quiet = call("prepare", text, "-o", tmp_path / "quiet", "--quiet")

    assert "lmctl: warning: " in loud.err
    assert all(line.startswith("lmctl: warning: ") for line in loud.err.splitlines())
    assert quiet.err == ""
    assert quiet.out == loud.out


def test_a_terminals_progress_never_reaches_a_pipe(call, text, tmp_path):
    finished = call("prepare", text, "-o", tmp_path / "prepared", "--verbose")

    assert "\x1b" not in finished.out + finished.err
    assert "\r" not in finished.out + finished.err


def test_stdout_has_a_line_for_each_line_blank_ones_too(call, text):
    finished = call("prepare", "--stdout", text)

    assert (finished.code, finished.err) == (0, "")
    assert finished.out == TEXT.decode()


def test_stdout_segments_chinese_line_for_line(call, corpora):
    source = corpora / "zh.txt"
    finished = call("prepare", "--stdout", source)

    lines = source.read_text(encoding="utf-8").splitlines()
    assert len(finished.lines) == len(lines)
    assert finished.lines[:2] == ["我 爱 编程 。", "编程 是 一种 艺术 。"]
    assert [line.replace(" ", "") for line in finished.lines] == ["".join(line.split()) for line in lines]


@pytest.mark.parametrize(
    ("segmenter", "segmented"), [("space", "我爱编程。"), ("char", "我 爱 编 程 。"), ("jieba", "我 爱 编程 。")]
)
def test_the_segmenter_can_be_named(call, write, segmenter, segmented):
    path = write("zh.txt", "我爱编程。".encode())

    assert call("prepare", "--stdout", "--segmenter", segmenter, path).out == f"{segmented}\n"


def test_a_user_dictionary_holds_its_words_together(call, write):
    path = write("zh.txt", "他爱编程语言学\n".encode())
    words = write("words.txt", "编程语言学 100\n".encode())

    assert call("prepare", "--stdout", "--user-dict", words, path).out == "他 爱 编程语言学\n"
    assert call("prepare", "--stdout", path).out != "他 爱 编程语言学\n"


def test_several_inputs_are_read_in_order(call, write):
    second, first = write("b.txt", b"two"), write("a.txt", b"one\n")

    assert call("prepare", "--stdout", first, second).out == "one\ntwo\n"


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd.compress)],
)
def test_compressed_text_gives_the_same_corpus(call, write, text, tmp_path, suffix, compress):
    packed = write(f"text.txt.{suffix}", compress(TEXT))

    assert call("prepare", packed, "-o", tmp_path / suffix).code == 0
    assert call("prepare", text, "-o", tmp_path / "plain").code == 0

    assert prepared(tmp_path / suffix) == prepared(tmp_path / "plain")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_a_compressed_file_that_is_damaged_is_bad_data(call, write, tmp_path, suffix):
    compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}[suffix]
    packed = write(f"cut.{suffix}", compress(TEXT)[:-9])

    finished = call("prepare", packed, "-o", tmp_path / "prepared")

    assert finished.code == 65
    assert finished.err.count("\n") == 1
    assert finished.err.startswith(f"lmctl: {packed}: damaged or cut off")


def test_standard_input_is_a_source_like_any_other(lmctl, call, text, tmp_path):
    piped = lmctl("prepare", "-", "-o", tmp_path / "piped", "--json", "-q", stdin=TEXT)
    read = call("prepare", text, "-o", tmp_path / "read", "--json", "-q")

    found, expected = json.loads(piped.out), json.loads(read.out)
    assert found.pop("sources")[0]["name"] == "-"
    expected.pop("sources")
    assert found == expected
    assert prepared(tmp_path / "piped") == prepared(tmp_path / "read")


def test_gb18030_by_name(lmctl, write):
    path = write("gb.txt", "我爱编程。\n\n编程\n".encode("gb18030"))

    finished = lmctl("prepare", "--stdout", "--encoding", "gb18030", path, env={"LANG": "C", "LC_ALL": "C"})

    assert (finished.code, finished.out) == (0, "我 爱 编程 。\n\n编程\n")


@pytest.mark.parametrize(
    ("flags", "assignment"),
    [
        (("--vocab-size", "4"), "vocabulary.size=4"),
        (("--min-count", "2"), "vocabulary.min_count=2"),
        (("--vocab", "{words}"), "vocabulary.file={words}"),
        (("--segmenter", "char"), "text.segmenter=char"),
        (("--normalize", "nfkc"), "text.normalize=nfkc"),
        (("--lowercase",), "text.lowercase=true"),
        (("--stop-words", "{words}"), "text.stop_words={words}"),
        (("--encoding", "latin-1"), "text.encoding=latin-1"),
        (("--valid", "{words}"), "validation.file={words}"),
        (("--errors", "skip", "--encoding", "ascii"), "text.errors=skip"),
        (("--valid-fraction", "0.3"), "validation.fraction=0.3"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_flag_means_exactly_its_key(call, write, tmp_path, flags, assignment):
    lines = (f"the cat sat on ﬁne mats\nThe café\nthe cat {number}\n" for number in range(100))
    text = write("text.txt", "".join(lines).encode())
    words = write("words.txt", b"the\ncat\n")
    flags = [flag.format(words=words) for flag in flags]
    keys = ["--set", assignment.format(words=words)]
    if "ascii" in flags:
        keys += ["--set", "text.encoding=ascii"]

    by_flag = call("prepare", text, "-o", tmp_path / "flag", "--json", *flags)
    by_key = call("prepare", text, "-o", tmp_path / "key", "--json", *keys)
    default = call("prepare", text, "-o", tmp_path / "default", "--json")

    assert by_flag.code == 0, by_flag.err
    assert by_flag.out == by_key.out
    assert by_flag.out != default.out
    names = [sorted(path.name for path in (tmp_path / run).iterdir()) for run in ("flag", "key")]
    assert names[0] == names[1]


def test_files_then_assignments_then_flags(call, write, text, tmp_path):
    first = write("first.yaml", b"vocabulary: {size: 8}\ntext: {lowercase: true}\n")
    second = write("second.yaml", b"vocabulary:\n  size: 7\n")

    def vocabulary_size(*arguments) -> int:
        finished = call("prepare", text, "-o", tmp_path / "prepared", "--json", *arguments)
        return json.loads(finished.out)["vocabulary_size"]

    assert vocabulary_size() == 9
    assert vocabulary_size("-c", first) == 8
    assert vocabulary_size("-c", first, "-c", second) == 7
    assert vocabulary_size("-c", second, "--set", "vocabulary.size=6") == 6
    assert vocabulary_size("-c", second, "--set", "vocabulary.size=6", "--vocab-size", "5") == 5


def test_the_number_of_processes_changes_nothing(lmctl, call, write, tmp_path):
    # A line stays in one chunk, and a chunk holds 4 MiB: three of them here.
    text = write("text.txt", b"".join(b"%s w%d the cat\n" % (b"x" * 9000, number) for number in range(1000)))

    alone = call("prepare", text, "-o", tmp_path / "alone", "--json", "--jobs", "1")
    shared = lmctl("prepare", text, "-o", tmp_path / "shared", "--json", "--jobs", "2")

    assert shared.code == 0
    assert shared.out == alone.out
    names = [sorted(path.name for path in (tmp_path / run).iterdir()) for run in ("alone", "shared")]
    assert names[0] == names[1]


def test_a_file_whose_name_is_not_utf8_is_read(lmctl, tmp_path):
    name = b"na\xefve.txt"
    (tmp_path / name.decode(errors="surrogateescape")).write_bytes(TEXT)

    finished = lmctl("prepare", name, "-o", "prepared", "--json", cwd=tmp_path)

    assert finished.code == 0
    assert json.loads(finished.out)["sources"][0]["name"] == f"{tmp_path}/na\\xefve.txt"


@pytest.mark.parametrize(
    "option",
    [["--json"], ["--jobs", "2"], ["--vocab-size", "5"], ["--min-count", "2"], ["--valid-fraction", "0.1"]],
)
def test_options_without_effect_on_segmented_text_are_refused(call, text, option):
    finished = call("prepare", "--stdout", text, *option)

    assert (finished.code, finished.out) == (2, "")
    assert f"{option[0]} does not change the segmented text that --stdout prints" in finished.err
