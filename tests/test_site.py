"""The site of docs/: it is built without a warning, and a link to a page or heading that is not there is one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytest.importorskip("furo", reason="needs the extra docs")


def build(documents, site):
    """Build a site as `make site` does."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--fresh-env",
        "--write-all",
        "--quiet",
        documents,
        site,
    ]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    done = build(ROOT / "docs", tmp_path / "site")

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    page = (tmp_path / "site/tutorials/first-model-zh.html").read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in page
    # The list of links in index.md is the navigation of every page.
    assert 'href="../explanations/kneser-ney.html">Kneser-Ney smoothing</a>' in page

    # The search finds a part of a run of Chinese characters, and English words by their stems.
    index = (tmp_path / "site/searchindex.js").read_text(encoding="utf-8")
    assert json.dumps("困惑度").strip('"') in index
    language = (tmp_path / "site/_static/language_data.js").read_text(encoding="utf-8")
    assert "EnglishStemmer=function" in language
    assert "window.Stemmer = EnglishStemmer;" in language


@pytest.mark.slow
def test_a_link_to_a_page_or_heading_that_is_not_there_is_an_error(tmp_path):
    documents = tmp_path / "docs"
    documents.mkdir()
    shutil.copy(ROOT / "docs/conf.py", documents)
    (documents / "other.md").write_text("# Other\n\n## A heading\n\n[good](index.md#here)\n", encoding="utf-8")
    (documents / "index.md").write_text(
        "# Start\n\n- [good](other.md#a-heading)\n- [no page](missing.md)\n- [no heading](other.md#a-headin)\n\n"
        "## Here\n\n- [Other](other.md)\n",
        encoding="utf-8",
    )

    done = build(documents, tmp_path / "site")

    assert done.returncode == 1
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert len(warnings) == 2
    assert "index.md:4: WARNING: 'myst' cross-reference target not found: 'missing.md'" in warnings[0]
    assert "'a-headin'" in warnings[1]
