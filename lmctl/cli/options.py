"""Options that several commands share."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from lmctl.cli.completion import complete_assignments, complete_files, complete_models
from lmctl.cli.output import Messages, configure_messages
from lmctl.cli.parameters import EncodingName, PathName, page_file

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

# How commands print ranked words: `lmctl.cli.answers`.
ANSWER_FORMATS = ("table", "plain", "words", "tsv", "jsonl")

# Passes the `Messages` that --quiet and --verbose ask for to a command, as its first argument. It stands below
# `message_options`, which makes them.
pass_messages = click.make_pass_decorator(Messages)


def message_options(command: F) -> F:
    """Add --quiet and --verbose, and apply them before the command runs."""

    @click.option("-q", "--quiet", is_flag=True, help="Write only errors to standard error.")
    @click.option(
        "-v",
        "--verbose",
        count=True,
        help="Write progress and notes to standard error also if it is not a terminal; -vv: the messages of "
        "TensorFlow and jieba, too.",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, quiet: bool, verbose: int, **kwargs: Any) -> Any:
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose contradict each other")
        click.get_current_context().obj = configure_messages(quiet, verbose)
        return command(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


_MODEL_HELP = (
    "Folder of a model, MODEL@6 for its generation 6, or folder of a bundle.  "
    "[default: $LMCTL_MODEL, else the only model under ./models]"
)


# -m, which may stand several times; to be called with its help.
models_flag = functools.partial(
    click.option,
    "-m",
    "--model",
    "models",
    multiple=True,
    type=PathName(),
    metavar="MODEL",
    shell_complete=complete_models,
)


def model_option(command: F) -> F:
    """Add -m, which names one model."""

    @models_flag(help=_MODEL_HELP)
    @functools.wraps(command)
    def wrapped(*args: Any, models: tuple[str, ...], **kwargs: Any) -> Any:
        if len(models) > 1:
            raise click.UsageError(
                f"-m names one model, got {' and '.join(models[:2])}; run the command once for each model"
            )
        return command(*args, model=models[0] if models else None, **kwargs)

    return wrapped  # type: ignore[return-value]


def models_option(command: F) -> F:
    """Add -m, which may name several models."""
    return models_flag(help=f"{_MODEL_HELP.removesuffix(']')}; repeatable, to compare models]")(command)


def model_argument(command: F) -> F:
    """Add the argument MODEL, and -m as another way to give it."""

    @click.argument("model", required=False, type=PathName(), metavar="[MODEL]", shell_complete=complete_models)
    @click.option(
        "-m",
        "--model",
        "named",
        type=PathName(),
        metavar="MODEL",
        help="The same as MODEL.",
        shell_complete=complete_models,
    )
    @functools.wraps(command)
    def wrapped(*args: Any, model: str | None, named: str | None, **kwargs: Any) -> Any:
        if model is not None and named is not None:
            raise click.UsageError(f"MODEL ({model}) and -m ({named}) both name a model; use one of them")
        return command(*args, model=model if named is None else named, **kwargs)

    return wrapped  # type: ignore[return-value]


def output_model_option(meaning: str) -> Callable[[F], F]:
    """Add -o, the folder of the model that is published."""
    return click.option(
        "-o", "--output", required=True, type=PathName(path_type=Path), metavar="MODEL", help=meaning
    )


def header_option(command: F) -> F:
    """Add --header."""
    return click.option(
        "--header/--no-header",
        default=True,
        help="tsv: print the names of the columns in the first line.  [default: --header]",
    )(command)


def scheduler_option(work: str) -> Callable[[F], F]:
    """Add --scheduler, given the work that a cluster does."""
    return click.option(
        "--scheduler",
        envvar="LMCTL_SCHEDULER",
        metavar="ADDRESS",
        help=f"{work} on a Dask cluster: the address of its scheduler, such as tcp://host:8786, or local:N, which "
        "starts N workers on this machine (docs/cluster.md).  [default: LMCTL_SCHEDULER, or none]",
    )


def json_option(command: F) -> F:
    """Add --json, which is the same as --format jsonl, to a command with --format."""

    @click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
    @functools.wraps(command)
    def wrapped(*args: Any, as_json: bool, format: str | None, **kwargs: Any) -> Any:
        if as_json and format not in (None, "jsonl"):
            raise click.UsageError(f"--json is the same as --format jsonl, got --format {format}; use one of them")
        return command(*args, format="jsonl" if as_json else format, **kwargs)

    return wrapped  # type: ignore[return-value]


def answers_format_options(command: F) -> F:
    """Add --format, --json and --header to a command that answers queries with ranked words."""
    choose = click.option(
        "--format",
        type=click.Choice(ANSWER_FORMATS),
        help="See Formats above.  [default: table on a terminal, else plain]",
    )
    return choose(json_option(header_option(command)))


def queries_option(queries: str) -> Callable[[F], F]:
    """Add -f, a file of queries, which the command calls `queries`."""
    return click.option(
        "-f",
        "--file",
        type=PathName(),
        metavar="FILE",
        help=f"File of {queries}, one on each line; - is standard input.",
    )


def top_option(query: str) -> Callable[[F], F]:
    """Add -k, the number of words that answer a query, which the command calls `query`."""
    return click.option(
        "-k",
        "--top",
        "k",
        type=click.IntRange(min=1),
        default=5,
        show_default=True,
        metavar="N",
        help=f"Number of words to print for each {query}.",
    )


def answers_options(command: F) -> F:
    """Add the options that say which words may be answers: specials, and candidates."""
    options = (
        click.option(
            "--allow-unk", is_flag=True, help="Allow <unk>, the unknown word, as an answer.  [default: left out]"
        ),
        click.option(
            "--allow-eos",
            is_flag=True,
            help="Allow </s>, the end of the sentence, as an answer.  [default: left out]",
        ),
        click.option(
            "--candidates",
            "candidates_file",
            type=PathName(),
            metavar="FILE",
            help="File of words, one on each line; only these words are answers.  [default: the whole vocabulary]",
        ),
        click.option(
            "--candidate",
            "candidates",
            multiple=True,
            metavar="WORD",
            help="A word that may be an answer, beside the words of --candidates; repeatable.  [default: the "
            "whole vocabulary]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def state_option(command: F) -> F:
    """Add --state, of texts whose lines are scored."""
    return click.option(
        "--state",
        type=click.Choice(["reset", "carry"]),
        default="reset",
        show_default=True,
        help="reset: each line stands alone; carry: each line continues the one before.",
    )(command)


def cache_option(command: F) -> F:
    """Add --cache."""
    return click.option(
        "--cache",
        type=click.IntRange(min=0, max=2**31 - 1),
        default=0,
        metavar="N",
        help="Cache model: make the last N words of the text more probable; needs --state carry; 0: no cache."
        "  [default: 0]",
    )(command)


def report_option(subject: str) -> Callable[[F], F]:
    """Add --report, a page about the subject, which the command calls `report_file`."""
    return click.option(
        "--report",
        "report_file",
        type=PathName(path_type=Path),
        metavar="FILE.html",
        callback=page_file,
        help=f"Also write {subject} as a page for a browser; needs lmctl[report].",
    )


def check_cache(cache: int, state: str) -> None:
    """Refuse a cache if the state is reset at every line."""
    if cache and state != "carry":
        raise click.UsageError(
            "--cache needs --state carry; with --state reset, a line does not depend on the lines before it"
        )


def encoding_options(command: F) -> F:
    """Add --encoding and --errors."""
    command = click.option(
        "--errors",
        type=click.Choice(["strict", "replace", "skip"]),
        default="strict",
        show_default=True,
        help="What to do with bytes that are not text in that encoding: strict: refuse the text; replace: read "
        "them as U+FFFD; skip: leave them out.",
    )(command)
    return click.option(
        "--encoding",
        type=EncodingName(),
        default="utf-8",
        show_default=True,
        metavar="NAME",
        help="Character encoding of the text, such as gb18030.",
    )(command)


def text_format_options(command: F) -> F:
    """Add --line, --field and --column, and pass them to the command as one `TextFormat`, `text_format`."""

    @click.option(
        "--line",
        type=click.Choice(["sentence", "paragraph"]),
        default="sentence",
        show_default=True,
        help="What a line of the text is: sentence: one sentence; paragraph: several, which are found by their "
        "punctuation.",
    )
    @click.option(
        "--field",
        metavar="FIELD",
        help="Field that has the text in JSON Lines, as a dotted path such as message.text.  [default: it is not "
        "JSON Lines]",
    )
    @click.option(
        "--column",
        metavar="COLUMN",
        help="Column that has the text in CSV and TSV files: its name in the header, or, if there is no header, "
        "its number from 1.  [default: it is no table]",
    )
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        line: Literal["sentence", "paragraph"],
        field: str | None,
        column: str | None,
        **kwargs: Any,
    ) -> Any:
        from lmctl.text.formats import TextFormat

        for option, value in (("--field", field), ("--column", column)):
            if value == "":
                raise click.UsageError(f"{option}: expected a name, got an empty one")
        return command(*args, text_format=TextFormat(field, column, line), **kwargs)

    return wrapped  # type: ignore[return-value]


def configuration_options(command: F) -> F:
    """Add -c and --set."""
    command = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=complete_assignments,
        help="Set a configuration key, such as training.epochs=3; repeatable; wins over -c.",
    )(command)
    return click.option(
        "-c",
        "--config",
        "config_files",
        multiple=True,
        type=PathName(),
        metavar="FILE",
        shell_complete=complete_files,
        help="YAML file of configuration keys; repeatable; the last file that sets a key wins.",
    )(command)
