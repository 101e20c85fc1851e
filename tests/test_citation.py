from pathlib import Path

from lmctl.config.documents import parse
from lmctl.version import __version__

ROOT = Path(__file__).resolve().parents[1]


def test_the_citation_is_of_this_version_and_has_what_its_format_requires():
    citation = parse((ROOT / "CITATION.cff").read_text(encoding="utf-8"), "CITATION.cff")

    # Citation File Format 1.2.0, schema.json: "required".
    assert {"authors", "cff-version", "message", "title"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"
