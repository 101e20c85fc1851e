"""Elements of a page, as a tree. Text is escaped when the tree is written, so no caller can forget it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias
from xml.etree import ElementTree

from lmctl.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A number as reports write them, perhaps with a unit, or both ends of an interval.
_ONE_NUMBER = r"[-+]?(?:[0-9][0-9,]*(?:\.[0-9]+)?(?:e[-+][0-9]+)?|∞)(?: %)?"
_NUMBER = re.compile(rf"{_ONE_NUMBER}(?: to {_ONE_NUMBER})?")

Element: TypeAlias = "ElementTree.Element[str]"
Child: TypeAlias = "str | Element | Iterable[Child] | None"


def element(tag: str, /, *children: Child, **attributes: str | None) -> Element:
    """Make an element.

    Args:
        tag: its name, such as "td".
        children: texts, elements, or sequences of both, in order; None: nothing.
        attributes: by name. A trailing underscore is removed, so that `class_` can be written, and other
            underscores become hyphens. None: the attribute is left out.
    """
    made = ElementTree.Element(tag)
    for key, value in attributes.items():
        if value is not None:
            made.set(key.rstrip("_").replace("_", "-"), visible(value))
    _append(made, children)
    return made


def table(
    label: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Child]],
    *,
    is_captioned: bool = False,
    is_wide: bool = False,
) -> Element:
    """Make a table whose first column names the rows. Columns of numbers are set to the right.

    Args:
        label: what the table is of, for readers who hear the page.
        header: the names of the columns.
        rows: the cells.
        is_captioned: whether the label also stands above the table.
        is_wide: whether the last column has sentences, which need room on a narrow screen.
    """
    of_rows = list(rows)
    classes = [
        "number" if any(_is_number(row[place]) for row in of_rows) else None for place in range(len(header))
    ]
    head = element(
        "tr", *(element("th", name, scope="col", class_=kind) for name, kind in zip(header, classes, strict=True))
    )
    body = [
        element(
            "tr",
            *(
                element("td" if place else "th", cell, class_=kind, scope=None if place else "row")
                for place, (cell, kind) in enumerate(zip(row, classes, strict=True))
            ),
        )
        for row in of_rows
    ]
    made = element(
        "table",
        element("caption", label) if is_captioned else None,
        element("thead", head),
        element("tbody", body),
        class_="wide" if is_wide else None,
    )
    # A wide table scrolls by itself, also with the keyboard; the page does not.
    return element("div", made, class_="scroll", tabindex="0", role="group", aria_label=label)


def definitions(rows: Iterable[tuple[str, Child]]) -> Element:
    """Make a list of terms and what each is."""
    return element("dl", *((element("dt", name), element("dd", value)) for name, value in rows))


def to_html(root: Element) -> str:
    """Return the HTML of an element and all that is in it."""
    return ElementTree.tostring(root, encoding="unicode", method="html")


def _append(parent: Element, children: Iterable[Child]) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            if len(parent):
                parent[-1].tail = (parent[-1].tail or "") + visible(child)
            else:
                parent.text = (parent.text or "") + visible(child)
        elif ElementTree.iselement(child):
            parent.append(child)
        else:
            _append(parent, child)


def _is_number(cell: Child) -> bool:
    return isinstance(cell, str) and _NUMBER.fullmatch(cell) is not None
