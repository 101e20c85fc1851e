"""A cluster that the tests of a module share: starting one takes seconds."""

from __future__ import annotations

import pytest
from patient_cluster import patient_cluster


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a scheduler with two workers of one thread."""
    with patient_cluster(2, tmp_path_factory.mktemp("cluster")) as started:
        yield started
