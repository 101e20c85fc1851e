"""Families by name: entry points find families of other packages, and a broken family breaks no other."""

import subprocess
import sys
from importlib import metadata

import pytest

from lmctl import families
from lmctl.errors import DataError
from lmctl.families import GROUP
from lmctl.families.ngram import FAMILY, Ngram


class Point:
    """An entry point, as in importlib.metadata."""

    def __init__(self, name, family):
        self.name = name
        self.value = f"package:{name}"
        self._family = family

    def load(self):
        if self._family is None:
            raise ImportError("No module named 'gone'")
        return self._family


class Other(Ngram):
    name = "other"
    is_baseline = False


@pytest.fixture
def register(monkeypatch):
    """`register(name=family)`: families of other packages; None is a family that cannot be imported."""

    def register(**registered):
        points = {name: Point(name, family) for name, family in registered.items()}
        monkeypatch.setattr(metadata, "entry_points", lambda group: points.values() if group == GROUP else ())
        families.clear_caches()

    yield register
    families.clear_caches()


def test_families_of_other_packages_come_after_lmctls_own(register):
    other = Other()
    register(other=other)

    assert families.names() == (*families.BUILT_IN, "other")
    assert families.find("other") is other
    assert families.configurable()["other"] is other


def test_a_package_cannot_take_the_place_of_a_family_of_lmctl(register):
    register(ngram=Other())

    assert families.names() == families.BUILT_IN
    assert families.find("ngram") is FAMILY


def test_a_family_that_cannot_be_imported_is_left_out_with_a_warning_and_refused_by_name(register, caplog):
    register(broken=None)

    assert [family.name for family in families.every()] == [*families.BUILT_IN]
    fault = "family broken: package:broken cannot be loaded: No module named 'gone'"
    assert caplog.messages == [f"{fault}; it is left out"]
    with pytest.raises(DataError) as caught:
        families.find("broken")
    assert str(caught.value) == fault


def test_a_family_under_another_name_than_its_own_is_refused(register):
    register(alias=Other())

    with pytest.raises(DataError, match=r"^family alias: package:alias is called 'other'$"):
        families.find("alias")


def test_an_unknown_name_is_answered_with_the_known_names(register):
    register()

    with pytest.raises(
        DataError, match=f"^family 'gpt': expected one that is installed: {', '.join(families.BUILT_IN)}$"
    ):
        families.find("gpt")


def test_a_family_of_lmctl_is_found_without_reading_what_is_installed_or_importing_others():
    program = (
        "import sys; from lmctl import families; families.find('ngram');"
        "heavy = ('importlib.metadata', 'lmctl.families.lstm', 'tensorflow');"
        "print([name for name in heavy if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
