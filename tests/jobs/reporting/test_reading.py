"""Sections about words: what a page says if a part is missing, and how lines are shown."""

import pytest

from lmctl.jobs.reporting.reading import parts
from lmctl.pages.elements import element, to_html
from lmctl.query.examples import Context, Example
from lmctl.query.inspection import Inspection, SampledWord


def inspection(*, of_gaps, calibration=None):
    sample = [SampledWord("the", 3.0, False, False, 1), SampledWord(" cat", 11.0, True, False, 1)]
    sample += [] if of_gaps else [SampledWord("</s>", 1.0, False, True, 1)]
    sample += [SampledWord("on", 5.0, False, False, 4)]
    after = (("sat",), True) if of_gaps else ()
    example = Example(Context(("the",), True, *after), "cat", 1, 2.0, None, None, None)
    return Inspection(len(sample), None, calibration, [example], [example], sample, of_gaps)


def shown(found):
    """The HTML of each part, by its heading."""
    return {heading: to_html(element("div", *content)) for heading, content in parts(found, "en")}


@pytest.mark.parametrize("of_gaps", [False, True])
def test_parts_without_counts_and_answers_say_why(of_gaps):
    html = shown(inspection(of_gaps=of_gaps))["Frequent and rare words"]

    assert "This model has no counts of words, so there are no bands of frequency." in html
    assert "there is no calibration of the top answer: dynamic evaluation" in html


def test_surprisal_of_next_words_ends_lines_and_shows_the_words_before():
    html = shown(inspection(of_gaps=False))

    assert html["Surprisal, word by word"].count('class="reading"') == 2
    assert "¶</span></p>" in html["Surprisal, word by word"]
    assert "… the</span>" in html["Best and worst predictions"]
    assert "___" not in html["Best and worst predictions"]


def test_pseudo_surprisal_of_gaps_has_no_ends_of_lines_and_shows_both_sides():
    html = shown(inspection(of_gaps=True))

    assert html["Pseudo-surprisal, word by word"].count('class="reading"') == 2
    assert "¶" not in html["Pseudo-surprisal, word by word"]
    assert "… the ___ sat …</span>" in html["Best and worst filled gaps"]
    for heading in ("Pseudo-surprisal, word by word", "Best and worst filled gaps"):
        assert "does not compare with that of a model of the next word" in html[heading]
