"""JSON Lines: a JSON object on each line, one of whose fields has the text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.errors import DataError, UsageError, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A dot separates the names of a path; after a backslash, it belongs to a name.
_DOT = re.compile(r"(?<!\\)\.")
_NAMES_OF_TYPES = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


def parse_path(field: str) -> tuple[str, ...]:
    r"""Return the names of a dotted path: `message.text` -> (message, text); `a\.b` -> (a.b,).

    Raises:
        UsageError: a name is empty.
    """
    names = tuple(name.replace("\\.", ".") for name in _DOT.split(field))
    if not all(names):
        raise UsageError(
            f"--field (text.field): expected names joined by dots, such as message.text, got {quoted(field)}"
        )
    return names


def first_object(line: str) -> dict[str, Any] | None:
    """Return the JSON object that a line consists of; None: it is none."""
    if not line.startswith("{"):
        return None
    try:
        found = _loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def names_of_fields(record: dict[str, Any]) -> str:
    """Return the names of the fields of a record for a message; of its texts alone, if it has any."""
    leaves = list(_leaves(record, ()))
    texts = [name for name, value in leaves if isinstance(value, str)]
    return listed(
        [name if len(name) <= 40 else f"{name[:37]}..." for name in texts or [name for name, _ in leaves]]
    )


class JsonLines:
    """Takes the text of one field out of the records of one source.

    Args:
        source: name of the source for messages.
        field: dotted path of the field.
        errors: "strict", "replace" or "skip": treatment of half a surrogate pair.

    Raises:
        UsageError: `field` is no path.
    """

    def __init__(self, source: str, field: str, errors: str) -> None:
        self._source = source
        self._field = field
        self._path = parse_path(field)
        self._errors = errors
        self._decoder = _decoder_of(self._path)

    def texts(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str]]:
        """Yield the text of each record, with the number of its line. Blank lines are skipped.

        Args:
            lines: the next lines of the source.
            first_line: number of the first of them, from 1.

        Raises:
            DataError: a line is not a JSON object, or its field is missing or not a string.
        """
        path, decode = self._path, self._decoder.decode
        for number, line in enumerate(lines, start=first_line):
            try:
                value: Any = decode(line)
                for _ in path:
                    value = value.value
            except (msgspec.DecodeError, UnicodeError, RecursionError, AttributeError):
                if not line.strip():
                    continue
                value = self._slowly(line, number)
            yield number, value

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield the rest at the end of the source: nothing, because a record is a line."""
        yield from ()

    def _slowly(self, line: str, number: int) -> str:
        """Take the text out of a line that the typed decoder refused, or state the fault.

        Python's json reads more than msgspec does: NaN, numbers out of range, and halves of surrogate pairs.
        Python's json also writes all of them.
        """
        try:
            record = _loads(line)
        except ValueError as error:
            if number == 1 and line.lstrip().startswith("["):
                raise self._fault(
                    number, "begins a JSON array; jq -c '.[]' FILE writes each item as a line"
                ) from None
            why = str(error).split(":", maxsplit=1)[0]
            raise self._fault(
                number,
                f"not valid JSON ({why}); expected a whole JSON object on each line, as jq -c . FILE writes it",
            ) from None
        found = record
        for depth, name in enumerate(self._path):
            if not isinstance(found, dict):
                what = "" if depth == 0 else f"its field {'.'.join(self._path[:depth])} is {_described(found)}; "
                what = what or f"{_described(found)}; "
                raise self._fault(number, f"{what}expected an object with the field {quoted(self._field)}")
            if name not in found:
                there = names_of_fields(record)
                raise self._fault(
                    number,
                    f"no field {quoted(self._field)}; " + (f"its fields are {there}" if there else "it is empty"),
                )
            found = found[name]
        if not isinstance(found, str):
            raise self._fault(number, f"the field {quoted(self._field)} is {_described(found)}; expected a string")
        return self._without_half_pairs(found, number)

    def _without_half_pairs(self, text: str, number: int) -> str:
        r"""Treat halves of surrogate pairs, such as "\ud83d" alone, like bytes that cannot be decoded."""
        if self._errors == "strict":
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise self._fault(
                    number,
                    f"\\u{ord(text[error.start]):04x} in the field {quoted(self._field)} is half a character; "
                    "--errors replace|skip reads on",
                ) from None
        # Two halves in a row are one character.
        whole = text.encode("utf-16", "surrogatepass")
        return whole.decode("utf-16", "replace" if self._errors == "replace" else "ignore")

    def _fault(self, number: int, what: str) -> DataError:
        return DataError(f"{self._source}: line {number}: {what}")


def _loads(line: str) -> Any:
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _decoder_of(path: Sequence[str]) -> msgspec.json.Decoder[Any]:
    """Make a decoder that builds the one value of a path, and skips all other fields of a record.

    `null` decodes to None, which has no field.
    """
    kind: type = str
    for name in reversed(path):
        try:
            kind = msgspec.defstruct("Record", [("value", kind)], rename={"value": name})
        except ValueError:
            # The name has a quotation mark, a backslash or a control character, which msgspec does not take. No
            # record has this type, so Python's json reads them all.
            return msgspec.json.Decoder(type(None))
    return msgspec.json.Decoder(kind)


def _leaves(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        here = (*path, name.replace(".", "\\."))
        if isinstance(each, dict) and each:
            yield from _leaves(each, here)
        else:
            yield ".".join(here), each


def _described(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"the string {quoted(value, 40)}"
    return _NAMES_OF_TYPES[type(value)]
