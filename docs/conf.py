"""Settings of Sphinx, which builds the pages of this folder into a site: `make site`."""

import logging
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese

project = "lmctl"
html_show_copyright = False
extensions = ["myst_parser"]
# Anchors of headings are spelled as Git hosts spell them.
myst_heading_anchors = 4
# `--` and quotation marks are those of commands.
smartquotes = False
html_theme = "furo"
html_title = "lmctl"
html_copy_source = False
html_show_sphinx = False
html_search_language = "zh"
# The dictionary is jieba's own already.
html_search_options = {"dict": ""}
logging.getLogger("jieba").addFilter(lambda record: record.levelno >= logging.WARNING)


class Search(SearchChinese):
    """Finds English words by their stems, and Chinese by jieba's words or by three characters or more in a row.

    Sphinx 9.0 takes the name of the stemmer from the name of the language, but the stemmer is the English one. So
    its own search of Chinese pages ends with an error in the browser (sphinx-doc/sphinx issue 14229).
    """

    language_name = "English"

    def split(self, input: str) -> list[str]:
        """Cut a text into the words of the index. A query is not cut, and finds the words that it is a part of."""
        return super().split(input) + re.findall("[\u4e00-\u9fff]{3,}", input)


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Make each list of links in index.md a part of the navigation, with the heading above it."""
    if page != "index":
        return
    _, *parts = re.split(r"^## (.+)\n", source[0], flags=re.MULTILINE)
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        links = re.findall(r"^- \[([^\]]+)\]\(([^)]+)\.md\)", body, re.MULTILINE)
        pages = "\n".join(f"{title} <{path}>" for title, path in links)
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{pages}\n```\n"


def name_language(_app: Sphinx, page: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """Name the language of a page, by which browsers choose the shapes of Han characters."""
    context["language"] = "zh-CN" if page.endswith("-zh") else "en"


def setup(app: Sphinx) -> None:
    """Register what stands above."""
    app.add_search_language(Search)
    app.connect("source-read", add_navigation)
    app.connect("html-page-context", name_language)
