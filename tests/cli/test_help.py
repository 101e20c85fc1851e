"""--help, --version and the completion of commands."""

from __future__ import annotations

import pytest

from lmctl.cli import COMMANDS


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


def test_version_is_the_packages(call):
    from lmctl import __version__

    assert call("--version").out == f"lmctl {__version__}\n"


def test_a_shell_can_complete_commands(lmctl):
    finished = lmctl(env={"_LMCTL_COMPLETE": "bash_complete", "COMP_WORDS": "lmctl pre", "COMP_CWORD": "1"})

    assert finished.lines == ["plain,prepare", "plain,predict"]
