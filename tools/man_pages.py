"""Write a man page for lmctl and for each of its commands.

    python -m tools.man_pages FOLDER

click-man sets the pages. Its own program (0.6.0) does not find commands that are imported when they run, does not
escape backslashes and does not keep the lines of examples, so the texts are prepared here.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
from pathlib import Path

import click
from click_man.man import ManPage

from lmctl.cli import COMMANDS, SUMMARIES, lmctl
from lmctl.version import __version__
from tools.generate_docs import EXIT_CODES

# click's mark of a paragraph whose lines stay as they are.
_AS_IT_IS = "\b\n"


def man_page(name: str | None) -> str:
    """The man page of a command, in roff; None: of lmctl, with the exit codes of all commands."""
    group = click.Context(lmctl, info_name="lmctl", **lmctl.context_settings)
    command = lmctl if name is None else lmctl.get_command(group, name)
    if command is None:
        raise ValueError(name)
    context = group if name is None else click.Context(command, parent=group, info_name=name)
    page = ManPage(context.command_path)
    page.version = __version__
    page.short_help = _escaped(_summary(name))
    page.synopsis = " ".join(command.collect_usage_pieces(context))
    page.description = _paragraphs(inspect.cleandoc(command.help or ""))
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    records = [option.get_help_record(context) for option in options]
    page.options = [(flags, _escaped(textwrap.fill(meaning, 76))) for flags, meaning in filter(None, records)]
    if name is not None:
        return str(page)
    page.commands = [(each, _escaped(summary)) for each, summary in SUMMARIES.items()]
    # mandoc warns of a paragraph that begins right after a heading.
    return str(page).replace(".SH COMMANDS\n.PP\n", ".SH COMMANDS\n") + _exit_status()


def _summary(name: str | None) -> str:
    summary = inspect.cleandoc(lmctl.help or "").partition("\n")[0] if name is None else SUMMARIES[name]
    return summary.removesuffix(".")


def _exit_status() -> str:
    rows = (f".TP\n{code}\n{_escaped(meaning)}\n" for code, meaning in EXIT_CODES.items())
    return ".SH EXIT STATUS\n" + "".join(rows)


def _paragraphs(text: str) -> str:
    """Paragraphs in roff. Lines after click's mark stay as they are, the others are filled."""
    found = []
    for paragraph in re.split(r"\n{2,}", text):
        is_kept = paragraph.startswith(_AS_IT_IS)
        lines = _escaped(paragraph.removeprefix(_AS_IT_IS))
        found.append(f".nf\n{lines}\n.fi" if is_kept else lines)
    return "\n\n".join(found)


def _escaped(text: str) -> str:
    """Text whose backslashes, hyphens, and full stops at the start of a line are no requests of roff."""
    return re.sub(r"^(?=[.'])", r"\\&", text.replace("\\", r"\e").replace("-", r"\-"), flags=re.MULTILINE)


def main(arguments: list[str] | None = None) -> int:
    """Write all pages."""
    parser = argparse.ArgumentParser(prog="python -m tools.man_pages", description="Write man pages.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the pages are written")
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in (None, *COMMANDS):
        file = folder / ("lmctl.1" if name is None else f"lmctl-{name}.1")
        file.write_text(man_page(name), encoding="utf-8")
    print(f"man -l {folder}/lmctl.1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
