"""The page of `lmctl serve` in Chromium."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import quote

import pytest
from browser import CHROMIUM
from counted_bigrams import publish_bigrams
from waiting import LONGEST_SECONDS

pytest.importorskip("uvicorn", reason="needs the extra serve")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="this machine has no Chromium"),
]

# Nothing is fetched from other hosts. The virtual time ends when the page has nothing more to wait for.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom"),
)


@pytest.fixture(scope="module")
def bigrams(tmp_path_factory):
    """Bigrams without smoothing of three sentences."""
    return publish_bigrams(tmp_path_factory.mktemp("bigrams"), "the cat\nthe dog\n我 爱\n")


def shown(server, tmp_path, text, path=""):
    """The page after it has shown a text, as HTML, and the messages of the browser's console."""
    url = f"{server.url}{path}#text={quote(text)}"
    done = subprocess.run(
        [CHROMIUM, *OPTIONS, f"--user-data-dir={tmp_path / 'browser'}", url],
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST_SECONDS,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def bars(page):
    return re.findall(r'class="word">([^<]*)</span>.*?class="share">([^<]*)</span>', page)


def shades(page):
    return re.findall(r'class="(s\d)(?: oov)?" aria-pressed="false">([^<]*)</button>', page)


def test_next_words_are_bars_and_words_are_shaded(start, bigrams, tmp_path):
    page, console = shown(start("-m", bigrams), tmp_path, "the cat\nthe ")

    assert sorted(bars(page)) == [("cat", "50 %"), ("dog", "50 %")]
    assert page.count('style="width: 50%;"') == 2
    # P(the) = 2/3 is 0.58 bits, P(cat) = 1/2 is one bit.
    assert shades(page) == [("s0", "the"), ("s0", "cat"), ("s0", "the")]
    assert "3 words; the known ones have 0.72 bits on average." in page
    assert f"{bigrams}, generation 1" in page
    assert console == []


def test_chinese_is_shown_in_the_same_way(start, bigrams, tmp_path):
    page, console = shown(start("-m", bigrams), tmp_path, "我")

    assert bars(page) == [("爱", "100 %")]
    assert shades(page) == [("s0", "我")]
    assert "1 word; the known ones have 1.58 bits on average." in page
    assert console == []


def test_an_unfinished_word_is_completed_and_an_unknown_one_is_named(start, bigrams, tmp_path):
    server = start("-m", bigrams)
    page, _ = shown(server, tmp_path, "the D")
    assert bars(page) == [("dog", "100 %")]
    page, console = shown(server, tmp_path, "zebra ")
    assert "Unknown to the model: zebra" in page
    assert console == []


def test_a_model_of_characters_completes_no_word(start, tmp_path):
    """Only `a` itself begins with the last character."""
    model = publish_bigrams(tmp_path, "ab\nac\n", "text.segmenter=char")
    page, console = shown(start("-m", model), tmp_path, "a")

    assert sorted(bars(page)) == [("b", "50 %"), ("c", "50 %")]
    assert console == []


def test_the_page_asks_for_a_token(start, bigrams, tmp_path):
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("0123456789abcdef")
    page, console = shown(start("-m", bigrams, "--token-file", token), tmp_path, "the ")

    assert '<form id="login">' in page
    assert bars(page) == []
    assert console == []


def test_the_page_of_a_model_that_fills_gaps_says_so(start, make_bundle, tmp_path):
    page, console = shown(start("-m", make_bundle(tmp_path / "masked", family="masked")), tmp_path, "the ")

    assert "This model fills gaps, so it has no next word." in page
    assert re.findall(r"<section[^>]*>", page)[1:] == re.findall(r'<section[^>]* hidden="">', page)
    assert bars(page) == []
    assert console == []


def test_the_reference_needs_no_script(start, bigrams, tmp_path):
    page, console = shown(start("-m", bigrams), tmp_path, "", path="docs")

    assert "POST /v1/predict" in page
    assert "<script" not in page
    assert console == []
