"""Write the documents that are generated from the code, or check that they are up to date.

    python -m tools.generate_docs            write them
    python -m tools.generate_docs --check    exit 1 and name each file that differs

To generate another document, write a function that returns its text and enter it in GENERATED.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmctl import families
from lmctl.cli import COMMANDS, lmctl
from lmctl.config import SECTIONS, Key, all_keys
from lmctl.config.documents import scalar
from lmctl.config.json_schema import json_schema
from lmctl.config.presets import MOST_BRIEF_SECONDS, preset_file
from lmctl.config.schema import DEFAULT_FAMILY
from lmctl.config.settings import read_preset
from lmctl.errors import joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.families.family import Family

ROOT = Path(__file__).resolve().parents[1]
SCHEMA_LINE = "# yaml-language-server: $schema=schema.json"
COMMENT_WIDTH = 100


def reference_yaml() -> str:
    """A configuration file with every key, its description and its default."""
    lines = [
        SCHEMA_LINE,
        "# Every key, with its built-in default. Generated: python -m tools.generate_docs",
        "#",
        *_comment(
            "Copy the lines that you want to change. The values of a file override those of a preset, so the "
            "whole of this file overrides every preset."
        ),
    ]
    for section, keys in _keys_by_section().items():
        indent = "  " if section else ""
        if section:
            lines += ["", *_comment(SECTIONS[section]), f"{section}:"]
        family = None
        for number, key in enumerate(keys):
            lines += [""] if number or not section else []
            if key.family != family:
                family = key.family
                lines += [f"{indent}# If family is {family}:", ""]
            lines += _comment(key.description, indent)
            lines += _comment(f"Takes {key.allowed}.", indent)
            # Only the keys of one family can be set, so the keys of other families are commented out.
            disabled = "" if family in (None, DEFAULT_FAMILY) else "# "
            lines.append(f"{indent}{disabled}{key.name}: {scalar(key.default)}")
    return "\n".join(lines) + "\n"


def schema_json() -> str:
    """The JSON Schema with which editors complete and check configuration files."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def configuration_md() -> str:
    """The configuration reference: how settings combine, the presets, and a table for each section."""
    lines = [
        "<!-- Generated: python -m tools.generate_docs -->",
        "",
        "# Configuration",
        "",
        "Settings come from five places. Later ones override earlier ones: built-in defaults, the preset,",
        "`-c FILE` (repeatable), `--set section.key=value`, named flags. `--dry-run` prints the result.",
        "",
        "```yaml",
        "preset: small",
        "model:",
        "  hidden_units: 256",
        "training:",
        "  learning_rate: 1e-3",
        "```",
        "",
        "A key that does not exist, a key given twice in a file, and a value of another type or out of range are",
        "errors. `true` and `false` are the only booleans; `yes`, `no`, `on` and `off` are text. Anchors, aliases",
        "and tags are refused. Paths are relative to the directory in which lmctl runs.",
        "[configs/reference.yaml](../lmctl/configs/reference.yaml) holds every key with its default.",
        "",
        "## Presets",
        "",
        "A preset belongs to one family of models, and sets `model.family`. `preset: auto` chooses a preset of",
        "`model.family` by the number of training tokens, and some by the time limit:",
        "",
        *(_automatic(family) for family in families.configurable().values() if family.automatic_presets),
        "",
        "| preset | family | meant for | sets |",
        "|---|---|---|---|",
    ]
    for family in families.configurable().values():
        for preset in family.presets:
            values = [
                f"`{path}: {scalar(value)}`"
                for path, value in read_preset(preset, family).items()
                if path != "preset"
            ]
            meant_for = _cell(_opening_comment(preset, family))
            lines.append(f"| `{preset}` | {family.name} | {meant_for} | {'<br>'.join(values) or 'nothing'} |")
    for section, keys in _keys_by_section().items():
        lines += ["", f"## {section or 'preset'}", ""]
        lines += [SECTIONS[section], ""] if section else []
        lines += _key_table([key for key in keys if key.family is None])
        for family in families.configurable().values() if section == "model" else ():
            about = str(family.config_type.__doc__).partition("\n")[0]
            lines += ["", f"### model, family {family.name}", "", about, ""]
            lines += _key_table([key for key in keys if key.family == family.name])
    return "\n".join(lines) + "\n"


def _automatic(family: Family) -> str:
    """The presets from which `preset: auto` chooses for a family, as a list item."""
    choices = [
        f"`{preset}`" + (f" up to {most:,}" if most is not None else "")
        for preset, most in family.automatic_presets.items()
    ]
    if len(choices) > 1:
        choices[-1] += " above"
    line = f"- {family.name}: {', '.join(choices)}"
    for brief in dict.fromkeys(family.brief_presets.values()):
        replaced = joined([f"`{each}`" for each, by in family.brief_presets.items() if by == brief], "or")
        minutes = MOST_BRIEF_SECONDS // 60
        line += f"; `{brief}` in place of {replaced} if `training.time_limit` is at most {minutes} minutes"
    return line


def _key_table(keys: list[Key]) -> list[str]:
    return [
        "| key | default | takes | meaning |",
        "|---|---|---|---|",
        *(
            f"| `{key.path}` | `{scalar(key.default)}` | {_cell(key.allowed)} | {_cell(key.description)} |"
            for key in keys
        ),
    ]


def _keys_by_section() -> dict[str, list[Key]]:
    return {section: [key for key in all_keys() if key.section == section] for section in ("", *SECTIONS)}


def _comment(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        COMMENT_WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table, with `<`, `>` and `|` escaped."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def _opening_comment(preset: str, family: Family) -> str:
    """The comment lines of a preset's file before the first key, without the line for editors."""
    lines = preset_file(preset, family).read_text(encoding="utf-8").splitlines()
    first_key = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.lstrip("# ") for line in lines[:first_key] if line != SCHEMA_LINE)


def cli_md() -> str:
    """The command reference: what --help says, and the exit codes."""
    lines = [
        "# Commands",
        "",
        "Generated: python -m tools.generate_docs",
        "",
        "Results go to standard output; progress, warnings and errors to standard error. Progress is drawn",
        "where standard error is a terminal; elsewhere only warnings and errors appear, and `--verbose` adds",
        "plain lines.",
        "`-` is standard input. Text is UTF-8 in every locale. [shell.md](shell.md) has completion for bash,",
        "zsh and fish, and the dialect of tab-separated output.",
        "",
        "| exit | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
    ]
    group = click.Context(lmctl, info_name="lmctl", terminal_width=100, **lmctl.context_settings)
    for name in COMMANDS:
        command = lmctl.get_command(group, name)
        if command is not None:
            context = click.Context(command, parent=group, info_name=name)
            lines += ["", f"## lmctl {name}", "", "```text", command.get_help(context), "```"]
    return "\n".join(lines) + "\n"


EXIT_CODES = {
    "0": "done, or nothing to do",
    "1": "failed while running: training diverged, out of memory",
    "2": "usage or configuration error; an extra that is not installed; a GPU that is not there",
    "3": "a quality gate was not met: a model is worse, nothing says whether it is, or its text shrank",
    "65": "bad data: undecodable text, empty corpus, damaged bundle",
    "66": "an input or a model is missing, or is a folder where a file belongs; there are no models yet",
    "69": "a cluster or the store of a text does not answer, or the workers of a cluster cannot do the work; a "
    "server cannot listen: its port is taken, or its address is not one of this machine",
    "70": "a bug, with its traceback",
    "74": "could not read or write: disk full, permissions, a text at an address that is cut off",
    "75": "another run holds the model's lock, or a worker of a training on several hosts is missing; try again "
    "later",
    "77": "others can read a file with a secret",
    "129, 130, 143": "interrupted by SIGHUP (a closed terminal), SIGINT, SIGTERM, after writing a checkpoint; a "
    "second SIGINT or SIGTERM stops at once",
    "141": "the reader went away, as `head -1` does: silent",
}

GENERATED: dict[Path, Callable[[], str]] = {
    Path("docs/cli.md"): cli_md,
    Path("lmctl/configs/reference.yaml"): reference_yaml,
    Path("lmctl/configs/schema.json"): schema_json,
    Path("docs/configuration.md"): configuration_md,
}


def stale() -> list[Path]:
    """The generated files that are missing or out of date, relative to the repository."""
    return [path for path, generate in GENERATED.items() if _written(path) != generate()]


def _written(path: Path) -> str | None:
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; return 1 if --check finds a stale file."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.generate_docs", description="Write the generated documents."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not up to date")
    check = parser.parse_args(arguments).check
    out_of_date = stale()
    for path in out_of_date:
        if check:
            print(f"{path}: out of date; run python -m tools.generate_docs", file=sys.stderr)
        else:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(GENERATED[path](), encoding="utf-8")
            print(path)
    return 1 if check and out_of_date else 0


if __name__ == "__main__":
    sys.exit(main())
