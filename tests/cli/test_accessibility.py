"""axe's rules for accessible pages, in Chromium: reports, and the pages of `lmctl serve`.

axe (Deque) checks what a program can decide of WCAG 2: names of controls, contrast of colours, order of headings,
languages, tables. It comes with axe-playwright-python, and Playwright drives the Chromium of the machine.
"""

from __future__ import annotations

import shutil

import pytest

from lmctl.config import read_settings
from lmctl.jobs.train.run import train

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra browser")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="this machine has no Chromium"),
]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """`open_page(url, viewport, scheme)`: a page in a window of its own, and what its console has said."""
    contexts = []

    def opened(url, viewport, scheme):
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        console = []
        page.on("console", lambda message: console.append(message.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.goto(str(url))
        return page, console

    yield opened
    for context in contexts:
        context.close()


def violations(page):
    """The rules that a page violates, and where."""
    found = axe.Axe().run(page).response["violations"]
    return [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]


def is_wider_than_its_window(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


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


def test_axe_finds_what_it_should(open_page):
    page, _ = open_page("data:text/html,<title>x</title><img src=''>", DESKTOP, "light")

    assert {"html-has-lang", "image-alt"} <= {rule for rule, _ in violations(page)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_report_violates_no_rule(report, open_page, viewport, scheme):
    page, console = open_page(report.as_uri(), viewport, scheme)

    assert page.locator("h1").count() == 1
    assert violations(page) == []
    assert console == []
    assert not is_wider_than_its_window(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_page_of_serve_violates_no_rule(start, counted, open_page, viewport, scheme):
    server = start("-m", counted)
    page, console = open_page(f"{server.url}#text=she%20opened%20the%20door%20", viewport, scheme)
    word = page.get_by_role("button", name="opened", exact=True)
    word.wait_for()

    assert violations(page) == []
    word.click()
    assert violations(page) == []
    assert console == []
    assert not is_wider_than_its_window(page)


def test_the_reference_of_serve_violates_no_rule(start, counted, open_page):
    page, console = open_page(f"{start('-m', counted).url}docs", PHONE, "dark")

    assert page.locator("h1").count() == 1
    assert violations(page) == []
    assert console == []
