from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmctl.config import KEYS, Config, read_settings
from tools import generate_docs

REFERENCE = generate_docs.ROOT / "lmctl/configs/reference.yaml"


@pytest.mark.parametrize("path", generate_docs.GENERATED, ids=str)
def test_a_generated_document_is_up_to_date(path):
    written = (generate_docs.ROOT / path).read_text(encoding="utf-8")

    assert written == generate_docs.GENERATED[path](), "run python -m tools.generate_docs"


def test_the_reference_configuration_sets_every_key_to_its_default():
    asked = read_settings([str(REFERENCE)], [], {})

    assert list(asked.explicit) == list(KEYS)
    assert asked.resolve() == Config()


def test_the_configuration_reference_has_a_row_for_every_key():
    rows = (generate_docs.ROOT / "docs/configuration.md").read_text(encoding="utf-8").splitlines()

    assert [key for key in KEYS if not any(row.startswith(f"| `{key}` | `") for row in rows)] == []


def test_the_schema_file_is_json_that_names_its_dialect():
    schema = json.loads((generate_docs.ROOT / "lmctl/configs/schema.json").read_text(encoding="utf-8"))

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_check_names_the_stale_file_and_writing_mends_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    assert generate_docs.main([]) == 0
    assert generate_docs.main(["--check"]) == 0
    (tmp_path / "docs/configuration.md").write_text("old", encoding="utf-8")
    capsys.readouterr()

    assert generate_docs.main(["--check"]) == 1

    output = capsys.readouterr()
    assert output.err == "docs/configuration.md: out of date; run python -m tools.generate_docs\n"
    assert output.out == ""
    assert Path(tmp_path / "docs/configuration.md").read_text(encoding="utf-8") == "old"
    assert generate_docs.main([]) == 0
    assert generate_docs.main(["--check"]) == 0
