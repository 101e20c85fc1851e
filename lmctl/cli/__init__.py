"""The command `lmctl`: its subcommands, and the one place that turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import NoReturn

import click

from lmctl import files
from lmctl.cli.signals import EXIT_SIGNAL, RaisingSignals, TerminatedError
from lmctl.cli.streams import take_over_streams
from lmctl.cli.terminal import message_line, show_control_characters
from lmctl.errors import LmctlError
from lmctl.version import package_folder, versions

# Command -> (module of lmctl.cli, name in it); a module is imported when its command is run.
COMMANDS = {
    "prepare": ("prepare", "prepare"),
    "train": ("train", "train"),
    "tune": ("tune", "tune"),
    "predict": ("predict", "predict"),
    "fill": ("fill", "fill"),
    "surprisal": ("surprisal", "surprisal"),
    "rank": ("rank", "rank"),
    "generate": ("generate", "generate"),
    "rescore": ("rescore", "rescore"),
    "embed": ("embed", "embed"),
    "neighbors": ("neighbors", "neighbors"),
    "eval": ("eval", "evaluate"),
    "compare": ("compare", "compare"),
    "serve": ("serve", "serve"),
    "info": ("info", "info"),
    "report": ("report", "report"),
    "verify": ("verify", "verify"),
    "mix": ("mix", "mix"),
    "export": ("export", "export"),
    "import": ("import_", "import_"),
    "models": ("models", "models"),
    "rollback": ("rollback", "rollback"),
}

SUMMARIES = {
    "prepare": "Segment texts and write them as ids, for training.",
    "train": "Train a model on texts, and publish it.",
    "tune": "Search for the best configuration, and publish its model.",
    "predict": "Print the most probable next words.",
    "fill": "Print the most probable words for a gap in a text.",
    "surprisal": "Print the surprisal of each word of a text.",
    "rank": "Order sentences by how probable they are.",
    "generate": "Continue texts with words that a model draws.",
    "rescore": "Rescore n-best lists of Moses, Kaldi or JSON lines.",
    "embed": "Print vectors of words or sentences.",
    "neighbors": "Print the words whose vectors are nearest.",
    "eval": "Measure how well a model predicts texts.",
    "compare": "Compare models on texts: whether they differ, and where.",
    "serve": "Answer queries over HTTP, with a page.",
    "info": "Show the family, sizes, training and metrics of a model.",
    "report": "Write all that is known of a model as a page.",
    "verify": "Check each file of a model.",
    "mix": "Publish a mixture of several models.",
    "export": "Write a model in a format of other programs.",
    "import": "Publish a model of another program.",
    "models": "List models and their generations.",
    "rollback": "Make an older generation current again.",
}

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_BUG = 70
EXIT_IO = 74
EXIT_BROKEN_PIPE = 141

# A shell sets it to ask for completions of a command line.
COMPLETION_VARIABLE = "_LMCTL_COMPLETE"


class _LazyGroup(click.Group):
    """A group that imports the module of a command only to run the command or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name in OPTION_COMMANDS:
            return OPTION_COMMANDS[cmd_name]
        if cmd_name not in COMMANDS:
            return None
        from lmctl.cli.output import log_to_standard_error

        # The module of a command may read the families, which warns if one of them cannot be loaded.
        log_to_standard_error()
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"lmctl.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


def _print_versions() -> None:
    for name, version in versions().items():
        click.echo(f"{name} {version}")
    click.echo(f"package {package_folder()}")


def _show_versions(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        _print_versions()
        context.exit()


@click.group(
    cls=_LazyGroup,
    no_args_is_help=False,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show the versions of lmctl and of the packages that it uses, and exit.",
)
@click.pass_context
def lmctl(context: click.Context) -> None:
    """Train next-word models on English or Chinese text, and query them.

    Results go to standard output, all messages to standard error. docs/concepts.md explains the terms.

    \b
    Example:
        lmctl train corpus.txt
        lmctl predict "the cat sat on the"
        lmctl help train
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(EXIT_USAGE)


@click.command(name="help", context_settings={"ignore_unknown_options": True})
@click.argument("command", required=False, metavar="[COMMAND]")
@click.pass_context
def _help(context: click.Context, command: str | None) -> None:
    """Show the help of a command, or of lmctl."""
    group = context.parent
    if group is None or command is None:
        click.echo(context.find_root().get_help())
        return
    found = lmctl.get_command(group, command)
    if found is None:
        raise click.exceptions.NoSuchCommand(command, ctx=group)
    click.echo(found.get_help(click.Context(found, parent=group, info_name=command)))


@click.command(name="version")
def _version() -> None:
    """Show the versions of lmctl and of the packages that it uses."""
    _print_versions()


# Commands that do the same as the options --help and --version.
OPTION_COMMANDS = {"help": _help, "version": _version}


_signals = RaisingSignals()


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        # A terminated run cleans up in the same way as an interrupted one.
        _signals.install()
        code = _run_with_streams()
        _signals.have_ended()
    except (KeyboardInterrupt, TerminatedError) as error:
        # The signal came before the command began, or while results waited for a reader.
        _signals.have_ended()
        _discard_stdout()
        code = error.code if isinstance(error, TerminatedError) else EXIT_SIGNAL + signal.SIGINT
    sys.exit(code)


def _run_with_streams() -> int:
    """Run the command line, write its results, and return its exit code."""
    # NumPy's products are small here. On an idle machine a second thread saves little; on a busy one the threads
    # wait for each other, and a query becomes thirty times slower (docs/benchmarks.md).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    take_over_streams()
    show_control_characters()
    if sys.stdout is None:
        _say(
            "standard output is closed, so results cannot be printed; open it, for example to a file or to "
            "/dev/null"
        )
        return EXIT_IO
    return _flushed(run(sys.argv[1:]))


def _flushed(code: int) -> int:
    """Write the rest of the results; return the exit code of the run, or of the error that prevents writing."""
    if code > EXIT_SIGNAL:
        # A run that a signal ends does not wait for its reader.
        _discard_stdout()
        return code
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or EXIT_BROKEN_PIPE
        _discard_stdout()
    except OSError as error:
        # The bytes that did not fit are still in the buffer. If the run has reported that, they fail again here.
        if code != EXIT_IO:
            _say(files.describe(error))
        code = code or EXIT_IO
        _discard_stdout()
    return code


def run(arguments: list[str]) -> int:
    """Run the command line, and return its exit code."""
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        from lmctl.cli import shells

        shells.register()
        return shell_complete(lmctl, {}, "lmctl", COMPLETION_VARIABLE, instruction)
    try:
        # Command.main would turn a closed pipe into exit code 1 and Ctrl-C into a blank line.
        with _signals.as_the_outcome(), lmctl.make_context("lmctl", arguments) as context:
            lmctl.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except LmctlError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        from lmctl.cli.usage import describe

        return _fail(describe(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_SIGNAL + signal.SIGINT)
    except TerminatedError as error:
        return _fail("terminated", error.code)
    except BrokenPipeError:
        # The reader has closed the pipe, as `head -1` does. That needs no message.
        _discard_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        return _fail(files.describe(error), EXIT_IO)
    except MemoryError:
        return _fail("out of memory", EXIT_FAILED)
    except Exception:  # noqa: BLE001
        # Without a file, traceback would print to standard output, which has the results.
        if sys.stderr is not None:
            traceback.print_exc()
        return _fail("this is a bug in lmctl; please report it with the lines above", EXIT_BUG)
    return 0


def _fail(message: str, code: int) -> int:
    from lmctl.text.addresses import public_text

    # A value that was refused before it was read, or in another place, may be an address with a password.
    _say(public_text(message))
    return code


def _say(message: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"lmctl: {message_line(message)}\n")
        sys.stderr.flush()


def _discard_stdout() -> None:
    """Send the rest of standard output to /dev/null, so that the interpreter does not fail to flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
