"""Output of all commands: messages on standard error; results on standard output, as text, tsv or JSON.

rich is imported only if something is drawn on a terminal.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import files
from lmctl.cli import tsv
from lmctl.cli.streams import messages_to
from lmctl.cli.terminal import message_line, stream_to_draw_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console


STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Messages:
    """Which messages go to standard error.

    Attributes:
        live: whether progress is drawn on the terminal.
        plain: whether progress is written as lines.
        third_parties: whether messages of TensorFlow and jieba are shown.
    """

    live: bool
    plain: bool
    third_parties: bool


def log_to_standard_error() -> logging.Logger:
    """Send lmctl's warnings to standard error, as lines that begin with `lmctl:`; return the logger of lmctl."""
    handler = _StandardErrorHandler()
    handler.setFormatter(_MessageFormatter())
    root = logging.getLogger("lmctl")
    root.handlers = [handler]
    root.propagate = False
    return root


def configure_messages(quiet: bool, verbose: int) -> Messages:
    """Log as --quiet and --verbose ask for; show Python warnings of libraries only with -vv."""
    root = log_to_standard_error()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    told = logging.INFO if verbose or terminal else logging.WARNING
    root.setLevel(logging.ERROR if quiet else told)
    if verbose < 2:
        warnings.simplefilter("ignore")
    return Messages(live=terminal and not quiet, plain=bool(verbose) and not terminal, third_parties=verbose >= 2)


class _StandardErrorHandler(logging.Handler):
    """Writes to the current `sys.stderr`, which rich replaces while it draws, to put lines above its drawing."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()


class _MessageFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"lmctl: {level}{message_line(record.getMessage())}"


def echo(text: str) -> None:
    """Write a line to standard output. click.echo would remove escape sequences if that is a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def echo_json(value: object) -> None:
    """Write a JSON object as a line; a number that is not finite becomes null."""
    echo(encode_json(value).decode())


def encode_json(value: object) -> bytes:
    r"""Encode a value as JSON; bytes of a path that are not UTF-8 become \xff and the like."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_printable(msgspec.to_builtins(value)))


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _printable(content) for name, content in value.items()}
    if isinstance(value, list):
        return [_printable(content) for content in value]
    return files.printable(value) if isinstance(value, str) else value


def echo_values(rows: dict[str, str], *, header: bool = True) -> None:
    """Write a name and a value on each line: as tsv, or on a terminal aligned and wrapped between words."""
    if not sys.stdout.isatty():
        echo_table(("name", "value"), rows.items(), header=header)
        return
    from lmctl.cli import tables

    width = max(map(tables.cell_length, rows)) + len(tables.GAP)
    columns = terminal_console().width
    for name, value in rows.items():
        first, *others = tables.wrap(tables.field(value), max(columns - width, tables.LEAST_NAME))
        echo(f"{tables.pad(name, width)}{first}")
        for line in others:
            echo(" " * width + line)


def echo_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, header: bool = True) -> None:
    """Write a table as tsv; with `header`, the names of its columns are the first line."""
    lines = [tsv.row(headings)] if header else []
    lines += map(tsv.row, rows)
    if lines:
        echo("\n".join(lines))


def terminal_console(stderr: bool = False) -> Console:
    """Make a rich console on standard output or standard error."""
    from lmctl.cli.console import VisibleConsole

    if not stderr:
        return VisibleConsole(file=stream_to_draw_on(sys.stdout), highlight=False)
    # The console has its own descriptor, because descriptor 2 is silenced while TensorFlow is loaded.
    return VisibleConsole(file=messages_to(os.dup(sys.stderr.fileno()), closefd=True), highlight=False)
