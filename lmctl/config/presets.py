"""Presets: named sets of values, each in a YAML file. Each preset belongs to one family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import families
from lmctl.config.messages import families_named
from lmctl.errors import UsageError

if TYPE_CHECKING:
    from lmctl.families.family import Family

PRESET_DIRECTORY = Path(__file__).resolve().parents[1] / "configs"
AUTO = "auto"
# Longest training that is brief (docs/presets.md, "brief").
MOST_BRIEF_SECONDS = 600


@families.memoized
def names() -> tuple[str, ...]:
    """Return the names of all presets, family by family."""
    return tuple(dict.fromkeys(name for family in families.configurable().values() for name in family.presets))


def owners(preset: str) -> list[Family]:
    """Return the families that have a preset of this name."""
    return [family for family in families.configurable().values() if preset in family.presets]


def preset_file(preset: str, family: Family) -> Path:
    """Return the file of a family's preset.

    Raises:
        UsageError: the family has no such preset.
    """
    if preset not in family.presets:
        others = families_named([each.name for each in owners(preset)])
        raise UsageError(
            f"preset: {preset} is a preset of {others}, but model.family is {family.name}; "
            "leave one of the two out"
        )
    return (family.preset_folder or PRESET_DIRECTORY) / f"{preset}.yaml"


def choose_preset(
    family: Family, training_tokens: int, seconds: float | None = None, preset_before: str | None = None
) -> str:
    """Return the preset that `auto` chooses.

    It is `auto` itself if the family has no automatic presets. Then only the defaults apply.

    Args:
        family: the family.
        training_tokens: number of training tokens.
        seconds: the time limit; None: there is none.
        preset_before: the preset of the model whose weights training starts from; None: there is none.
    """
    of_size = next(
        (name for name, most in family.automatic_presets.items() if most is None or training_tokens <= most), AUTO
    )
    if seconds is None or seconds > MOST_BRIEF_SECONDS:
        return of_size
    # The time of one run is not all that a network gets if runs continue each other: with the little dropout of a
    # brief training, a larger network would overfit in the end.
    if preset_before is not None and preset_before not in family.brief_presets.values():
        return of_size
    return family.brief_presets.get(of_size, of_size)


def automatic(family: Family) -> list[str]:
    """Return the names of all presets that `auto` may choose for a family."""
    return [*family.automatic_presets, *dict.fromkeys(family.brief_presets.values())]
