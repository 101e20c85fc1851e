"""A whole page: sections, figures with their numbers, and the style."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from lmctl.pages.elements import Child, Element, element, to_html

if TYPE_CHECKING:
    from collections.abc import Sequence

# Nothing is loaded and no script runs, even if a text should try to.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page.

    Attributes:
        heading: its heading.
        content: what stands below it.
    """

    heading: str
    content: Sequence[Child]


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot with a text alternative.

    Attributes:
        title: what it shows.
        description: what can be seen in it, in a sentence or two.
        plot: from `plots.py`.
        numbers: a table of what is drawn; None: another figure of the page has it.
    """

    title: str
    description: str
    plot: Element
    numbers: Element | None


def figures(*shown: Figure) -> Element:
    """Return figures side by side, as far as the width of the page allows."""
    return element("div", *map(_figure, shown), class_="figures")


def paragraph(*content: Child) -> Element:
    """Return a paragraph."""
    return element("p", *content)


def details(summary: str, *content: Child) -> Element:
    """Return content that a reader opens; when the page is printed, it is shown if it was opened."""
    return element("details", element("summary", summary), *content)


def page(title: str, lead: str, sections: Sequence[Section], made_by: str) -> bytes:
    """Return a page as one file in UTF-8.

    Args:
        title: of the page.
        lead: a sentence below the title.
        sections: in order.
        made_by: the last line of the page.
    """
    style = resources.files("lmctl.pages").joinpath("style.css").read_text(encoding="utf-8")
    entries, contents = [], []
    for number, section in enumerate(sections, start=1):
        identifier = f"section-{number}"
        entries.append(element("li", element("a", section.heading, href=f"#{identifier}")))
        contents.append(
            element(
                "section",
                element("h2", section.heading, id=f"{identifier}-heading"),
                *section.content,
                id=identifier,
                aria_labelledby=f"{identifier}-heading",
            )
        )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", style),
    )
    body = element(
        "body",
        element("header", element("h1", title), paragraph(lead)),
        element("nav", element("ul", *entries), aria_label="Sections"),
        element("main", *contents),
        element("footer", paragraph(made_by)),
    )
    _name_plots(body)
    return f"<!DOCTYPE html>\n{to_html(element('html', head, body, lang='en'))}\n".encode()


def _figure(shown: Figure) -> Element:
    shown.plot.insert(0, element("desc", shown.description))
    shown.plot.insert(0, element("title", shown.title))
    return element(
        "figure",
        element("figcaption", element("strong", shown.title), " ", shown.description),
        shown.plot,
        None if shown.numbers is None else details("Numbers", shown.numbers),
    )


def _name_plots(body: Element) -> None:
    """Give the parts of each plot names of their own, and refer from it to its title and description."""
    numbers = itertools.count(1)
    for plot in body.iter("svg"):
        name = f"plot-{next(numbers)}"
        # Plots have the same names for their parts.
        for part in plot.iter():
            for key, value in part.attrib.items():
                if key == "id":
                    part.set(key, f"{name}-{value}")
                elif key == "href" or value.startswith("url(#"):
                    part.set(key, value.replace("#", f"#{name}-"))
        title, description = plot.find("title"), plot.find("desc")
        if title is not None and description is not None:
            title.set("id", f"{name}-title")
            description.set("id", f"{name}-description")
            plot.set("role", "img")
            plot.set("aria-labelledby", f"{name}-title")
            plot.set("aria-describedby", f"{name}-description")
