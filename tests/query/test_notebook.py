"""Answers as a notebook shows them."""

import math
from html.parser import HTMLParser

import numpy as np

from lmctl.query.notebook import RankedWords, shaded
from lmctl.query.prediction import Prediction
from lmctl.query.sentence_scores import SentenceScore


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, content):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def test_words_are_bars_as_long_as_their_probability():
    page = Page(
        RankedWords(
            [Prediction("<b>", 0.5, math.log(0.5)), Prediction("编程", 0.125, math.log(0.125))]
        )._repr_html_()
    )

    assert page.text == ["word", "probability", "<b>", "0.5000", "编程", "0.1250"]
    bars = [attributes["style"] for tag, attributes in page.elements if tag == "div"]
    assert [bar.split(";")[0] for bar in bars] == ["width: 50.0%", "width: 12.5%"]


def test_words_are_shaded_by_their_bits():
    page = Page(shaded(["a", "&", "never"], [0.0, math.log(1 / 256), -math.inf]))

    spans = [attributes for tag, attributes in page.elements if tag == "span"]
    assert [span["title"] for span in spans] == ["0.00 bits", "8.00 bits", "inf bits"]
    assert [span["style"].split(", ")[-1] for span in spans] == ["0.00)", "0.40)", "0.80)"]
    assert "".join(page.text) == "a & never"


def test_a_scored_sentence_shows_its_words_and_its_end():
    score = SentenceScore(["a"], [2, 1], np.log([0.5, 0.25]), None, 2)

    assert "".join(Page(score._repr_html_()).text) == "a </s>"
