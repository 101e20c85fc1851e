"""Dynamic evaluation as `lmctl eval` and `lmctl compare` offer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from lmctl.cli.parameters import FiniteNumber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lmctl.cli.output import Messages
    from lmctl.query.model import Model

F = TypeVar("F", bound="Callable[..., Any]")

# Measured in docs/benchmarks.md, "Dynamic evaluation".
DYNAMIC_RATE = 3e-5


def dynamic_rate_option(command: F) -> F:
    """Add --dynamic-rate."""
    return click.option(
        "--dynamic-rate",
        type=FiniteNumber(0, above_low=True),
        metavar="X",
        help=f"Size of a step of --dynamic.  [default: {DYNAMIC_RATE:g}]",
    )(command)


def check_dynamic(is_dynamic: bool, rate: float | None, state: str, *, has_ranks: bool) -> None:
    """Refuse options that contradict --dynamic, or that have no effect without it."""
    if rate is not None and not is_dynamic:
        raise click.UsageError("--dynamic-rate needs --dynamic")
    if is_dynamic and state != "carry":
        raise click.UsageError(
            "--dynamic needs --state carry; with --state reset, lines do not depend on each other"
        )
    if is_dynamic and has_ranks:
        raise click.UsageError("--dynamic computes the probabilities of the text alone; leave out --accuracy-at")


def follow(messages: Messages, models: Iterable[Model], rate: float | None) -> None:
    """Let models follow each text that they score.

    Args:
        messages: how progress is shown.
        models: the models.
        rate: size of a step; None: the default.

    Raises:
        UsageError: a model has no network, or keeps no validation text.
        MissingExtraError: TensorFlow is not installed.
    """
    from lmctl.cli.activity import showing_activity
    from lmctl.jobs.dynamic_evaluation import follow_text

    with showing_activity(messages, "measuring gradients"):
        for model in models:
            follow_text(model, rate or DYNAMIC_RATE)
