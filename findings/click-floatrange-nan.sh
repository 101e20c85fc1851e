#!/bin/bash
# click: FloatRange(0, 1) accepts nan.
#
# Expected: every value that is not between 0 and 1 is refused, as 2 and inf are.
# Seen: the bounds are tested by `value < min` and `value > max`. Both are false for nan, so the command runs with nan.
# lmctl: has a parameter type for numbers that refuses nan.
#
# 2026-11-27, click 8.5.1, Python 3.11: nan: exit 0, "got nan"; inf: exit 2.
. "$(dirname "$0")/lib.sh"
environment venv click==8.5.1
venv/bin/python - <<'PY'
import click
from click.testing import CliRunner


@click.command()
@click.option("--share", type=click.FloatRange(0, 1))
def command(share):
    click.echo(f"got {share}")


results = {text: CliRunner().invoke(command, ["--share", text]) for text in ("0.5", "2", "inf", "nan")}
for text, result in results.items():
    print(f"{text}: exit {result.exit_code}, {result.output.splitlines()[-1]}")
assert [result.exit_code for result in results.values()] == [0, 2, 2, 0]
PY
