"""Requests that are refused: each with its code, and with one line that says why."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace

import pytest
from waiting import LONGEST_SECONDS

from lmctl.progress import tell
from lmctl.serve import app, lanes
from lmctl.serve.bodies import LONGEST_TEXT, MOST_TEXTS
from lmctl.serve.starting import Limits

PREDICT = "/v1/predict"


def refused(response, code):
    """The message of a refusal."""
    assert response.status_code == code, response.text
    message = response.json()["error"]
    assert message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "missing required field `contexts`"),
        ({"contexts": "the cat"}, "Expected `array`"),
        ({"contexts": []}, "length >= 1"),
        ({"contexts": ["a"] * (MOST_TEXTS + 1)}, f"length <= {MOST_TEXTS}"),
        ({"contexts": ["a" * (LONGEST_TEXT + 1)]}, f"length <= {LONGEST_TEXT}"),
        ({"contexts": ["a" * LONGEST_TEXT] * 11}, "the texts have 110,000 characters; expected at most 100,000"),
        ({"contexts": ["a"], "k": 0}, "`int` >= 1 - at `$.k`"),
        ({"contexts": ["a"], "k": True}, "Expected `int`"),
        ({"contexts": ["a"], "threshold": 1.5}, "`float` <= 1"),
        ({"contexts": ["a"], "tresh": 1}, "'tresh': unknown key; did you mean threshold?"),
        ({"contexts": ["a"], "zzz": 1}, "'zzz': unknown key; expected contexts, k, threshold"),
        # A refusal is one line, and has no control characters of the request.
        ({"contexts": ["a"], "z\nz\tz\x1b": 1}, r"'z\nz\tz\x1b': unknown key"),
        ([], "Expected `object`"),
    ],
)
def test_a_body_that_is_no_request_is_refused(client, body, message):
    assert message in refused(client.post(PREDICT, json=body), 422)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"prompts": ["qqq"]}, "no word of the prompt 'qqq'"),
        ({"prompts": ["the"], "beam": 2, "seed": 1}, "a beam search draws nothing"),
        ({"prompts": ["the"], "beam": 2, "samples": 3}, "a beam of 2 cannot give 3 texts"),
        ({"prompts": ["the"], "stop": ["qqq"]}, "the stop 'qqq' would never come"),
        ({"prompts": ["the"], "stop": ["qqq\nthe"]}, r"the stop 'qqq\nthe' would never come"),
    ],
)
def test_what_the_model_cannot_do_is_refused(client, body, message):
    assert message in refused(client.post("/v1/generate", json=body), 422)


@pytest.mark.parametrize("body", [b"", b"{", b'{"contexts": ["\xff"]}', b'{"contexts": ["\\ud800"]}'])
def test_a_body_that_is_not_json_is_refused(client, body):
    headers = {"Content-Type": "application/json"}
    assert "expected JSON" in refused(client.post(PREDICT, content=body, headers=headers), 400)


def test_a_byte_that_is_not_utf8_is_named_with_its_place_in_the_body(client):
    response = client.post(
        PREDICT, content=b'{"contexts": ["\xff"]}', headers={"Content-Type": "application/json"}
    )

    assert refused(response, 400) == "expected JSON in UTF-8: 0xff is not (byte 15)"


def test_other_types_of_bodies_are_refused(client):
    """A form of another host's page can send text/plain without asking, but not JSON."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": content_type}
        refused(client.post(PREDICT, content=b'{"contexts": ["a"]}', headers=headers), 415)


def test_a_body_that_is_too_large_is_refused(serving):
    client = serving(limits=Limits(body_bytes=100))
    body = json.dumps({"contexts": ["a" * 200]}).encode()
    headers = {"Content-Type": "application/json"}

    def parts():
        yield body[:90]
        yield body[90:]

    assert "more than 100 bytes" in refused(client.post(PREDICT, content=body, headers=headers), 413)
    # Without Content-Length, too.
    assert "more than 100 bytes" in refused(client.post(PREDICT, content=parts(), headers=headers), 413)
    assert client.post(PREDICT, json={"contexts": ["a" * 50]}).status_code == 200


def test_a_request_among_too_many_is_refused(serving):
    response = serving(limits=Limits(requests=0)).post(PREDICT, json={"contexts": ["a"]})

    assert "wait already" in refused(response, 503)
    assert response.headers["retry-after"] == "1"


def test_a_request_that_is_not_answered_in_time_is_refused(serving, monkeypatch):
    # No thread answers.
    monkeypatch.setattr(lanes.Lanes, "start", lambda _: None)
    response = serving(limits=Limits(seconds=0.05)).post(PREDICT, json={"contexts": ["a"]})

    assert "no answer within 0.05 seconds" in refused(response, 503)
    assert response.headers["retry-after"] == "1"


def test_work_that_nobody_waits_for_is_given_up(monkeypatch, bundle):
    """A search reports its progress, and ends there if the time is over."""
    reported = []

    def endless(_opened, _requests):
        while True:
            reported.append(1)
            tell("working")

    endpoint = next(each for each in app.ENDPOINTS if each.name == "generate")

    class Done:
        def done(self):
            return len(reported) >= 3

    job = lanes.Job(
        type(endpoint)(*(endless if name == "answer" else getattr(endpoint, name) for name in endpoint.__slots__)),
        endpoint.request(prompts=("the",)),
        float("inf"),
        Done(),
    )

    assert lanes._answered(None, [job]) == []
    assert len(reported) == 3


@pytest.mark.parametrize("streams", [False, True])
def test_the_work_for_a_client_that_went_away_is_given_up(serving, monkeypatch, streams):
    """It would otherwise go on until the time is over, and be counted with 503."""
    began, ended = threading.Event(), threading.Event()

    def endless(*_):
        try:
            while True:
                began.set()
                tell("working")
        finally:
            ended.set()

    endpoints = [replace(each, answer=endless, stream=each.stream and endless) for each in app.ENDPOINTS]
    monkeypatch.setattr(app, "ENDPOINTS", endpoints)
    client = serving()
    sent = []
    body = json.dumps({"prompts": ["the"], "stream": streams}).encode()
    asked = [{"type": "http.request", "body": body}]

    async def receive():
        if asked:
            return asked.pop()
        await asyncio.to_thread(began.wait)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/v1/generate", "query_string": b"", "headers": headers}
    client.portal.call(client.app, scope, receive, send)

    assert sent[0]["status"] == 499
    assert ended.wait(LONGEST_SECONDS)
    metrics = client.get("/metrics").text
    assert 'lmctl_serve_requests_total{code="499",endpoint="generate"} 1.0' in metrics
    assert "lmctl_serve_waiting_requests 0.0" in metrics


def test_a_bug_is_logged_and_told_without_details(serving, monkeypatch, messages):
    def broken(*_):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("lmctl.query.prediction.Predictor.answer", broken)
    client = serving()

    assert "secret" not in refused(client.post(PREDICT, json={"contexts": ["a"]}), 500)
    assert "ZeroDivisionError: secret" in "".join(messages)
    # The thread goes on.
    monkeypatch.undo()
    assert client.post(PREDICT, json={"contexts": ["a"]}).status_code == 200


def test_unknown_paths_and_methods_are_refused(client):
    assert "/docs" in refused(client.get("/v1/nothing"), 404)
    response = client.get(PREDICT)
    assert "another method" in refused(response, 405)
    assert response.headers["allow"] == "POST"
    # No redirection, whose address would be made of the header Host.
    refused(client.post(f"{PREDICT}/", json={"contexts": ["a"]}, follow_redirects=False), 404)


def test_a_server_on_loopback_answers_to_its_own_names_alone(serving):
    """A page of another host cannot read answers by having its name lead to 127.0.0.1."""
    client = serving(only_loopback=True)
    own = (
        "localhost",
        "localhost:8000",
        "127.0.0.1:8000",
        "[::1]:8000",
        "LOCALHOST",
        "127.0.1.1:8000",
        "127.9.8.7",
    )
    for host in own:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "[::2]", "8.8.8.8", ""):
        refused(client.get("/healthz", headers={"Host": host}), 421)
        refused(client.post(PREDICT, json={"contexts": ["a"]}, headers={"Host": host}), 421)


def test_a_token_is_asked_for(serving):
    client = serving(token=b"0123456789abcdef")

    for wrong in (
        "",
        "Bearer",
        "Bearer 0123456789abcdeF",
        "Basic 0123456789abcdef",
        "Bearer é",
        "0123456789abcdef",
    ):
        headers = {"Authorization": wrong.encode("latin-1")} if wrong else {}
        response = client.post(PREDICT, json={"contexts": ["a"]}, headers=headers)
        refused(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"
        refused(client.get("/metrics", headers=headers), 401)
    right = {"Authorization": "bearer 0123456789abcdef"}
    assert client.post(PREDICT, json={"contexts": ["a"]}, headers=right).status_code == 200
    assert client.get("/metrics", headers=right).status_code == 200
    # The page, which asks for the token, and the state of the server need none.
    for path in ("/", "/docs", "/openapi.json", "/healthz", "/page/page.js"):
        assert client.get(path).status_code == 200
    assert client.get("/healthz").json()["needs_token"]
