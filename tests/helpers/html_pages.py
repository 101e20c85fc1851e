"""Reads the page of a report as a browser does: its elements, its texts, and everything that it would load."""

from __future__ import annotations

from html.parser import HTMLParser

# Elements of HTML that have no end tag.
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """A page that was read.

    Attributes:
        texts: the text of each element, by its tag, in the order of their ends.
        attributes: (tag, attribute, value) of all elements.
        unclosed: tags that were not closed.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.unclosed: list[str] = []
        self._parts: list[list[str]] = []
        self.content = content
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        self.texts.setdefault(tag, [])
        if tag not in VOID:
            self.unclosed.append(tag)
            self._parts.append([])

    def handle_endtag(self, tag):
        assert self.unclosed.pop() == tag
        text = "".join(self._parts.pop())
        self.texts[tag].append(text)
        if self._parts:
            self._parts[-1].append(text)

    def handle_data(self, data):
        if self._parts:
            self._parts[-1].append(data)

    @property
    def text(self) -> str:
        """All text of the page."""
        return self.texts["body"][0]

    @property
    def headings(self) -> list[str]:
        """The headings of the sections."""
        return self.texts["h2"]

    def cells(self, first: str) -> list[str]:
        """The cells of the rows that begin with a text, after it."""
        return [row.removeprefix(first) for row in self.texts["tr"] if row.startswith(first)]


def check_is_whole(page: Page) -> None:
    """Check that a page loads nothing, runs nothing, is closed everywhere, and is small."""
    assert page.unclosed == []
    assert len(page.content) < 1_000_000
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(page.texts)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src"):
            assert value.startswith("#"), (tag, name, value)
        else:
            assert "://" not in value, (tag, name, value)
    assert b"url(http" not in page.content
    assert "@import" not in page.texts["style"][0]
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    links = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert links <= set(identifiers)
