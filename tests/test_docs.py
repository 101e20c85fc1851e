from __future__ import annotations

import json
import re
from pathlib import Path

import click
import msgspec
import pytest

from lmctl.cli import COMMANDS, lmctl
from lmctl.config import Config, all_keys, read_settings
from lmctl.jobs.train.publish import Trained
from lmctl.jobs.watching.event_log import NAMES
from lmctl.jobs.watching.runs import GROUPS
from lmctl.jobs.watching.status_file import METRICS
from lmctl.store.runs import Changes, Run
from tools import generate_docs, portable

REFERENCE = generate_docs.ROOT / "lmctl/configs/reference.yaml"


@pytest.mark.parametrize("path", generate_docs.GENERATED, ids=str)
def test_a_generated_document_is_up_to_date(path):
    written = (generate_docs.ROOT / path).read_text(encoding="utf-8")

    assert written == generate_docs.GENERATED[path](), "run python -m tools.generate_docs"


def test_the_reference_configuration_sets_every_key_to_its_default():
    asked = read_settings([str(REFERENCE)], [], {})

    # Keys of other families are in comments.
    assert list(asked.explicit) == [key.path for key in all_keys() if key.family in (None, "lstm")]
    assert all(f"\n  # {key.name}: " in REFERENCE.read_text() for key in all_keys() if key.family == "ngram")
    assert asked.resolve() == Config()


def test_the_configuration_reference_has_a_row_for_every_key():
    rows = (generate_docs.ROOT / "docs/configuration.md").read_text(encoding="utf-8").splitlines()

    assert [key for key in all_keys() if not any(row.startswith(f"| `{key.path}` | `") for row in rows)] == []


def test_the_schema_file_is_json_that_names_its_dialect():
    schema = json.loads((generate_docs.ROOT / "lmctl/configs/schema.json").read_text(encoding="utf-8"))

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_files_that_documents_name_exist():
    root = generate_docs.ROOT
    folders = ("benchmarks", "corpora", "docs", "findings", "lmctl", "tests", "tools")
    files = [path for folder in folders for path in (root / folder).rglob("*.*")] + [*root.glob("*.*")]
    there = [f"/{path.relative_to(root).as_posix()}" for path in files]
    documents = {
        document.name: document.read_text(encoding="utf-8")
        for document in (*root.glob("*.md"), *root.glob("docs/**/*.md"))
    }
    named = {
        (document, name.lstrip("./"))
        for document, text in documents.items()
        for name in re.findall(r"(?<![\w/.])[\w./-]*\w\.(?:py|md|sh)\b", text)
    }

    # Files that a page writes, a placeholder, and programs that the benchmarks are compared with.
    others = {
        (document, name)
        for document, text in documents.items()
        for name in re.findall(r"^```python\n# (\w+\.py)$", text, re.MULTILINE)
    } | {
        ("ARCHITECTURE.md", "families/FAMILY/config.py"),
        ("benchmarks.md", "torch_wordlm.py"),
        ("benchmarks.md", "torch_strong.py"),
    }
    assert ("README.md", "docs/concepts.md") in named
    assert sorted(each for each in named - others if not any(path.endswith(f"/{each[1]}") for path in there)) == []


def test_the_test_folders_that_portable_runs_exist():
    folders = (*portable.COMPUTING, *portable.PARALLEL)

    assert [folder for folder in folders if not (generate_docs.ROOT / folder).is_dir()] == []


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


def rows_of(heading):
    """The cells of each row in the tables below a heading of docs/watching.md."""
    text = (generate_docs.ROOT / "docs/watching.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names_in(cell):
    return re.findall(r"`([a-z_0-9]+)`", cell)


def fields_of(kind):
    return [field.name for field in msgspec.inspect.type_info(kind).fields]


def test_every_event_is_documented_with_its_keys():
    documented = {names_in(event)[0]: names_in(keys) for event, _, keys in rows_of("--log-json FILE")}

    # `validation` is an object, whose keys stand in brackets after it.
    (validation,) = (keys for keys in documented.values() if "validation" in keys)
    for name in ("state", "oov_rate", "includes_oov"):
        validation.remove(name)
    documented["run_ended"].remove("locked")
    assert documented == {name: fields_of(kind) for kind, name in NAMES.items()}


def test_every_key_of_a_run_is_documented():
    rows = rows_of("runs.jsonl")

    assert [name for keys, _ in rows for name in names_in(keys)] == fields_of(Run)
    said = {names_in(keys)[0]: names_in(meaning) for keys, meaning in rows}
    assert said["changes"] == fields_of(Changes)
    assert sorted(said["figures"]) == sorted({*fields_of(Trained)} - {"outcome", "published", "model", *GROUPS})


def test_every_metric_is_documented():
    rows = rows_of("--status-file FILE.prom")

    assert sorted(name for metrics, _ in rows for name in names_in(metrics)) == sorted(METRICS)


@pytest.mark.parametrize("document", ["cron.md", "watching.md"])
def test_a_document_names_options_that_there_are(document):
    text = (generate_docs.ROOT / "docs" / document).read_text(encoding="utf-8")
    group = click.Context(lmctl)
    options = [each for name in COMMANDS for each in lmctl.get_command(group, name).params]
    known = {option for each in options for option in (*each.opts, *each.secondary_opts)}
    named = re.findall(r"(?<![-\w])--[a-z]+(?:-[a-z]+)*", text)

    foreign = {"--collector", "--logdir"}  # the node exporter's, TensorBoard's
    assert named
    assert sorted({*named} - known - foreign) == []
