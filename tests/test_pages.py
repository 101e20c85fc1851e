"""The tutorials and explanations of docs/: every command prints the output in the page, every sum is right."""

import doctest
import re
import shutil
import sys
from pathlib import Path

import pytest
from sessions import COUNTED_TOLERANCE, NETWORK_TOLERANCE, Shell, assert_alike, sessions

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
EXPLANATIONS = sorted((ROOT / "docs/explanations").glob("*.md"))
# The headings from which on a page trains networks, which takes long: `make faults`.
NETWORKS = {
    "first-model.md": "\n## A network\n",
    "first-model-zh.md": "\n## 训练神经网络\n",
    "from-keras.md": "\n## The script\n",
}


SESSIONS = [
    *(pytest.param(page, False, id=page.stem) for page in (*TUTORIALS, *EXPLANATIONS)),
    *(
        pytest.param(page, True, id=f"{page.stem} with networks", marks=pytest.mark.long)
        for page in TUTORIALS
        if page.name in NETWORKS
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "trains"), SESSIONS)
def test_the_session_of_a_page_has_the_output_of_the_page(page, trains, tmp_path):
    text = page.read_text(encoding="utf-8")
    counted, network = text, ""
    if heading := NETWORKS.get(page.name):
        counted, found, network = text.partition(heading)
        assert found
    folder = tmp_path / "repository"
    shutil.copytree(ROOT / "corpora", folder / "corpora")
    (folder / ".venv").symlink_to(sys.prefix)

    with Shell(folder, tmp_path) as shell:
        for command, printed in sessions(counted):
            assert_alike(shell.run(command), printed, COUNTED_TOLERANCE)
        if trains:
            for command, printed in sessions(network):
                assert_alike(shell.run(command), printed, NETWORK_TOLERANCE)


@pytest.mark.parametrize("page", EXPLANATIONS, ids=lambda page: page.stem)
def test_the_sums_of_an_explanation_are_right(page):
    text = page.read_text(encoding="utf-8")
    # A fence would be read as a line of output.
    without_fences = re.sub("^```.*$", "", text, flags=re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest(without_fences, {}, page.stem, str(page), 0)

    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples)

    assert results.attempted >= 4
    assert results.failed == 0
