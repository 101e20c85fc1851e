"""Outside lmctl/families/ no module names a family or branches on one: callers ask what a family can do."""

import ast
from pathlib import Path

import pytest

import lmctl
from lmctl import families

ROOT = Path(lmctl.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if "families" not in path.relative_to(ROOT).parts)
# The default of `model.family`.
ALLOWED = {("config/schema.py", "lstm")}


def names_in(source: str) -> set[str]:
    """The families that a module imports, or whose name is one of its strings."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if text in families.BUILT_IN:
                found.add(text)
            case ast.ImportFrom(module=str(module), names=aliases):
                parts = module.split(".")
                if parts[:2] == ["lmctl", "families"]:
                    found |= {*parts[2:3], *(each.name for each in aliases)} & {*families.BUILT_IN}
            case ast.Import(names=aliases):
                for alias in aliases:
                    found |= {*alias.name.split(".")[2:3]} & {*families.BUILT_IN}
    return found


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ('x = model.family == "lstm"', {"lstm"}),
        ("from lmctl.families.ngram.sizes import NgramSizes", {"ngram"}),
        ("def f():\n    from lmctl.families import mixture", {"mixture"}),
        ("import lmctl.families.lstm.weights", {"lstm"}),
        ('"""An lstm, say."""\nfrom lmctl.families import find', set()),
    ],
)
def test_what_counts_as_naming_a_family(source, named):
    assert names_in(source) == named


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_names_no_family(path):
    where = str(path.relative_to(ROOT))
    named = {name for name in names_in(path.read_text(encoding="utf-8")) if (where, name) not in ALLOWED}

    assert named == set()
