import gzip
import resource

import pytest

from lmctl.errors import DataError, InputMissingError
from lmctl.families.arpa.lines import LONGEST_LINE_BYTES
from lmctl.families.arpa.text import ArpaText

ARPA = r"""\data\
ngram 1=4
ngram 2=3

\1-grams:
-99	<s>	-0.5
-0.7	</s>
-0.4	a	-0.25
-0.9	b	0.125

\2-grams:
-0.1	<s> a
-0.2	a b
-0.3	b </s>

\end\
"""


@pytest.fixture
def parse(tmp_path):
    def parse_text(text):
        path = tmp_path / "model.arpa"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return ArpaText(str(path))

    return parse_text


def contents(arpa):
    return (
        arpa.words,
        [
            (section.words.tolist(), section.log10_probs.tolist(), section.log10_backoffs.tolist())
            for section in arpa.sections
        ],
    )


EXPECTED = (
    ["<s>", "</s>", "a", "b"],
    [
        ([0, 1, 2, 3], [-99, -0.7, -0.4, -0.9], [-0.5, 0, -0.25, 0.125]),
        ([0, 2, 2, 3, 3, 1], [-0.1, -0.2, -0.3], [0, 0, 0]),
    ],
)


def test_an_arpa_file_is_taken_apart(parse):
    arpa = parse(ARPA)

    assert contents(arpa) == EXPECTED
    assert arpa.sections[1].places.tolist() == [12, 13, 14]


@pytest.mark.parametrize(
    "text",
    [
        ARPA.replace("\n", "\r\n"),
        ARPA.replace("\n", "\r"),
        ARPA.replace(" a\n", "\ta\n").replace("a b", "a\tb"),
        ARPA.replace("\t", " "),
        ARPA.replace("\t", "\t ").replace("\n-", "\n  -"),
        "By some program, Mon Mar 3 2003\n\nthe format: \\data\\ then ngram 1=4\n\\1-grams:\n\\end\\\n" + ARPA,
        "How it looks:\n\\data\\\nngram 1=nr\n\\1-grams:\np_1 wd_1\n\\end\\\n\n" + ARPA,
        "ARPA\n\n" + ARPA.replace("=", "=\t"),
        "\ufeff" + ARPA,
        "\n\n# a comment\n" + ARPA.replace("=", "=      ").replace("ngram ", "ngram  "),
        ARPA.replace("\n-0.4", "\n\n-0.4").replace("\\end", "\n\n\\end").replace("\nngram 2", "\n\nngram 2"),
        ARPA.rstrip("\n"),
        ARPA + "\n \n",
        ARPA.replace("-0.1\t<s> a", "-0.1\t<s> a\t0"),
        ARPA.replace("-0.3", "-3e-1"),
    ],
    ids=[
        "CRLF",
        "CR",
        "tabs",
        "blanks",
        "padded",
        "CMU, an example in a line",
        "CMU, an example of its own",
        "merge-sublm.pl",
        "byte order mark",
        "IRSTLM",
        "blank lines",
        "no last LF",
        "blank end",
        "zero",
        "exponent",
    ],
)
def test_the_habits_of_other_programs_change_nothing(parse, text):
    assert contents(parse(text)) == EXPECTED


def test_a_vertical_tab_is_part_of_a_word(parse):
    # KenLM parts fields at tabs, blanks and line ends alone.
    assert (
        parse(ARPA.replace("\ta\t", "\ta\vz\t").replace("a b", "a\vz b").replace("> a", "> a\vz")).words[2]
        == "a\vz"
    )


def test_a_compressed_file_is_decompressed(tmp_path):
    path = tmp_path / "model.arpa.gz"
    path.write_bytes(gzip.compress(ARPA.encode()))

    assert contents(ArpaText(str(path))) == EXPECTED


FAULTS = {
    "empty": (b"", r"line 1: expected \\data\\, got the end of the file"),
    "not ARPA": ("the cat\n", r"line 1: expected \\data\\, got 'the cat'"),
    "counts of an order too high": (
        ARPA.replace("ngram 2=3", "".join(f"ngram {order}=1\n" for order in range(2, 22))),
        "line 22: 'ngram 21=1': lmctl reads n-grams of up to 20 words",
    ),
    "packed by HTK": (ARPA.replace("ngram 2=3", "ngram 2~3"), "line 3: HTK has packed the n-grams"),
    "no counts": ("\\data\\\n\\end\\\n", "line 2: expected ngram 1=COUNT after"),
    "a strange count": (ARPA.replace("2=3", "2=many"), "line 3: expected ngram 2=COUNT, got 'ngram 2=many'"),
    "an order left out": (ARPA.replace("ngram 2", "ngram 3"), "line 3: expected ngram 2=COUNT, got 'ngram 3=3'"),
    "a negative count": (ARPA.replace("2=3", "2=-3"), "line 3: expected ngram 2=COUNT"),
    "too few": (ARPA.replace("2=3", "2=4"), "line 16: the 2-grams end here after 3, but line 3 says 4"),
    "a huge claim": (
        ARPA.replace("1=4", "1=10000000000"),
        "line 11: the 1-grams end here after 4, but line 2 says 1000",
    ),
    "too many": (ARPA.replace("2=3", "2=2"), "line 14: expected no more than the 2 2-grams"),
    "sections changed": (ARPA.replace("\\2-", "\\3-"), r"line 11: expected \\2-grams:, got '\\\\3-grams:'"),
    "a section missing": (ARPA.split("\\2-")[0] + "\\end\\\n", r"line 11: expected \\2-grams:, got '\\\\end\\\\'"),
    "no end": (ARPA.replace("\\end\\\n", ""), r"line 15: expected \\end\\, got the end of the file"),
    "something after the end": (ARPA + "-0.3\n", r"line 17: expected nothing after \\end\\, got '-0.3'"),
    "too few words": (
        ARPA.replace("a b", "ab"),
        "line 13: expected a log10 probability, 2 words, perhaps a back-off",
    ),
    "one word too many": (
        ARPA.replace("-0.25", "-0.25 x"),
        "line 8: expected a log10 probability, 1 word, perhaps",
    ),
    "too many words": (ARPA.replace("a b", "a b a b"), "line 13: expected a log10 probability, 2 words"),
    "no number": (ARPA.replace("-0.2\t", "much\t"), "line 13: expected a number, got 'much'"),
    "Python's numbers": (ARPA.replace("-0.2\t", "-0_2\t"), "line 13: expected a number, got '-0_2'"),
    "a positive logarithm": (
        ARPA.replace("-0.2\t", "0.2\t"),
        "line 13: expected a log10 probability of 0 or less, got 0.2; --positive-log-probs zero takes those above",
    ),
    "not a number": (
        ARPA.replace("-0.2\t", "nan\t"),
        "line 13: expected a log10 probability of 0 or less, got nan",
    ),
    "no back-off": (ARPA.replace("-0.25", "nan"), "line 8: expected a log10 back-off, got nan"),
    # 400 + 0: no float32 holds 10 to the power of that. What adds up is the largest of each order.
    "a back-off beyond exp": (
        ARPA.replace("-0.25", "400"),
        "line 8: expected log10 back-offs of all orders that add up to 38 at most, got 400",
    ),
    "a number beyond all": (ARPA.replace("-0.25", "1e400"), "line 8: expected a log10 back-off, got inf"),
    "hexadecimal": (ARPA.replace("-0.25", "0x1p3"), "line 8: expected a number, got '0x1p3'"),
    "an infinite back-off": (ARPA.replace("-0.25", "inf"), "line 8: expected a log10 back-off, got inf"),
    "a back-off too many": (
        ARPA.replace("a b", "a b\t-0.1"),
        "line 13: expected no back-off in the highest order, got -0.1",
    ),
    "a unigram twice": (ARPA.replace("\tb\t", "\ta\t"), "line 9: 'a' is a unigram a second time"),
    "a strange word": (ARPA.replace("a b", "a c"), "line 13: 'c' is not among the unigrams"),
    "bytes": (ARPA.encode().replace(b"\tb\t", b"\tb\xff\t"), r"line 9: 'b\\\\xff' is not valid UTF-8"),
    "latin": (ARPA.encode().replace(b"a b", b"a \xe9"), r"line 13: '\\\\xe9' is not among the unigrams"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(parse, tmp_path, fault):
    text, message = FAULTS[fault]

    with pytest.raises(DataError, match=message) as error:
        parse(text)

    assert str(error.value).startswith(f"{tmp_path}/model.arpa: line ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"iARPA\n\n\\data\\\nngram 1=\t4\n", "is an IRSTLM iARPA file, .*; compile-lm --text=yes FILE FILE.arpa"),
        (b"mmap lm http://kheafield.com/code format version 5\n\0", "is a KenLM binary, not an ARPA file; KenLM"),
        (
            b"\x89HDF\r\n\x1a\n\0\n\0",
            "is an HDF5 file, such as Keras weights, not an ARPA file; lmctl import --from keras ",
        ),
    ],
)
def test_a_file_of_another_kind_is_named(parse, head, message):
    with pytest.raises(DataError, match=rf"/model\.arpa: {message}") as error:
        parse(head)

    assert str(error.value).isprintable()


def test_a_file_that_is_one_endless_line_takes_no_memory(tmp_path):
    path = tmp_path / "model.arpa"
    with path.open("wb") as file:
        file.truncate(10**10)  # a hole: NULs, without a line end
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(DataError, match=f"line 1: longer than {LONGEST_LINE_BYTES} bytes"):
        ArpaText(str(path))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "model.arpa.gz"
    path.write_bytes(gzip.compress(ARPA.encode())[:-9])

    with pytest.raises(DataError, match="damaged or cut off"):
        ArpaText(str(path))


def test_a_file_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(InputMissingError, match="no such file"):
        ArpaText(str(tmp_path / "none.arpa"))


def test_log_probabilities_above_0_are_taken_as_0_if_asked(tmp_path, caplog):
    # KenLM's build_binary -i (lm/read_arpa.cc, PositiveProbWarn) maps them to 0.
    path = tmp_path / "model.arpa"
    path.write_text(ARPA.replace("-0.2\t", "0.2\t").replace("-0.3\t", "0.003\t"))

    arpa = ArpaText(str(path), positive=True)

    assert arpa.sections[1].log10_probs.tolist() == [-0.1, 0, 0]
    assert "took 2 log10 probabilities of 2-grams above 0, of up to 0.2, as 0" in caplog.text
    path.write_text(ARPA.replace("-0.2\t", "inf\t"))
    with pytest.raises(DataError, match="line 13: expected a log10 probability of 0 or less, got inf"):
        ArpaText(str(path), positive=True)


def test_back_offs_of_all_orders_are_added_up(parse):
    text = ARPA.replace("ngram 2=3", "ngram 2=3\nngram 3=1").replace("\\end", "\\3-grams:\n-0.5\t<s> a b\n\n\\end")
    assert parse(text.replace("-0.25", "20").replace("<s> a\n", "<s> a\t18\n")).sections[1].log10_backoffs[0] == 18

    with pytest.raises(DataError, match=r"line 9: expected log10 back-offs .* at most, got 20"):
        parse(text.replace("-0.25", "20").replace("<s> a\n", "<s> a\t18.5\n"))


def test_the_section_of_an_order_without_n_grams_may_be_left_out(parse):
    text = parse(ARPA.replace("ngram 2=3", "ngram 2=3\nngram 3=0"))

    assert [len(section) for section in text.sections] == [4, 3, 0]


def test_no_more_than_the_start_of_a_file_is_searched(parse):
    with pytest.raises(DataError, match=r"line 1: expected \\data\\, got 'text'"):
        parse(b"text\n" + b"more text, of 24 bytes.\n" * 50_000 + ARPA.encode())


def test_progress_is_told_in_bytes(tmp_path):
    path = tmp_path / "model.arpa.gz"
    path.write_bytes(gzip.compress(ARPA.encode()))
    told = []

    ArpaText(str(path), on_bytes=told.append)

    assert sum(told) == len(ARPA)


def test_bytes_of_another_encoding_are_said_to_be_so(parse):
    with pytest.raises(DataError, match="is not valid UTF-8; name the encoding of the file with --encoding"):
        parse(ARPA.encode().replace(b"\tb\t", b"\tb\xff\t"))
