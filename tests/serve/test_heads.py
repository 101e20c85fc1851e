"""The limit for heads, with a transport of the test, because a socket may join and cut what is sent."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState
from waiting import LONGEST_SECONDS

from lmctl.serve.heads import MOST_HEAD_BYTES, LimitedHeads

START = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data):
        self.written += bytes(data)

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    resume_reading = pause_reading


@pytest.fixture
def answered():
    """`answered(pieces)`: what is written after them, whether the connection is closed, and bodies that came."""

    def run(pieces):
        bodies = []

        async def app(_scope, receive, send):
            body = b""
            while (message := await receive())["type"] == "http.request":
                body += message["body"]
                if not message["more_body"]:
                    bodies.append(body)
                    await send({"type": "http.response.start", "status": 204, "headers": []})
                    await send({"type": "http.response.body"})
                    return

        async def feed():
            config = uvicorn.Config(
                app, http=LimitedHeads, ws="none", log_config=None, timeout_keep_alive=LONGEST_SECONDS
            )
            config.load()
            protocol, transport = (
                LimitedHeads(config=config, server_state=ServerState(), app_state={}),
                Transport(),
            )
            protocol.connection_made(transport)
            for piece in pieces:
                if transport.closed:
                    break
                protocol.data_received(piece)
                for _ in range(20):
                    await asyncio.sleep(0)
            closed = transport.closed
            protocol.connection_lost(None)
            return transport.written, closed

        return *asyncio.run(feed()), bodies

    return run


def in_pieces(content, size=1000):
    return [content[first : first + size] for first in range(0, len(content), size)]


@pytest.mark.parametrize(
    "rest", [b"a" * MOST_HEAD_BYTES, b"a: " + b"x" * MOST_HEAD_BYTES, b"a: b\r\n" * MOST_HEAD_BYTES]
)
def test_a_head_above_the_limit_is_refused(answered, rest):
    head = (START + rest)[:MOST_HEAD_BYTES]

    assert answered(in_pieces(head))[0] == b""
    written, closed, bodies = answered([*in_pieces(head), b"y"])
    first, content = written.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in first
    assert f"content-length: {len(content)}".encode() in first
    assert json.loads(content) == {"error": "the head of the request has more than 65,536 bytes"}
    assert (closed, bodies) == (True, [])


def test_a_long_url_is_part_of_the_head(answered):
    written, closed, _ = answered(in_pieces(b"GET /" + b"a" * MOST_HEAD_BYTES))

    assert written.startswith(b"HTTP/1.1 431 ")
    assert closed


def test_bodies_and_the_heads_of_other_requests_do_not_count(answered):
    padding = b"a: " + b"x" * 40_000 + b"\r\n"
    whole = START + padding + b"Content-Length: 200000\r\n\r\n" + b"z" * 200_000
    chunks = START + padding + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nz\r\n" * 30_000 + b"0\r\n\r\n"

    written, closed, bodies = answered([*in_pieces(whole), *in_pieces(chunks), *in_pieces(whole)])
    assert written.count(b"HTTP/1.1 204 ") == 3
    assert not closed
    assert [len(body) for body in bodies] == [200_000, 30_000, 200_000]


def test_headers_behind_a_body_have_the_same_limit(answered):
    start = START + b"Transfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n"

    written, closed, bodies = answered([start, *in_pieces(b"a: b\r\n" * 20_000)])
    assert (written, closed, bodies) == (b"", True, [])


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_request_that_offers_another_protocol_is_answered_in_http_1(answered, size):
    whole = START + OFFER + b"Content-Length: 3\r\n\r\nabc"
    chunks = START + b"Transfer-Encoding: chunked\r\n" + OFFER + b"\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
    none = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + OFFER + b"\r\n"
    plain = START + b"Content-Length: 2\r\n\r\ngh"

    written, closed, bodies = answered(in_pieces(whole + chunks + none + plain + none + whole, size))
    assert written.count(b"HTTP/1.1 204 ") == written.count(b"HTTP/1.1 ") == 6
    assert bodies == [b"abc", b"def", b"", b"gh", b"", b"abc"]
    assert not closed


@pytest.mark.parametrize("offer", [OFFER, b"Connection: upgrade\r\nUpgrade: websocket\r\n"])
def test_a_body_that_is_no_http_is_refused_behind_an_offer_too(answered, offer):
    written, _, bodies = answered([START + offer + b"Transfer-Encoding: chunked\r\n\r\n", b"x\r\n"])

    assert written.startswith(b"HTTP/1.1 400 ")
    assert bodies == []


def test_many_requests_that_arrive_at_once_may_offer_another_protocol(answered):
    written, closed, bodies = answered([(START + OFFER + b"Content-Length: 1\r\n\r\nz") * 1500])

    assert written.startswith(b"HTTP/1.1 204 ")
    assert (closed, bodies[0]) == (False, b"z")


def test_heads_behind_an_offer_have_the_same_limit(answered):
    whole = START + OFFER + b"Content-Length: 3\r\n\r\nabc"

    written, closed, bodies = answered([whole, *in_pieces(START + b"a: b\r\n" * 20_000)])
    assert b"HTTP/1.1 431 " in written
    assert (closed, bodies) == (True, [b"abc"])
