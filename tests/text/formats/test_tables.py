"""CSV as in RFC 4180, TSV without quoting: the text of one column, and the line of each fault."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError, UsageError
from lmctl.text.formats import tables
from lmctl.text.formats.tables import Table, columns_of, separator_of


def texts(content, column="text", suffix="", size=1000):
    """The texts of a table whose lines come `size` at a time."""
    table = Table("a.csv", column, suffix)
    lines = content.removesuffix("\n").split("\n")
    found = []
    for start in range(0, len(lines), size):
        found += table.texts(lines[start : start + size], start + 1)
    return [*found, *table.finish()]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_the_examples_of_rfc_4180(size):
    # Section 2, rules 2, 5, 6 and 7, and a field with commas.
    content = 'id,text\n1,aaa\n2,"b CRLF\nbb"\n\n3,"b""bb"\n4,"c, d"\n'
    assert texts(content, size=size) == [(2, "aaa"), (3, "b CRLF\nbb"), (6, 'b"bb'), (7, "c, d")]


@settings(deadline=None)
@given(
    rows=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")), max_size=6),
    size=st.integers(1, 4),
    separator=st.sampled_from(",;"),
)
def test_what_csv_writes_comes_back_however_the_lines_come(rows, size, separator):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([["n", "text"], *([str(number), row] for number, row in enumerate(rows))])
    # In a header without separators outside quotation marks, the first separator decides.
    assert [text for _, text in texts(file.getvalue(), size=size)] == rows


def test_a_field_longer_than_the_limit_of_csv_is_read():
    long = "x" * 200_000
    assert csv.field_size_limit() >= 131_072
    assert texts(f"text\n{long}\n") == [(2, long)]


def test_tsv_has_no_quoting():
    content = 'id\ttext\n1\t"a" b\n2\tsay "hi\n\n3\tx,y\n'
    expected = [(2, '"a" b'), (3, 'say "hi'), (5, "x,y")]
    assert texts(content) == expected
    assert texts(content, suffix=".tsv", size=1) == expected


@pytest.mark.parametrize("separator", ["\t", ","])
def test_a_row_of_empty_fields_is_a_row(separator):
    content = "id|text\n1|a\n|\n\n  \n2|b\n".replace("|", separator)
    assert texts(content) == [(2, "a"), (3, ""), (6, "b")]


def test_a_number_is_a_column_of_a_table_without_header():
    assert texts("text,id\nb,2\n", "1") == [(1, "text"), (2, "b")]
    assert texts("1\ta\n2\tb", "2") == [(1, "a"), (2, "b")]
    with pytest.raises(UsageError, match="columns are counted from 1, got 0"):
        Table("a.csv", "0", "")


def test_a_number_that_no_line_has_columns_for_is_a_name():
    with pytest.raises(DataError, match=r"line 1: no column '9999.*' in the header; its columns are text, id "):
        texts("text,id\nb,2\n", "9" * 5000)
    assert texts("text,1234567890\nb,2\n", "1234567890") == [(2, "2")]


@pytest.mark.parametrize(
    ("first_line", "suffix", "separator"),
    [
        ("a,b", "", ","),
        ("a\tb", "", "\t"),
        ("a\tb", ".csv", ","),
        ("text", ".tsv", "\t"),
        ("a;b", ".csv", ";"),
        ("a;b,c", "", ","),
        ("text", "", ","),
    ],
)
def test_the_first_line_and_the_name_decide_the_separator(first_line, suffix, separator):
    assert separator_of(first_line, suffix) == separator


def test_columns_are_named_for_messages():
    assert columns_of('id,"the, text"', ".csv") == ["id", "the, text"]
    assert columns_of("id\ttext", "") == ["id", "text"]


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        (
            "id,txt\n1,a\n",
            "text",
            (
                "line 1: no column 'text' in the header; its columns are id, txt (for a table without a header, "
                "--column takes a number from 1)"
            ),
        ),
        (
            "text,text\n1,a\n",
            "text",
            "line 1: columns 1 and 2 of the header are both named 'text'; rename one of them",
        ),
        ("id,text\n1,a\n2\n", "text", "line 3: a row of 1 column; expected text in column 2, 'text'"),
        ("1,a\n2,b\n", "3", "line 1: a row of 2 columns; expected text in column 3"),
        (
            'id,text\n1,"a\nb"\n2,"c"d\n',
            "text",
            (
                "line 4: not valid CSV: text follows the quotation mark that ends a field; a quotation mark "
                "inside a field is doubled"
            ),
        ),
        (
            'id,text\n1,a\n2,"b\n3,c\n',
            "text",
            "line 3: a quoted field begins in this row and has no end; a quotation mark is missing or not doubled",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_faults_have_the_line_in_which_the_row_begins(content, column, message, size):
    with pytest.raises(DataError) as caught:
        texts(content, column, size=size)
    assert str(caught.value) == f"a.csv: {message}"


def test_a_quoted_field_without_end_is_not_read_to_the_end_of_the_file(monkeypatch):
    monkeypatch.setattr(tables, "LONGEST_LINE_BYTES", 100)
    table = Table("a.csv", "text", "")
    with pytest.raises(
        DataError, match=r"line 2: a quoted field begins in this row and has no end within 100 char"
    ):
        list(table.texts(["id,text", '1,"a', *["more"] * 30], 1))
