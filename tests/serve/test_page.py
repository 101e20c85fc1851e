"""Writing on, on the page in Chromium: words as they come, and their end by the user."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from urllib.parse import quote

import pytest
import uvicorn
from browser import CHROMIUM, open_page
from counted_bigrams import publish_bigrams
from waiting import LONGEST_SECONDS, wait_until

from lmctl.errors import DataError
from lmctl.serve import app
from lmctl.serve.access import Access
from lmctl.serve.answers import GeneratedPiece
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.server import listen, url_of
from lmctl.serve.starting import Limits

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="this machine has no Chromium"),
]
TEXT, WRITTEN, ACTIVE = "text.value", "written.textContent", "document.activeElement.id"
IS_STOP_OFF = "byId('stop').disabled"
# What `eventsOf` makes of a response that comes in parts of some bytes each.
READ = """(async (content, size) => {
  const bytes = new TextEncoder().encode(content);
  const body = new ReadableStream({
    start(to) {
      for (let first = 0; first < bytes.length; first += size) to.enqueue(bytes.slice(first, first + size));
      to.close();
    },
  });
  const found = [];
  try {
    for await (const each of eventsOf(new Response(body))) found.push(each);
  } catch (error) {
    found.push(error.message);
  }
  return found;
})"""


class Steered:
    """A stream whose pieces a test gives one by one; an exception among them is raised.

    Attributes:
        ended: set when the client has gone.
    """

    def __init__(self):
        self._pieces, self._given = [], threading.Semaphore(0)
        self.ended = threading.Event()

    def give(self, *pieces):
        for each in pieces:
            self._pieces.append(each)
            self._given.release()

    def stream(self, opened, _requests, tell, is_wanted):
        while True:
            while not self._given.acquire(timeout=0.01):
                if not is_wanted[0]():
                    self.ended.set()
                    return [{"answers": []}]
            piece = self._pieces.pop(0)
            if piece is None:
                return [{"answers": []}]
            if isinstance(piece, Exception):
                raise piece
            tell[0]([GeneratedPiece(model=opened.name, generation=None, line=1, sample=1, piece=piece)])


@pytest.fixture
def steered(monkeypatch):
    """The stream of the next servers."""
    steered = Steered()
    endpoints = [replace(each, stream=steered.stream) if each.stream else each for each in ENDPOINTS]
    monkeypatch.setattr(app, "ENDPOINTS", endpoints)
    return steered


@pytest.fixture
def shown(bundle, tmp_path):
    """`shown(text, model=...)`: the page of a server on a socket, with a text."""
    running = []

    def run(text, model=bundle):
        listener, limits = listen("127.0.0.1", 0), Limits(seconds=LONGEST_SECONDS)
        server = app.Server(str(model), access=Access(None, only_loopback=True), limits=limits, batch=64)
        config = uvicorn.Config(server.app, lifespan="on", ws="none", interface="asgi3", log_config=None)
        runner = uvicorn.Server(config)
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
        running.append((runner, thread, listener))
        thread.start()
        page.open(f"{url_of(listener)}#text={quote(text)}")
        page.wait("document.querySelectorAll('#next li').length > 0", expected=True)
        return page

    with open_page(tmp_path / "browser") as page:
        yield run
        assert page.failures == []
    for runner, thread, listener in running:
        runner.should_exit = True
        thread.join()
        listener.close()


def test_words_are_shown_as_they_come(shown, steered):
    page = shown("a line\nthe  cat")
    page.value("byId('words').focus()")
    page.press("Enter")
    page.wait(WRITTEN, "Writing…")
    steered.give("the cat")
    page.wait(TEXT, "a line\nthe cat")
    assert page.value("[byId('write').ariaBusy, byId('next').children.length]") == ["true", 0]
    steered.give(" sat", ".")
    page.wait(TEXT, "a line\nthe cat sat.")
    assert (page.value(WRITTEN), page.value(IS_STOP_OFF)) == ("Writing…", False)
    assert page.value("text.selectionStart") == len("a line\nthe cat sat.")
    steered.give(None)
    page.wait(WRITTEN, "2 words added.")
    assert page.value(IS_STOP_OFF)
    page.wait("byId('next').children.length > 0", expected=True)

    page.value("byId('undo').click()")
    assert page.value(TEXT) == "a line\nthe  cat"


def test_the_stop_button_ends_the_work_of_the_server(shown, steered):
    page = shown("the")
    page.value("byId('write').focus()")
    page.press(" ")
    steered.give("the", " cat")
    page.wait(TEXT, "the cat")
    page.press("Tab")
    assert page.value(ACTIVE) == "stop"
    page.press("Enter")
    page.wait(WRITTEN, "Stopped after 1 word.")
    assert steered.ended.wait(LONGEST_SECONDS)

    assert (page.value(TEXT), page.value(ACTIVE), page.value(IS_STOP_OFF)) == ("the cat", "write", True)
    # The next one begins anew.
    page.press("Enter")
    steered.give("the cat", " sat", None)
    page.wait(WRITTEN, "1 word added.")
    assert page.value(TEXT) == "the cat sat"


@pytest.mark.parametrize("how", ["Escape", "typing", "a choice"])
def test_other_things_that_a_user_does_end_it_too(shown, steered, how):
    page = shown("the")
    page.value("text.focus(); byId('write').click()")
    steered.give("the", " cat")
    page.wait(TEXT, "the cat")
    if how == "Escape":
        page.press("Escape")
    elif how == "typing":
        page.type("!")
    else:
        page.value("setText(text.value + '!')")
    page.wait(WRITTEN, "Stopped after 1 word.")
    assert steered.ended.wait(LONGEST_SECONDS)

    assert page.value(TEXT) == ("the cat" if how == "Escape" else "the cat!")
    assert page.value(ACTIVE) == "text"


def test_a_failure_in_the_middle_is_shown_beside_what_has_come(shown, steered):
    page = shown("the")
    page.value("byId('write').click()")
    steered.give("the", " cat", DataError("a word is missing"))
    page.wait(WRITTEN, "a word is missing")

    # The next words are shown, and the message stays.
    page.wait("byId('next').children.length > 0", expected=True)
    assert (page.value(WRITTEN), page.value("written.className")) == ("a word is missing", "help error")
    assert page.value(TEXT) == "the cat"


def test_chinese_is_written_without_blanks(shown, tmp_path):
    page = shown("我", publish_bigrams(tmp_path, "我爱你们\n", "text.segmenter=char"))
    page.value("byId('words').value = 3; byId('write').click()")
    page.wait(WRITTEN, "3 words added.")

    assert page.value(TEXT) == "我爱你们"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("data: [DONE]\n\n", []),
        ('event: error\ndata: {"error":"时间"}\n\n', ["时间"]),
        ("", ["The server has ended before the last word."]),
        ('data: {"piece":"cut', ["The server has ended before the last word."]),
    ],
)
def test_events_may_come_in_parts_of_any_size(shown, end, told):
    page = shown("the")
    content = 'data: {"piece":"我"}\n\ndata: {"piece":" é\\n"}\n\n' + end
    for size in range(1, len(content.encode()) + 1):
        expected = [{"piece": "我"}, {"piece": " é\n"}, *told]
        assert page.value(f"{READ}({json.dumps(content)}, {size})") == expected


def test_an_unfinished_word_is_replaced_in_every_unicode_form(shown):
    """The server answers with the form that its model has: one character for e and its accent."""
    page = shown("the")

    assert page.value(r"withWord('the Cafe\u0301', 'caf\u00e9s', 'caf\u00e9')") == "the caf\u00e9s "
    assert page.value("withWord('the c', 'cat', 'c')") == "the cat "


@pytest.mark.parametrize(
    ("line", "is_unfinished"),
    [
        ("the c", True),
        ("cafe\u0301", True),
        ("\u0915\u093f", True),
        ("the ", False),
        ("end.", False),
        ("\U00020bb7", False),
    ],
    ids=["letter", "accent", "vowel sign", "space", "full stop", "Han of four bytes"],
)
def test_a_word_is_unfinished_after_a_letter_with_its_marks(shown, line, is_unfinished):
    assert shown("the").value(f"Boolean(isUnfinished({json.dumps(line)}))") is is_unfinished


def test_an_unfinished_word_is_completed_where_it_begins(shown):
    page = shown("the")
    page.value("state.segmenter = 'words'")

    assert page.value("withWord('(th', 'the', 'th')") == "(the "
    assert page.value("withWord('(', 'the', '')") == "( the "


def test_a_refusal_before_the_first_word_changes_nothing(shown):
    page = shown("the")
    page.value("byId('words').value = 2000; writeOn(); 0")
    wait_until(lambda: page.value("written.className") == "help error")

    assert "<= 1000" in page.value(WRITTEN)
    assert (page.value(TEXT), page.value("byId('undo').disabled")) == ("the", True)
    page.failures.clear()
