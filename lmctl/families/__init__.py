"""Families of models by name: those of lmctl, and those that other packages register.

A package registers a family by an entry point of the group `lmctl.families`, whose name is the family's and whose
value is the place of a `Family` object, such as `my_package.my_family:FAMILY`.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from lmctl.errors import FamilyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.families.base import BundleFiles, LanguageModel
    from lmctl.families.family import Family

logger = logging.getLogger(__name__)

# In the order in which help and references have them.
BUILT_IN = ("lstm", "transformer", "hmm", "ngram", "mixture")
GROUP = "lmctl.families"

Function = TypeVar("Function", bound="Callable[..., Any]")
_caches: list[Callable[[], object]] = []


def remembered(function: Function) -> Function:
    """Remember what a function answers until `forget`; for what follows from the families that there are."""
    caching: Any = cache(function)
    _caches.append(caching.cache_clear)
    return caching  # type: ignore[no-any-return]


def forget() -> None:
    """Look for families anew at the next question: a package may have been installed since."""
    for clear in _caches:
        clear()


@remembered
def names() -> tuple[str, ...]:
    """The names of all families: lmctl's own, then those that other packages register."""
    return (*BUILT_IN, *(name for name in sorted(_registered()) if name not in BUILT_IN))


@remembered
def find(name: str) -> Family:
    """The family of a name.

    Raises:
        FamilyError: there is none, or the package that registers it cannot be imported.
    """
    if name in BUILT_IN:
        family: Family = import_module(f"{__name__}.{name}").FAMILY
        return family
    # Looked for only if the name is not lmctl's own: reading what is installed takes longer than a query.
    entry_point = _registered().get(name)
    if entry_point is None:
        raise FamilyError(f"family {name[:40]!r} is not one that this lmctl knows: {', '.join(names())}")
    try:
        found: Family = entry_point.load()
    except Exception as error:
        raise FamilyError(f"family {name}: {entry_point.value} cannot be loaded: {error}") from error
    if found.name != name:
        raise FamilyError(f"family {name}: {entry_point.value} is called {found.name[:40]!r}")
    return found


@remembered
def every() -> tuple[Family, ...]:
    """All families that can be loaded; another package's that cannot is warned of, and left out."""
    found = []
    for name in names():
        try:
            found.append(find(name))
        except FamilyError as error:
            logger.warning("%s; it is left out", error)
    return tuple(found)


@remembered
def export_formats() -> dict[str, tuple[str, ...]]:
    """The formats that `lmctl export` writes, each with the names of the families whose models it can write so."""
    formats = dict.fromkeys(format for family in every() for format in family.export_formats)
    return {
        format: tuple(family.name for family in every() if format in family.export_formats) for format in formats
    }


@remembered
def configurable() -> dict[str, Family]:
    """The families that a configuration can ask for, by name."""
    return {family.name: family for family in every() if family.config_type is not None}


def baseline() -> Family:
    """The family that is estimated beside a network."""
    return next(family for family in every() if family.is_baseline)


def combining() -> Family:
    """The family whose models are made of others."""
    return next(family for family in every() if family.combines)


def load_language_model(bundle: BundleFiles) -> LanguageModel[Any]:
    """The runtime of a bundle's family, with its weights.

    Raises:
        DataError: a weight or a table is missing, damaged, or of a shape that does not fit.
    """
    return find(bundle.family).load(bundle, list(map(load_language_model, bundle.members())))


@remembered
def _registered() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}
