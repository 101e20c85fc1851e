"""Items of `lmctl surprisal`: tables and JSON Lines with a column of ids and one of sentences."""

import json

import pytest
from refusals import assert_refused

HEADER = b"item,condition,sentence\n"
CSV = HEADER + b'a1,x,"the ""cat"", the dog"\n\na2,"note\nin two lines",the dog sat\n'
RECORDS = [
    {"item": {"id": "a1", "n": 7}, "s": 'the "cat", the dog', "note": "x"},
    {"item": {"id": "a2", "n": 8}, "s": "the dog sat"},
]
JSON_LINES = "\n".join(json.dumps(record) for record in RECORDS).encode()
NAMED = ("--id-column", "item", "--text-column", "sentence")


def words_by_id(finished):
    """The words of each item, in order, and the line of each."""
    assert (finished.code, finished.err) == (0, "")
    found = {}
    for row in finished.rows[1:]:
        found.setdefault((row[0], row[1]), []).append(row[3])
    return found


FIRST = ["the", '"cat",', "the", "dog"]
SECOND = ["the", "dog", "sat"]


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("items.csv", CSV, NAMED),
        ("items.CSV", CSV, ("--id-column", "item")),
        ("items.txt", CSV, NAMED),
        ("items.csv", CSV.removeprefix(HEADER), ("--id-column", "1", "--text-column", "3")),
        ("items.csv", CSV.replace(b",", b";").replace(b'"";', b'"",'), NAMED),
    ],
    ids=["name", "capitals, last column", "first line", "numbers", "semicolons"],
)
def test_csv(call, bundle, write, name, content, options):
    command = ("surprisal", "-m", bundle, "--no-eos", "--words-given", *options)
    found = words_by_id(call(*command, write(name, content)))

    assert list(found.values()) == [FIRST, SECOND]
    # A row has the number of its first line; the second one is blank.
    first = 2 if options[1] != "1" else 1
    assert list(found) == [(str(first), "a1"), (str(first + 2), "a2")]


def test_a_column_that_is_not_asked_for_may_be_long(call, bundle, write):
    # The package csv refuses fields of more than 131,072 characters by default.
    content = HEADER + b"a1," + b"x" * 200_000 + b",the dog sat\n"
    found = words_by_id(
        call("surprisal", "-m", bundle, "--no-eos", "--words-given", *NAMED, write("items.csv", content))
    )
    assert list(found.values()) == [SECOND]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--id-column", "item.id", "--text-column", "s"), ["a1", "a2"]),
        (("--id-column", "item.n", "--text-column", "s"), ["7", "8"]),
        (("--text-column", "s"), ["1", "2"]),
    ],
)
def test_json_lines(lmctl, call, bundle, write, options, ids):
    command = ("surprisal", "-m", bundle, "--no-eos", "--words-given", *options)
    expected = dict(zip([("1", ids[0]), ("2", ids[1])], [FIRST, SECOND], strict=True))

    assert words_by_id(call(*command, write("items.jsonl", JSON_LINES))) == expected
    assert words_by_id(lmctl(*command, stdin=JSON_LINES)) == expected


def test_a_table_with_tabs_has_no_quoting(call, bundle, write):
    content = CSV.replace(b"\nin two lines", b"").replace(b",", b"\t").replace(b'""\t', b'"",')
    found = words_by_id(
        call("surprisal", "-m", bundle, "--no-eos", "--words-given", *NAMED, write("i.tsv", content))
    )
    assert list(found.values()) == [['"the', '""cat"",', "the", 'dog"'], SECOND]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("i.csv", CSV, ("--id-column", "itm"), "no column 'itm'; the first line names 'item', 'condition', 'sen"),
        ("i.csv", HEADER + b"a1,x\n", NAMED, "line 2: 2 columns, no column sentence; expected columns with ','"),
        ("i.csv", HEADER + b'a,b,"the\ncat\n', NAMED, "line 2: a quoted field begins in this row and has no end"),
        ("i.csv", HEADER + b'a,b,"the" cat\n', NAMED, "line 2: not valid CSV: "),
        ("i.csv", CSV.replace(b"a2", b"a1"), NAMED, "line 4: id 'a1' is also that of line 2"),
        ("i.jsonl", JSON_LINES, NAMED, "line 1: no field 'sentence'; its fields are item.id, s, note"),
        (
            "i.jsonl",
            JSON_LINES,
            ("--id-column", "item.id"),
            "JSON Lines; name the field that has the sentence with",
        ),
        ("i.jsonl", b'{"s": 5}', ("--text-column", "s"), "line 1: the field 's' is a number; expected a string"),
        ("i.jsonl", b'{"s": "a"}\nb', ("--text-column", "s"), "line 2: not valid JSON"),
        (
            "i.jsonl",
            JSON_LINES,
            ("--id-column", "item", "--text-column", "s"),
            "line 1: the field 'item' is an object",
        ),
    ],
)
def test_bad_items_are_one_line(call, bundle, write, name, content, options, message):
    finished = call("surprisal", "-m", bundle, *options, write(name, content))

    assert finished.code == 65
    assert finished.err.startswith(f"lmctl: {write(name, content)}: {message}")
    assert finished.err.count("\n") == 1


def test_a_path_with_an_empty_name_is_a_usage_error(call, bundle, write):
    path = write("i.jsonl", JSON_LINES)
    finished = call("surprisal", "-m", bundle, "--text-column", "item..id", path)
    assert finished.code == 2
    assert "column 'item..id': expected a field, such as item.id" in finished.err


@pytest.mark.parametrize("option", ["--id-column", "--text-column"])
def test_a_column_without_a_name_is_not_the_last_column(call, bundle, write, option):
    # A variable of the shell that is not set gives an empty name.
    finished = call("surprisal", "-m", bundle, option, "", write("items.tsv", b"id\ttext\na\tthe cat\n"))

    assert_refused(finished, 2, "column '': expected a name, or a number from 1")
