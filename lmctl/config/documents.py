"""Reads YAML as plain values, and writes values as YAML: a small and strict part of YAML 1.2.

PyYAML's parser makes events, and this module makes values of them. PyYAML's own loaders follow YAML 1.1: `no` is
false, `1e-3` is text and `017` is 15. They also take the last of two equal keys, expand aliases and obey tags.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lmctl.config.messages import WrittenNumber, one_line, shown
from lmctl.errors import InputMissingError, StorageError, UsageError
from lmctl.records import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

# A configuration is a few kilobytes; a larger file is a corpus that was named by mistake.
LARGEST_DOCUMENT_BYTES = 200_000
OPEN_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
# A section and a key are two levels. More are read, so that the message can name the key with the nested value.
_DEEPEST_NESTING = 8

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# A number with leading zeros, which other readers take for octal, stays text. A key that takes a number refuses
# it.
_WHOLE_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
# Words that some YAML readers do not read as text.
_TAKEN_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_PLAIN_TEXT = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*", re.ASCII)


def read_document(path: str) -> str:
    """Return the text of a configuration file.

    Raises:
        InputMissingError: there is no such file, or it is a folder.
        StorageError: it cannot be read.
        UsageError: it is too large, or not UTF-8.
    """
    name = one_line(path)
    try:
        mode = Path(path).stat().st_mode
        # The shell has opened the pipe of `-c <(command)`. A pipe in a folder may never get a writer.
        if stat.S_ISFIFO(mode) and not path.startswith(OPEN_DESCRIPTORS):
            raise InputMissingError(f"{name}: expected a configuration file, got {kind_of(mode)}")
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_DOCUMENT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissingError(f"{name}: no such configuration file") from None
    except IsADirectoryError:
        raise InputMissingError(f"{name}: expected a configuration file, got a folder") from None
    except OSError as error:
        raise StorageError(f"{name}: cannot read the configuration: {error.strerror or error}") from error
    except ValueError:  # a NUL in the name
        raise UsageError(f"{name}: expected the path of a configuration file") from None
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise UsageError(
            f"{name}: expected a configuration of at most {LARGEST_DOCUMENT_BYTES} bytes, got a larger file"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise UsageError(f"{name}: line {line}: expected UTF-8 text, got byte 0x{byte:02x}") from None


def parse(text: str, source: str) -> object:
    """Return the plain value (None, bool, int, float, str, list, dict with text keys) of one YAML document.

    Args:
        text: the document; an empty document is None.
        source: name of the document in messages.

    Raises:
        UsageError: it is not YAML, or has a part that no configuration needs: tags, anchors and aliases, equal
            keys, keys that are not text, several documents, deep nesting.
    """
    import yaml

    where = one_line(source)
    try:
        return _document(yaml.parse(text, Loader=yaml.SafeLoader), where)
    except yaml.MarkedYAMLError as error:
        problem = " ".join((error.problem or error.context or "cannot be parsed").split())
        raise UsageError(f"{where}: {_place(error.problem_mark)}not valid YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        character = f"character U+{int(error.character):04X}"
        raise UsageError(
            f"{where}: line {line}, column {column}: not valid YAML: {character} is not allowed"
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets int() and chr() fail on absurd version numbers and escapes.
        raise UsageError(f"{where}: not valid YAML: a number or an escape is out of range") from None


def _document(events: Iterator[yaml.Event], where: str) -> object:
    import yaml

    value: object = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            value = _value(event, events, where, _DEEPEST_NESTING)
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                _refuse(event, where, "expected one YAML document, got another after ---")
    return value


def _value(event: yaml.Event, events: Iterator[yaml.Event], where: str, depth: int) -> object:
    """Return the value that starts with an event, and read the events up to its end."""
    import yaml

    _refuse_extras(event, where)
    if isinstance(event, yaml.ScalarEvent):
        return event.value if event.style else _plain_scalar(event.value)
    if depth == 0:
        _refuse(event, where, "nested too deeply")
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(event, events, where, depth - 1))
        return items
    mapping: dict[str, object] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        _refuse_extras(event, where)
        if not isinstance(event, yaml.ScalarEvent):
            _refuse(event, where, "expected a name as a key")
        if event.value in mapping:
            _refuse(event, where, f"key {shown(event.value)} is given twice")
        mapping[event.value] = _value(next(events), events, where, depth - 1)
    return mapping


def _refuse_extras(event: yaml.Event, where: str) -> None:
    import yaml

    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        _refuse(event, where, "anchors (&) and aliases (*) are not supported; write the value out")
    if getattr(event, "tag", None) is not None:
        _refuse(event, where, "tags (!) are not supported; write the value alone")


def _refuse(event: yaml.Event, where: str, problem: str) -> NoReturn:
    raise UsageError(f"{where}: {_place(event.start_mark)}{problem}")


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""


def _plain_scalar(text: str) -> object:
    """Return the value of a scalar without quotes."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    # int() is fast for up to 18 digits. No key takes a longer whole number.
    if _WHOLE_NUMBER.fullmatch(text) and len(text) <= 18:
        return int(text)
    return WrittenNumber(text) if _NUMBER.fullmatch(text) else text


def scalar(value: object) -> str:
    """Return a value as YAML. `parse` and other YAML readers read the same value from it."""
    if value is None or isinstance(value, bool | int):
        return shown(value)
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    if _PLAIN_TEXT.fullmatch(text) and text.lower() not in _TAKEN_WORDS:
        return text
    return f'"{"".join(map(_quoted, text))}"'


def _quoted(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
