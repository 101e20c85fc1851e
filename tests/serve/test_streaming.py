"""Generated texts in pieces: the same texts as in one answer, and an end if nobody waits."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from waiting import LONGEST_SECONDS

from lmctl.errors import DataError
from lmctl.progress import tell as report
from lmctl.serve import app, streaming
from lmctl.serve.answers import GeneratedPiece
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.jobs import Pieces
from lmctl.serve.lanes import Lanes
from lmctl.serve.live_model import LiveModel
from lmctl.serve.starting import Limits
from lmctl.serve.streaming import EventStream

GENERATE = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "generate")
ASKED = {"prompts": ["the cat", ""], "samples": 2, "words": 9, "sentences": 3, "seed": 5}


def events(content):
    """The data of the events of a stream, and the names of those that have one."""
    found, names = [], []
    for block in content.decode().split("\n\n")[:-1]:
        *name, data = block.split("\n")
        names += name
        assert data.startswith("data: ")
        found.append(data.removeprefix("data: "))
    return found, names


@pytest.fixture
def replaced(monkeypatch):
    """`replaced(stream)`: the endpoint that generates has another function for streams."""

    def run(stream):
        endpoint = replace(GENERATE, stream=stream)
        monkeypatch.setattr(app, "ENDPOINTS", [endpoint])
        return endpoint

    return run


def piece(text):
    return GeneratedPiece(model="m", generation=None, line=1, sample=1, piece=text)


def test_the_pieces_of_a_text_are_its_text(client):
    whole = client.post(GENERATE.path, json=ASKED).json()
    response = client.post(GENERATE.path, json={**ASKED, "stream": True})
    found, names = events(response.content)

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (response.headers["cache-control"], names) == ("no-store", [])
    assert found[-1] == "[DONE]"
    assert json.loads(found[-2]) == whole
    texts = {}
    for each in map(json.loads, found[:-2]):
        assert (each["model"], each["generation"]) == (whole["model"], whole["generation"])
        place = each["line"], each["sample"]
        texts[place] = texts.get(place, "") + each["piece"]
    assert texts == {(each["line"], each["sample"]): each["text"] for each in whole["answers"]}
    # The prompt, and a piece for each token.
    assert len(found) - 2 == sum(1 + len(each["tokens"]) for each in whole["answers"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"prompts": ["the"], "beam": 2}, "a beam search cannot be streamed"),
        ({"prompts": ["qqq"]}, "no word of the prompt 'qqq'"),
        ({"prompts": ["the"], "top_k": 0}, "`int` >= 1"),
    ],
)
def test_a_stream_that_cannot_begin_is_refused_with_a_code(client, body, message):
    response = client.post(GENERATE.path, json={**body, "stream": True})

    assert response.status_code == 422
    assert message in response.json()["error"]


def test_a_stream_that_does_not_begin_in_time_is_refused(serving, monkeypatch):
    # No thread answers.
    monkeypatch.setattr(Lanes, "start", lambda _: None)
    client = serving(limits=Limits(seconds=0.05))
    response = client.post(GENERATE.path, json={"prompts": ["the"], "stream": True})

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "lmctl_serve_waiting_requests 0.0" in client.get("/metrics").text


def test_a_stream_among_too_many_requests_is_refused(serving):
    response = serving(limits=Limits(requests=0)).post(GENERATE.path, json={"prompts": ["the"], "stream": True})

    assert response.status_code == 503


def test_streams_of_a_batch_have_the_texts_that_each_has_alone(bundle):
    sizes = []
    bodies = [
        {"prompts": ("the cat",), "seed": 1, "words": 12, "stream": True},
        {"prompts": ("dog", "mat"), "seed": 2, "words": 12, "stream": True},
        {"prompts": ("qqq",), "seed": 3, "words": 12, "stream": True},
    ]

    def run(*asked):
        lanes = Lanes(LiveModel(str(bundle)), 64, sizes.append)

        async def one(body):
            return [
                each
                async for some in lanes.stream(GENERATE, GENERATE.request(**body), float("inf"))
                for each in some
            ]

        async def every():
            tasks = [asyncio.create_task(one(body)) for body in asked]
            await asyncio.sleep(0)
            lanes.start()
            return await asyncio.gather(*tasks, return_exceptions=True)

        try:
            return asyncio.run(every())
        finally:
            lanes.close()

    # A failure before the first piece does not fail the others.
    together = run(*bodies)
    alone = [run(body)[0] for body in bodies]

    assert sizes == [3, 1, 1, 1]
    assert together[:2] == alone[:2]
    assert isinstance(together[2], DataError)


def test_a_reader_that_is_behind_reads_all_pieces_at_once_and_then_waits():
    """Otherwise it would keep the event loop, which could not tell it that its client has gone."""

    async def run():
        pieces = Pieces()
        for some in (["a", "b"], ["c"]):
            pieces.add(some)
        assert await pieces.read() == ["a", "b", "c"]
        reading = asyncio.create_task(pieces.read())
        await asyncio.sleep(0)
        assert not reading.done()
        pieces.add(["d"])
        pieces.end()
        assert await reading == ["d"]
        assert [await pieces.read(), await pieces.read()] == [[], []]

    asyncio.run(run())


def test_a_client_that_goes_away_frees_the_lane(bundle, replaced):
    """The stream has no end of its own: the thread is free because nobody waits."""
    ended = threading.Event()

    def endless(_opened, _requests, tell, is_wanted):
        try:
            while True:
                tell[0]([piece("x")])
                report("generating")
        finally:
            assert not is_wanted[0]()
            ended.set()

    endpoint = replaced(endless)
    lanes = Lanes(LiveModel(str(bundle)), 64)

    async def leave():
        stream = lanes.stream(endpoint, endpoint.request(prompts=("the",), stream=True), float("inf"))
        assert (await anext(stream))[0] == piece("x")
        await stream.aclose()
        request = GENERATE.request(prompts=("the",), words=2, seed=1)
        return await lanes.answer(GENERATE, request, float("inf"))

    lanes.start()
    try:
        answer = asyncio.run(leave())
    finally:
        lanes.close()

    assert ended.is_set()
    assert len(answer.answers) == 1


def test_a_client_that_does_not_read_stops_counting_at_the_end_of_the_time():
    async def rest():
        yield [piece("x")]

    async def run():
        codes, finished, has_read = [], asyncio.Event(), asyncio.Event()
        response = EventStream([piece("x")], rest(), time.monotonic() - 10, {})

        def finish(code):
            codes.append(code)
            finished.set()

        async def send(_message):
            await has_read.wait()

        response.finish = finish
        sending = asyncio.create_task(response({"type": "http", "asgi": {"spec_version": "2.4"}}, None, send))
        # Without an end of its own, this would wait for ever.
        await finished.wait()
        assert not sending.done()
        has_read.set()
        await sending
        return codes

    assert asyncio.run(run()) == [499]


def test_texts_that_nobody_wants_do_not_grow(bundle):
    opened = LiveModel(str(bundle)).current
    body = {"words": 20, "sentences": 20, "stream": True}
    requests = [GENERATE.request(prompts=("the",), seed=seed, **body) for seed in (1, 2)]
    told = [[], []]
    fields = GENERATE.stream(opened, requests, [each.extend for each in told], [lambda: True, lambda: False])

    # The prompt and the first token.
    assert len(told[1]) == 2
    assert (len(fields[0]["answers"]), fields[1]) == (1, {"answers": []})
    assert len(told[0]) == 1 + len(fields[0]["answers"][0].tokens)


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (DataError("a word is missing"), 422, "a word is missing"),
        (ZeroDivisionError("secret"), 500, "a bug in lmctl; its log has the details"),
        (None, 503, "the time is over; ask for less"),
    ],
    ids=str,
)
def test_a_stream_that_fails_ends_with_an_event(serving, replaced, messages, monkeypatch, raised, code, message):
    def failing(_opened, _requests, tell, _is_wanted):
        tell[0]([piece("x")])
        while raised is None:
            report("generating")
        raise raised

    replaced(failing)
    if raised is None:
        # The time is over as soon as the first piece has been sent.
        now = time.monotonic()
        instants = itertools.chain([now], itertools.repeat(now + 2 * LONGEST_SECONDS))
        monkeypatch.setattr(streaming, "time", SimpleNamespace(monotonic=lambda: next(instants)))
    client = serving()
    found, names = events(client.post(GENERATE.path, json={"prompts": ["the"], "stream": True}).content)

    assert json.loads(found[0])["piece"] == "x"
    assert (json.loads(found[1]), names, len(found)) == ({"error": message}, ["event: error"], 2)
    metrics = client.get("/metrics").text
    assert f'lmctl_serve_requests_total{{code="{code}",endpoint="generate"}} 1.0' in metrics
    assert "lmctl_serve_waiting_requests 0.0" in metrics
    assert ("ZeroDivisionError: secret" in "".join(messages)) == (code == 500)
