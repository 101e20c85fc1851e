import math
import sys

import pytest
from html_pages import Page, check_is_whole

from lmctl.errors import MissingExtraError
from lmctl.pages.drawing import require_matplotlib
from lmctl.pages.elements import element, table, to_html
from lmctl.pages.page import Figure, Section, figures, page, paragraph
from lmctl.pages.plots import Estimates, Line, Panel, plot_bars, plot_intervals, plot_lines, plot_reliability

HOSTILE = "<script>alert(1)</script>\"'&\x1b[2J\x00\u202e\udcff"


def drawn(*plots):
    shown = [
        Figure(f"plot {number}", "described", plot, table("numbers", ["x", "y"], [("1", "2")]))
        for number, plot in enumerate(plots)
    ]
    return Page(page("title", "lead", [Section("Plots", [figures(*shown)])], "made by a test"))


def test_texts_are_escaped_and_control_characters_are_visible():
    content = [paragraph(HOSTILE), table(HOSTILE, [HOSTILE], [[HOSTILE]], is_captioned=True)]
    read = Page(page(HOSTILE, HOSTILE, [Section(HOSTILE, content)], HOSTILE))

    check_is_whole(read)
    shown = "<script>alert(1)</script>\"'&\\x1b[2J\\x00\\u202e\\xff"
    assert {read.texts[tag][0] for tag in ("title", "h1", "h2", "caption", "td", "th") if tag in read.texts} == {
        shown
    }
    assert read.text.count(shown) == 9
    assert not any(control in read.content for control in (b"\x1b", b"\x00", "\u202e".encode()))


def test_attributes_are_escaped():
    assert to_html(element("span", "x", title='" onclick="alert(1)')) == (
        '<span title="&quot; onclick=&quot;alert(1)">x</span>'
    )


def test_chinese_stays_text():
    assert "编程是一种艺术" in page("报告", "", [Section("词", [paragraph("编程是一种艺术")])], "").decode()


def test_columns_of_numbers_are_set_to_the_right():
    made = table(
        "n", ["word", "count", "note"], [("a", "1,000", "-x"), ("b", "-2.5", "3 of 4"), ("c", "99.5 %", "")]
    )

    assert [th.get("class") for th in made.iter("th") if th.get("scope") == "col"] == [None, "number", None]


def test_plots_of_one_page_share_no_identifier_and_have_texts_for_those_who_do_not_see_them():
    lines = [Line("training", [(1, 400.0), (2, 200.0)]), Line("validation", [(1, 300.0), (2, math.inf)])]
    panels = [Panel("perplexity", lines, logarithmic=True), Panel("learning rate", [Line("rate", [(1, 0.003)])])]
    read = drawn(
        plot_lines(panels, "step"),
        plot_lines(panels, "step"),
        plot_bars([("network", 97.7), ("编程", math.inf)], "perplexity", logarithmic=True),
        plot_reliability([(0.0, 0.5, 0.25, 4), (0.5, 1.0, 0.75, 8)]),
        plot_intervals(
            ["rare", "编程", "none"],
            [
                Estimates("2 less 1", [(1.0, 0.5, 2.0), (-1.0, math.nan, math.inf), None]),
                # The value lies outside its interval, as it may.
                Estimates("3 less 1", [(3.0, 1.0, 2.0), (0.5, 0.5, 0.5), None]),
            ],
            "bits",
            from_zero=True,
        ),
    )

    check_is_whole(read)
    labels = [value for tag, name, value in read.attributes if tag == "svg" and name == "aria-labelledby"]
    assert labels == [f"plot-{number}-title" for number in range(1, 6)]
    assert read.texts["title"][1:] == [f"plot {number}" for number in range(5)]
    assert read.texts["desc"] == ["described"] * 5
    assert {
        "training",
        "validation",
        "perplexity",
        "编程",
        "97.7",
        "∞",
        "perfect calibration",
        "rare",
        "3 less 1",
    } <= set(read.texts["text"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("largest", [1e100, 1e250, 1.7e308])
def test_bars_of_any_length_have_room(largest):
    """matplotlib warns if nothing is left of the axes."""
    read = drawn(plot_bars([("oov", largest), ("frequent", 40.0)], "perplexity", logarithmic=True))

    check_is_whole(read)
    assert {f"{largest:.1e}", "40.0"} <= set(read.texts["text"])


def test_colours_are_those_of_the_page():
    written = to_html(plot_bars([("a", 1.0)], "x"))

    assert "fill: var(--series-1)" in written
    assert "fill: var(--ink)" in written
    assert "font-family" not in written
    assert "#0" not in written


def test_the_same_plot_is_the_same_text():
    assert to_html(plot_bars([("a", 1.0)], "x")) == to_html(plot_bars([("a", 1.0)], "x"))


def test_the_settings_of_the_user_do_not_matter(monkeypatch):
    import matplotlib as mpl

    plain = to_html(plot_bars([("a", 1.0)], "x"))
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30}):
        assert to_html(plot_bars([("a", 1.0)], "x")) == plain


def test_a_missing_matplotlib_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lmctl\[report\]'"):
        require_matplotlib()
