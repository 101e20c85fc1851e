import gzip
import resource

import pytest

from lmctl.errors import DataError, InputMissingError
from lmctl.store.arpa_text import LONGEST_LINE_BYTES, ArpaText

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
    assert arpa.sections[1].line_numbers.tolist() == [12, 13, 14]


@pytest.mark.parametrize(
    "text",
    [
        ARPA.replace("\n", "\r\n"),
        ARPA.replace(" a\n", "\ta\n").replace("a b", "a\tb"),
        ARPA.replace("\t", " "),
        ARPA.replace("\t", "\t ").replace("\n-", "\n  -"),
        "\n\n# a comment\n" + ARPA.replace("=", "=      ").replace("ngram ", "ngram  "),
        ARPA.replace("\n-0.4", "\n\n-0.4").replace("\\end", "\n\n\\end").replace("\nngram 2", "\n\nngram 2"),
        ARPA.rstrip("\n"),
        ARPA + "\n \n",
        ARPA.replace("-0.1\t<s> a", "-0.1\t<s> a\t0"),
        ARPA.replace("-0.3", "-3e-1"),
    ],
    ids=[
        "CRLF",
        "tabs",
        "blanks",
        "padded",
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
    "iARPA": ("iARPA\n" + ARPA, r"line 1: expected \\data\\, got 'iARPA'"),
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
    "too many words": (ARPA.replace("a b", "a b a b"), "line 13: expected a log10 probability, 2 words"),
    "no number": (ARPA.replace("-0.2\t", "much\t"), "line 13: expected a number, got 'much'"),
    "Python's numbers": (ARPA.replace("-0.2\t", "-0_2\t"), "line 13: expected a number, got '-0_2'"),
    "a positive logarithm": (
        ARPA.replace("-0.2\t", "0.2\t"),
        "line 13: expected a log10 probability of 0 or less, got 0.2",
    ),
    "not a number": (
        ARPA.replace("-0.2\t", "nan\t"),
        "line 13: expected a log10 probability of 0 or less, got nan",
    ),
    "no back-off": (ARPA.replace("-0.25", "nan"), "line 8: expected a log10 back-off, got nan"),
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
