"""Recognising the format of a source: by the settings, by its name, and by its first lines."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from lmctl.errors import DataError, listed
from lmctl.text.compression import named_compression
from lmctl.text.formats import subtitles
from lmctl.text.formats.json_lines import first_object, names_of_fields
from lmctl.text.formats.tables import columns_of

if TYPE_CHECKING:
    from lmctl.text.formats import TextFormat

Kind = Literal["lines", "json", "table", "subtitles"]

# A longer first line decides nothing.
LONGEST_START = 1 << 16
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_TABLE_SUFFIXES = (".csv", ".tsv")

# The first line of an n-gram model in the ARPA format that is not blank.
_ARPA = "\\data\\"
# The start of a JSON object, for a first line that is too long to be read here.
_OBJECT = re.compile(r"\{\s*\"[^\"\\]*\"\s*:")


def suffix_of(source: str) -> str:
    """Return the suffix of a file name in small letters, without that of a compression: .csv for a.CSV.gz."""
    path = PurePath(source)
    return PurePath(path.stem if named_compression(source) else path.name).suffix.lower()


def recognised(start: str, source: str, text_format: TextFormat, *, is_whole: bool) -> Kind | None:
    """Return the format of a source; None: more of it is needed.

    Args:
        start: the decoded text with which the source starts, without a byte order mark.
        source: name of the source for messages.
        text_format: the settings.
        is_whole: whether more of the source would make no difference.

    Raises:
        DataError: the source is JSON Lines or a table, and no setting says where its text stands; or it is a model
            in the ARPA format.
    """
    suffix = suffix_of(source)
    if suffix in subtitles.SUFFIXES:
        return "subtitles" if is_whole or not subtitles.may_become_webvtt(start) else None
    if text_format.field is not None and text_format.column is None:
        return "json"
    if not start and not is_whole:
        return None
    if not text_format.has_records:
        found = subtitles.are_subtitles(start, is_whole=is_whole)
        if found is not False:
            return "subtitles" if found else None
    if suffix in (*_JSON_SUFFIXES, *_TABLE_SUFFIXES):
        start = start.lstrip("\r\n")
    is_json = suffix in _JSON_SUFFIXES or start.startswith("{")
    if text_format.field is not None:
        return "json" if is_json else "table"
    first_line, line_end, _ = start.partition("\n")
    if (is_json or suffix in _TABLE_SUFFIXES) and not line_end and not is_whole:
        return None
    if is_json:
        _refuse_json(first_line, source, is_cut=not line_end, is_named=suffix in _JSON_SUFFIXES)
    if text_format.column is not None:
        return "table"
    if suffix in _TABLE_SUFFIXES and first_line.strip():
        columns = listed([_shortened(name) for name in columns_of(first_line.rstrip("\r"), suffix)])
        raise DataError(
            f"{source}: a table, by its name, with the columns {columns}; name the column that has the text, or "
            "its number from 1 if these are no names, with --column (text.column)"
        )
    return _as_lines(start, source, is_whole=is_whole)


def _as_lines(start: str, source: str, *, is_whole: bool) -> Kind | None:
    """Return lines, the format of a source that has no other one, after a look for a model; see `recognised`."""
    # SRILM writes a blank line before it.
    first_line, line_end, _ = start.lstrip("\r\n").partition("\n")
    if not is_whole and not line_end and _ARPA.startswith(first_line.rstrip()):
        return None
    if first_line.rstrip() == _ARPA:
        raise DataError(
            f"{source}: an n-gram model in the ARPA format, not a text; lmctl import makes a model of it"
        )
    return "lines"


def _refuse_json(first_line: str, source: str, *, is_cut: bool, is_named: bool) -> None:
    """Refuse a source whose first line is a JSON object, or whose name is one of JSON Lines.

    Args:
        first_line: the first line, or its start.
        source: name of the source for messages.
        is_cut: whether the line may go on.
        is_named: whether the name of the source has a suffix of JSON Lines.
    """
    record = first_object(first_line)
    is_long = is_cut and len(first_line) > LONGEST_START // 8 and _OBJECT.match(first_line)
    if record is not None or is_long or (is_named and first_line):
        names = names_of_fields(record) if record else ""
        fields = f" with the field{'s' if ', ' in names else ''} {names}" if names else ""
        raise DataError(
            f"{source}: JSON Lines{fields}; name the field that has the text with --field (text.field)"
        )


def _shortened(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."
