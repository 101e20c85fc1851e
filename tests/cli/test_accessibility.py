"""axe's rules for accessible pages, in Chromium: reports, and the pages of `lmctl serve`.

axe (Deque) checks what a program can decide of WCAG 2: names of controls, contrast of colours, order of headings,
languages, tables. Its script is in the package axe-playwright-python, of which nothing else is used.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from browser import CHROMIUM, open_page

from lmctl.config import read_settings
from lmctl.jobs.train.run import train

AXE = importlib.util.find_spec("axe_playwright_python")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="this machine has no Chromium"),
    pytest.mark.skipif(AXE is None, reason="needs axe (make test-browser)"),
]
# Width and height in pixels.
PHONE, DESKTOP = (390, 844), (1200, 900)
VIOLATIONS = """axe.run({resultTypes: ["violations"]}).then(
  found => found.violations.flatMap(rule => rule.nodes.map(node => [rule.id, node.html])))"""
IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
HEADINGS = "document.querySelectorAll('h1').length"


@pytest.fixture
def page(tmp_path):
    with open_page(tmp_path / "browser") as opened:
        yield opened


def violations(page):
    """The rules that a page violates, each with the element."""
    (folder,) = AXE.submodule_search_locations
    page.value((Path(folder) / "axe.min.js").read_text(encoding="utf-8") + "; null")
    return page.value(VIOLATIONS)


@pytest.fixture(scope="module")
def counted(tmp_path_factory, corpora):
    """Two generations of n-grams of the English corpus."""
    model = tmp_path_factory.mktemp("counted") / "model"
    for order in (2, 3):
        asked = read_settings(assignments=["preset=ngram", f"model.order={order}"])
        train([str(corpora / "en.txt")], model, asked)
    return model


@pytest.fixture(params=["report", "eval", "compare"])
def report(request, counted, call, tmp_path, corpora):
    """The page that a command writes, and its title."""
    path, text = tmp_path / "page.html", corpora / "en.txt"
    command = {
        "report": ("report", counted, "-o", path),
        "eval": ("eval", "-m", counted, text, "--report", path),
        "compare": ("compare", f"{counted}@1", f"{counted}@2", text, "--samples", "50", "--report", path),
    }[request.param]
    done = call(*command)
    assert done.code == 0, done.err
    return path


def test_axe_finds_what_it_should(page):
    page.open("data:text/html,<title>x</title><img src=''>")

    assert {"html-has-lang", "image-alt"} <= {rule for rule, _ in violations(page)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_report_violates_no_rule(report, page, size, scheme):
    page.look(*size, scheme)
    page.open(report.as_uri())

    assert page.value(HEADINGS) == 1
    assert violations(page) == []
    assert not page.value(IS_TOO_WIDE)
    assert page.failures == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_page_of_serve_violates_no_rule(start, counted, page, size, scheme):
    page.look(*size, scheme)
    page.open(f"{start('-m', counted).url}#text=she%20opened%20the%20door%20")
    words = "[...document.querySelectorAll('button[aria-pressed]')]"
    page.wait(f"{words}.map(each => each.textContent).join(' ')", "she opened the door")

    assert violations(page) == []
    page.value(f"{words}[1].click()")
    assert violations(page) == []
    assert not page.value(IS_TOO_WIDE)
    assert page.failures == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference_of_serve_violates_no_rule(start, counted, page, scheme):
    page.look(*PHONE, scheme)
    page.open(f"{start('-m', counted).url}docs")

    assert page.value(HEADINGS) == 1
    assert violations(page) == []
    assert page.failures == []
