"""Families of models by name: those of lmctl, and those that other packages register.

A package registers a family by an entry point of the group `lmctl.families`, whose name is the family's and whose
value names a `Family` object, such as `my_package.my_family:FAMILY`.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lmctl.errors import DataError, FamilyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.exporting import ExportFormat
    from lmctl.families.family import Family, Runtime

logger = logging.getLogger(__name__)

# In the order of help and references.
BUILT_IN = (
    "lstm",
    "linearrnn",
    "feedforward",
    "transformer",
    "hmm",
    "baumwelch",
    "vae",
    "masked",
    "ngram",
    "mixture",
)
GROUP = "lmctl.families"

Function = TypeVar("Function", bound="Callable[..., Any]")
_caches: list[Callable[[], object]] = []


def memoized(function: Function) -> Function:
    """Cache the results of a function until `clear_caches`; for results that depend on the families there are."""
    caching: Any = cache(function)
    _caches.append(caching.cache_clear)
    return caching  # type: ignore[no-any-return]


def clear_caches() -> None:
    """Make the next call look for families again: a package may have been installed since."""
    for clear in _caches:
        clear()


@memoized
def names() -> tuple[str, ...]:
    """The names of all families: lmctl's own, then those that other packages register."""
    return (*BUILT_IN, *(name for name in sorted(_registered()) if name not in BUILT_IN))


@memoized
def find(name: str) -> Family:
    """Return the family of that name.

    Raises:
        FamilyError: there is none, its package cannot be imported, or its object has another name.
    """
    if name in BUILT_IN:
        family: Family = import_module(f"{__name__}.{name}").FAMILY
        return family
    # Only for other names than lmctl's own: reading the metadata of installed packages takes longer than a query.
    entry_point = _registered().get(name)
    if entry_point is None:
        raise FamilyError(f"family {name[:40]!r}: expected one that is installed: {', '.join(names())}")
    try:
        found: Family = entry_point.load()
    except Exception as error:
        raise FamilyError(f"family {name}: {entry_point.value} cannot be loaded: {error}") from error
    if found.name != name:
        raise FamilyError(f"family {name}: {entry_point.value} is called {found.name[:40]!r}")
    return found


@memoized
def every() -> tuple[Family, ...]:
    """All families that can be loaded. A family of another package that cannot be loaded gives a warning."""
    found = []
    for name in names():
        try:
            found.append(find(name))
        except FamilyError as error:
            logger.warning("%s; it is left out", error)
    return tuple(found)


@memoized
def export_formats() -> dict[str, ExportFormat]:
    """The formats that models of some families can be written in, by name; with the options of any family."""
    found: dict[str, ExportFormat] = {}
    for family in every():
        for name, format in family.export_formats.items():
            options = found.get(name, format).options | format.options
            found[name] = format._replace(options=options)
    return found


@memoized
def import_formats() -> dict[str, tuple[str, ...]]:
    """The formats of other programs' networks, by name, each with the usual suffixes of its files."""
    return {name: suffixes for family in every() for name, suffixes in family.import_formats.items()}


def families_of_format(format: str) -> list[str]:
    """The names of the families whose models can be written in a format."""
    return [family.name for family in every() if format in family.export_formats]


@memoized
def configurable() -> dict[str, Family]:
    """The families that a configuration can ask for, by name."""
    return {family.name: family for family in every() if family.config_type is not None}


def baseline() -> Family:
    """The family that is estimated beside a network."""
    return next(family for family in every() if family.is_baseline)


def combining() -> Family:
    """The family whose models combine other models."""
    return next(family for family in every() if family.combines)


def load_model(bundle: BundleFiles) -> Runtime:
    """Load the model of a bundle, with its members if it combines other models.

    Raises:
        FamilyError: the family of the bundle is not available.
        DataError: a weight or a table is missing, damaged, or of a wrong shape; or a member fills gaps only.
    """
    members = bundle.members()
    for member in members:
        if not find(member.family).predicts_next_word:
            raise DataError(
                f"{member.folder}: family {member.family}; expected a member that predicts the next word"
            )
    return find(bundle.family).load(bundle, list(map(load_language_model, members)))


def load_language_model(bundle: BundleFiles) -> LanguageModel[Any]:
    """Load the model of a bundle for queries that need the next word; see `load_model`.

    Raises:
        UsageError: the model has no distribution of the next word.
    """
    check_predicts_next_word(bundle)
    return cast("LanguageModel[Any]", load_model(bundle))


def check_predicts_next_word(bundle: BundleFiles) -> None:
    """Refuse a model that has no distribution of the next word.

    Raises:
        UsageError: the model fills gaps only.
    """
    if not find(bundle.family).predicts_next_word:
        raise no_next_word(bundle)


def no_next_word(bundle: BundleFiles) -> UsageError:
    """The error of a query that needs the next word, for a model that fills gaps only."""
    return UsageError(
        f"{bundle.folder}: a model of family {bundle.family} has no distribution of the next word, which this "
        "needs; it fills gaps: `lmctl fill`"
    )


@memoized
def _registered() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}
