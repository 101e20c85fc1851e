"""JSON Lines: the text of one field of each record, and every way in which it can be missing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError, UsageError
from lmctl.text.formats.json_lines import JsonLines, first_object, names_of_fields, parse_path


def texts(content, field="text", errors="strict"):
    return list(JsonLines("a.jsonl", field, errors).texts(content.split("\n"), 1))


def test_a_record_a_line_gives_its_text_and_the_number_of_its_line():
    assert texts('{"text": "one"}\n\n  \n{"id": 3, "text": ""}\n{"text": "\\u4e2d\\n文", "x": [1]}') == [
        (1, "one"),
        (4, ""),
        (5, "中\n文"),
    ]


def test_a_dotted_path_leads_into_objects():
    record = '{"message": {"user": "u", "text": "hello"}, "a.b": {"c": "x"}}'
    assert texts(record, "message.text") == [(1, "hello")]
    assert texts(record, r"a\.b.c") == [(1, "x")]
    assert parse_path("message.text") == ("message", "text")
    for path in ("a..b", ".", "a.", ".a"):
        with pytest.raises(UsageError, match="expected names joined by dots"):
            parse_path(path)


@settings(deadline=None)
@given(
    text=st.text(), name=st.text(min_size=1).filter(lambda name: not name.endswith("\\")), ascii_only=st.booleans()
)
def test_every_string_comes_back_from_every_field(text, name, ascii_only):
    line = json.dumps({"id": 1, name: text}, ensure_ascii=ascii_only)
    if "\ud800" <= max(text + name, default="") <= "\udfff" and not ascii_only:
        return
    # A backslash right before a dot would need a second one.
    if "\\." in name:
        return
    assert list(JsonLines("a", name.replace(".", r"\."), "strict").texts([line], 1)) == [(1, text)]


def test_python_writes_more_than_json_has_and_it_is_read():
    line = json.dumps({"text": "a", "score": float("nan"), "low": float("-inf")})
    assert line == '{"text": "a", "score": NaN, "low": -Infinity}'
    assert texts(line) == [(1, "a")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1, "title": "x"}', "no field 'text'; its fields are title"),
        ('{"id": 1, "n": {"m": 2}}', "no field 'text'; its fields are id, n.m"),
        ("{}", "no field 'text'; it is empty"),
        ('{"text": 3}', "the field 'text' is a number; expected a string"),
        ('{"text": null}', "the field 'text' is null; expected a string"),
        ('{"text": ["a"]}', "the field 'text' is a list; expected a string"),
        ('{"text": true}', "the field 'text' is true or false; expected a string"),
        ("null", "null; expected an object with the field 'text'"),
        ("3", "a number; expected an object with the field 'text'"),
        ('"text"', "the string 'text'; expected an object with the field 'text'"),
        (
            '{"text": "a"',
            (
                "not valid JSON (Expecting ',' delimiter); expected a whole JSON object on each line, as jq -c . "
                "FILE writes it"
            ),
        ),
    ],
)
def test_a_record_without_text_is_refused_with_its_line(line, message):
    with pytest.raises(DataError) as caught:
        texts('{"text": "a"}\n' + line)
    assert str(caught.value) == f"a.jsonl: line 2: {message}"


def test_a_path_through_something_that_is_no_object_is_refused():
    with pytest.raises(DataError) as caught:
        texts('{"message": "hello"}', "message.text")
    assert str(caught.value) == (
        "a.jsonl: line 1: its field message is the string 'hello'; expected an object with the field "
        "'message.text'"
    )


def test_an_array_is_refused_with_the_command_that_makes_lines_of_it():
    with pytest.raises(DataError, match=r"^a.jsonl: line 1: begins a JSON array; jq -c '.\[\]' FILE writes each"):
        texts('[{"text": "a"},\n{"text": "b"}]')


def test_deep_nesting_is_bad_data():
    with pytest.raises(DataError, match=r"line 1: not valid JSON \(nested too deep\)"):
        texts('{"text":' * 100_000)


def test_half_a_character_is_treated_like_an_invalid_byte():
    line = '{"text": "x\\ud83d y"}'
    with pytest.raises(DataError) as caught:
        texts(line)
    assert str(caught.value) == (
        "a.jsonl: line 1: \\ud83d in the field 'text' is half a character; --errors replace|skip reads on"
    )
    assert texts(line, errors="replace") == [(1, "x\ufffd y")]
    assert texts(line, errors="skip") == [(1, "x y")]
    assert texts('{"text": "\\ud83d\\ude00"}') == [(1, "😀")]


def test_names_of_fields_are_those_of_texts():
    assert names_of_fields({"id": 1, "a.b": "x", "m": {"t": "y", "n": 2}}) == r"a\.b, m.t"
    assert names_of_fields({"id": 1, "n": []}) == "id, n"
    assert first_object('{"a": 1}') == {"a": 1}
    assert first_object("{a}") is None
    assert first_object("[1]") is None
