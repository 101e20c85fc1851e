"""`lmctl surprisal`."""

import json
import math

import pytest
from arpa_texts import ARPA

BITS = math.log2(10)
HEADER = ["line", "id", "index", "word", "start", "end", "bits", "oov"]


@pytest.fixture
def imported(call, write, tmp_path):
    """The n-grams of an ARPA file, whose log10 are known."""
    assert call("import", write("model.arpa", ARPA.encode()), "-o", tmp_path / "model").code == 0
    return tmp_path / "model"


def test_bits_are_those_of_the_arpa_file(call, imported, write):
    finished = call("surprisal", "-m", imported, write("text.txt", b"b a b\n\nz\n"))

    assert (finished.code, finished.err) == (0, "")
    header, *rows = finished.rows
    assert header == HEADER
    # b: back-off of <s>, and b; a: the bigram "b a"; b: back-offs of "b a" and of a, and b; </s>: "b </s>".
    log10s = [-0.5 - 0.5, -0.2, -0.4 - 0.25 - 0.5, -0.3]
    assert [row[:6] for row in rows[:4]] == [
        ["1", "1", "1", "b", "0", "1"],
        ["1", "1", "2", "a", "2", "3"],
        ["1", "1", "3", "b", "4", "5"],
        ["1", "1", "4", "</s>", "5", "5"],
    ]
    assert [float(row[6]) for row in rows[:4]] == pytest.approx([-log10 * BITS for log10 in log10s], abs=2e-6)
    # An unknown word has the probability of <unk>, after the back-off of <s>.
    assert rows[4][:6] == ["3", "3", "1", "z", "0", "1"]
    assert float(rows[4][6]) == pytest.approx(2.0 * BITS, abs=2e-6)
    assert [row[7] for row in rows] == ["0", "0", "0", "0", "1", "0"]


def test_bits_are_those_of_eval(call, bundle, write):
    text = write("text.txt", b"the cat sat\non the zebra .\n")
    found = [row[6] for row in call("surprisal", "-m", bundle, text).rows[1:]]
    assert found == [row[7] for row in call("eval", "-m", bundle, "--level", "word", text).rows[1:]]


def test_jsonl(call, uniform, write):
    finished = call("surprisal", "-m", uniform, "--json", "--entropy", write("text.txt", b"the zebra\n"))

    rows = [json.loads(line) for line in finished.lines]
    bits = pytest.approx(math.log2(9), rel=1e-6)
    place = {"line": 1, "id": "1"}
    assert rows == [
        place | {"index": 1, "word": "the", "start": 0, "end": 3, "bits": bits, "entropy": bits, "oov": False},
        place | {"index": 2, "word": "zebra", "start": 4, "end": 9, "bits": bits, "entropy": bits, "oov": True},
        place | {"index": 3, "word": "</s>", "start": 9, "end": 9, "bits": bits, "entropy": bits, "oov": False},
    ]


ITEMS = b"item\tcondition\tsentence\na1\tx\tthe cat\na2\ty\tthe dog sat\n"


@pytest.mark.parametrize(
    "options",
    [
        ("--id-column", "item", "--text-column", "sentence"),
        ("--id-column", "item", "--text-column", "3"),
        ("--id-column", "item"),
    ],
)
def test_ids_of_a_column(call, bundle, write, options):
    finished = call("surprisal", "-m", bundle, "--no-eos", *options, write("items.tsv", ITEMS))

    assert [row[:6] for row in finished.rows[1:]] == [
        ["2", "a1", "1", "the", "0", "3"],
        ["2", "a1", "2", "cat", "4", "7"],
        ["3", "a2", "1", "the", "0", "3"],
        ["3", "a2", "2", "dog", "4", "7"],
        ["3", "a2", "3", "sat", "8", "11"],
    ]


def test_words_that_programs_read_as_quotes_or_missing_are_fields_like_others(call, bundle, write):
    text = write("items.tsv", b'id\tsentence\nNA\t" NA null\n"\t"the cat" \\n\n')
    finished = call("surprisal", "-m", bundle, "--words-given", "--id-column", "id", "--no-eos", text)

    assert finished.rows[0] == HEADER
    assert {len(row) for row in finished.rows} == {len(HEADER)}
    assert [row[1:6] for row in finished.rows[1:]] == [
        ["NA", "1", '"', "0", "1"],
        ["NA", "2", "NA", "2", "4"],
        ["NA", "3", "null", "5", "9"],
        ['"', "1", '"the', "0", "4"],
        ['"', "2", 'cat"', "5", "9"],
        # A backslash is written twice; the places are those of the text.
        ['"', "3", "\\\\n", "10", "12"],
    ]


def test_columns_by_number_have_no_header(call, bundle, write):
    finished = call("surprisal", "-m", bundle, "--no-header", "--id-column", "1", write("items.tsv", b"a\tthe\n"))
    assert [row[:4] for row in finished.rows] == [["1", "a", "1", "the"], ["1", "a", "2", "</s>"]]


def test_lines_are_answered_as_they_arrive(converse, bundle):
    options = ("--no-eos", "--no-header")
    answers = converse("surprisal", "-m", bundle, *options, lines=[("the cat", 2), ("dog", 1)])
    assert [[row.split("\t")[:4] for row in answer] for answer in answers] == [
        [["1", "1", "1", "the"], ["1", "1", "2", "cat"]],
        [["2", "2", "1", "dog"]],
    ]


def test_a_context_file(call, bundle, write):
    contexts, text = write("contexts.txt", b"the cat sat\n\n"), write("text.txt", b"on the\nthe dog\n")
    finished = call("surprisal", "-m", bundle, "--context-file", contexts, text)

    both = call("surprisal", "-m", bundle, "--state", "carry", write("both.txt", b"the cat sat\non the\n"))
    alone = call("surprisal", "-m", bundle, write("alone.txt", b"the dog\n"))
    assert [row[6] for row in finished.rows[1:4]] == [row[6] for row in both.rows[5:8]]
    assert [row[6] for row in finished.rows[4:]] == [row[6] for row in alone.rows[1:]]


@pytest.mark.parametrize(
    ("options", "content", "code", "message"),
    [
        (
            ("--id-column", "itm"),
            ITEMS,
            65,
            "no column 'itm'; the first line names 'item', 'condition', 'sentence'",
        ),
        (
            ("--text-column", "4"),
            ITEMS,
            65,
            "line 1: 3 columns, no column 4; expected columns with a TAB between them",
        ),
        (("--text-column", "0"), ITEMS, 2, "column 0: columns are counted from 1"),
        (("--id-column", "9" * 5000), ITEMS, 65, "; the first line names 'item', 'condition', 'sentence'"),
        (
            ("--id-column", "1"),
            b"a\tthe\nb\tcat\na\tdog\n",
            65,
            "line 3: id 'a' is also that of line 1; expected a different id in each line",
        ),
        (
            ("--punctuation", "attach"),
            b"the\n",
            2,
            "--punctuation needs --words-given; without it, each token is a word",
        ),
        (("--cache", "5"), b"the\n", 2, "--cache needs --state carry"),
    ],
)
def test_bad_input_is_one_line(call, bundle, write, options, content, code, message):
    finished = call("surprisal", "-m", bundle, *options, write("text.txt", content))

    assert finished.code == code
    assert message in finished.err
    assert finished.err.count("\n") == 1


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        (b"the\n", "contexts.txt: ends before line 2 of"),
        (b"the\n\n\n", "contexts.txt: has more lines than"),
    ],
)
def test_a_context_file_of_another_length_is_refused(call, bundle, write, contexts, message):
    path = write("contexts.txt", contexts)
    finished = call("surprisal", "-m", bundle, "--context-file", path, write("text.txt", b"the\ncat\n"))
    assert (finished.code, message in finished.err) == (65, True)


def test_context_and_carried_state_contradict(call, bundle, write):
    path = write("text.txt", b"the\n")
    finished = call("surprisal", "-m", bundle, "--context-file", path, "--state", "carry", path)
    assert (finished.code, finished.err.count("\n")) == (2, 1)
