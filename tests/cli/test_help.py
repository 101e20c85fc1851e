"""--help and --version."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

import lmctl
from lmctl.cli import COMMANDS
from lmctl.text.engines import installed_version


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_goes_to_standard_output_and_names_every_option(call, name):
    from lmctl.cli import lmctl as group

    subject = group if name is None else group.get_command(None, name)
    finished = call(*([] if name is None else [name]), "--help")

    assert (finished.code, finished.err) == (0, "")
    assert finished.out.startswith(f"Usage: lmctl{'' if name is None else f' {name}'} ")
    options = [option for parameter in subject.params for option in (*parameter.opts, *parameter.secondary_opts)]
    for option in (option for option in options if option.startswith("-")):
        assert option in finished.out
    for parameter in subject.params:
        if parameter.param_type_name == "option":
            assert parameter.help or parameter.name == "format", f"{parameter.name} says nothing"
    if name is None:
        assert [line.split()[0] for line in finished.lines[-len(COMMANDS) :]] == list(COMMANDS)
    else:
        assert "Example:" in finished.out


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_help_is_wider_than_a_terminal(call, name):
    assert max(map(len, call(name, "--help").lines)) <= 80


def test_the_first_line_of_the_versions_is_that_of_lmctl_and_the_last_the_folder_of_the_package(call):
    lines = call("--version").lines

    assert lines[:2] == [f"lmctl {lmctl.__version__}", f"python {platform.python_version()}"]
    package, _, folder = lines[-1].partition(" ")
    assert (package, Path(folder)) == ("package", Path(lmctl.__file__).parent)
    assert (Path(folder) / "corpora/en.txt").is_file()
    assert (Path(folder) / "configs/reference.yaml").is_file()


def test_packages_have_the_versions_that_they_state_themselves(call):
    import numpy as np

    shown = dict(line.split(" ", 1) for line in call("--version").lines)

    assert (shown["numpy"], shown["rjieba"]) == (np.__version__, installed_version("rjieba"))


def test_packages_that_are_not_installed_have_no_line(call, monkeypatch):
    monkeypatch.setattr("lmctl.version.PACKAGES", ("numpy", "no-such-package"))

    assert [line.split()[0] for line in call("--version").lines] == ["lmctl", "python", "numpy", "package"]
