"""`lmctl report` and `eval --report` of a model that fills gaps: each word is hidden in turn."""

import json
import re

import pytest

from lmctl.store.bundle import open_bundle
from lmctl.store.layout import KEPT_TEXT
from lmctl.store.writing import amend_bundle


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat .\n\nzebra on the mat\n")
    return path


@pytest.fixture
def masked(make_bundle, text, tmp_path):
    """A model with random weights, which keeps `text` as its validation text."""
    folder = make_bundle(tmp_path / "masked", family="masked")
    amend_bundle(open_bundle(folder), {KEPT_TEXT: text.read_bytes()})
    return folder


def test_the_words_of_a_model_that_fills_gaps_are_in_bands(masked, text, read_report, call):
    figures = json.loads(call("eval", "-m", masked, text, "--json").out)
    of_model, of_text = read_report("report", masked), read_report("eval", "-m", masked, text)

    assert "Frequent and rare words" in of_model.headings
    assert f"8 words of the validation text that the model keeps ({KEPT_TEXT})" in of_model.text
    assert (
        f"pseudo-perplexity {figures['pseudo_perplexity']:,.2f} including OOVs, "
        f"{figures['pseudo_perplexity_excluding_oov']:,.2f} without, 12.50 % OOV"
    ) in of_model.text
    for page in (of_model, of_text):
        assert "Pseudo-perplexity by frequency" in page.texts["strong"]
        rows = page.content.decode().split('aria-label="Bands of frequency"')[1].split("</table>")[0]
        tokens = re.findall(r'scope="row"[^>]*>([^<]*)</th><td class="number">([\d,]+)</td>', rows)
        assert sum(int(number) for _, number in tokens) == figures["words"] == 8
        assert ("oov", "1") in tokens


def test_the_words_of_a_model_that_fills_gaps_are_shown_with_both_sides(masked, text, read_report, call):
    words = [
        json.loads(line)
        for line in call("eval", "-m", masked, text, "--json", "--level", "word").out.splitlines()
        if '"word"' in line
    ]
    of_model, of_text = read_report("report", masked), read_report("eval", "-m", masked, text)

    parts = ["Frequent and rare words", "Pseudo-surprisal, word by word", "Best and worst filled gaps"]
    assert [heading for heading in of_model.headings if heading in parts] == parts
    assert [heading for heading in of_text.texts["h3"] if heading in parts] == parts
    assert "no perplexity" in of_text.text
    for page in (of_model, of_text):
        assert "Calibration of the top answer" in page.texts["strong"]
        assert "of 8 answers are right" in page.text
        assert page.text.count("the words on both sides of it were known") == 2
        # The shaded text, a paragraph a line, and the pseudo-surprisal of each word.
        assert {"the cat sat.", "zebra on the mat"} <= set(page.texts["p"])
        assert "¶" not in page.text
        rows = page.content.decode().split('aria-label="Pseudo-surprisal of each word"')[1].split("</table>")[0]
        shown = re.findall(r'<td class="number">([\d.]+)</td>', rows)
        assert shown == [f"{word['surprisal_bits']:.2f}" for word in words if word["level"] == "word"]
        assert any(row.endswith("the ___ sat .") for row in page.texts["tr"])
        assert "zebra on the ___" in page.text


def test_a_model_that_fills_gaps_without_a_kept_text(make_bundle, read_report, tmp_path):
    page = read_report("report", make_bundle(tmp_path / "masked", family="masked"))

    assert (
        "Bands of frequency, calibration, shaded words and examples: the model keeps no validation text."
        in page.texts["li"]
    )
