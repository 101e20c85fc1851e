"""constraints.txt pins every package that `make setup` installs."""

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

# What `make setup` asks for.
EXTRAS = ("train", "dev")
# What `pip freeze` leaves out.
OF_PIP = {"pip", "setuptools", "wheel"}


def installed_packages(name, extras):
    """The names of the packages that a package needs, directly or not, among those installed here."""
    found, waiting = set(), [(name, frozenset(extras))]
    while waiting:
        of, its_extras = asked = waiting.pop()
        if asked in found:
            continue
        found.add(asked)
        for line in metadata.requires(of) or ():
            needed = Requirement(line)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in its_extras or {""}
            ):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return {each for each, _ in found} - {name}


def test_every_package_is_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines}

    needed = installed_packages("lmctl", EXTRAS)

    assert {"numpy", "tensorflow", "pytest", "sentencepiece", "markdown-it-py"} <= needed
    assert needed - pinned - OF_PIP == set()
