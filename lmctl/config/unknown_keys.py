"""The message for a key that does not exist. It suggests the key that was probably meant."""

from __future__ import annotations

from lmctl.config.keys import SECTIONS, all_keys
from lmctl.config.messages import one_line, shortened
from lmctl.errors import UsageError

# A message that lists more keys than this does not help.
MOST_NAMED = 14


def unknown_key(path: str, where: str = "") -> UsageError:
    """Return the error for a key that does not exist, with the key that was probably meant.

    Args:
        path: the key as the user wrote it, with its section if there is one.
        where: beginning of the message.
    """
    nearest = _nearest(path[:200])
    section, _, name = path.partition(".")
    if nearest == path:
        advice = f"write {name} on a line of its own below {section}:"
    elif nearest is not None:
        advice = f"did you mean {nearest}?"
    else:
        known = [*SECTIONS]
        if section in SECTIONS:
            known = [*dict.fromkeys(key.name for key in all_keys() if key.section == section)]
        advice = (
            f"there are {', '.join(known)}" if len(known) <= MOST_NAMED else f"{section} has {len(known)} others"
        )
    return UsageError(f"{where}{shortened(one_line(path))}: unknown key; {advice}")


def _nearest(path: str) -> str | None:
    """Return the key or section that was probably meant; None if none is similar."""
    # Imported here, because it is slow to import and only this message needs it.
    from difflib import get_close_matches

    path = path.lower()
    section, _, name = path.rpartition(".")
    keys = all_keys()
    if same_name := [key.path for key in keys if key.name == name]:
        return get_close_matches(path, same_name, n=1, cutoff=0)[0]
    by_name = {key.name: key.path for key in keys}
    neighbours = {key.name: key.path for key in keys if section and key.section == section}
    near = (
        [neighbours[match] for match in get_close_matches(name, neighbours, n=1)]
        or [by_name[match] for match in get_close_matches(name, by_name, n=1, cutoff=0.7)]
        or get_close_matches(section or name, [name for name in SECTIONS if name != section], n=1)
    )
    return near[0] if near else None
