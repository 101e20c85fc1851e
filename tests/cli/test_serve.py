"""`lmctl serve` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from pathlib import Path

import pytest
from waiting import LONGEST_SECONDS, wait_until

pytest.importorskip("uvicorn", reason="needs the extra serve")


EVERYWHERE = "0.0.0.0"  # noqa: S104


def test_the_address_is_printed_and_answers(start, bundle):
    server = start("-m", bundle)

    assert server.address.scheme == "http"
    assert server.address.hostname == "127.0.0.1"
    code, content = server.ask("/v1/predict", {"contexts": ["the cat"], "k": 2})
    assert (code, len(json.loads(content)["answers"][0]["predictions"])) == (200, 2)
    code, content = server.ask("/healthz")
    assert (code, json.loads(content)["status"]) == (200, "ok")
    assert server.end() == (0, "")


def test_every_address_of_this_machine_answers_under_its_own_name(start, bundle):
    # Linux gives the loopback device all of 127.0.0.0/8, other systems 127.0.0.1 alone.
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError as error:
            pytest.skip(f"127.0.0.2 is no address of this machine: {error}")
    server = start("-m", bundle, "--host", "127.0.0.2")

    assert server.address.hostname == "127.0.0.2"
    assert server.ask("/healthz")[0] == 200
    assert server.end() == (0, "")


def test_a_head_without_end_is_refused(start, bundle):
    server = start("-m", bundle)
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\na: "
    with socket.create_connection((server.address.hostname, server.address.port), LONGEST_SECONDS) as connection:
        # One byte more than a head may have.
        connection.sendall(head + b"x" * (65_537 - len(head)))
        assert connection.recv(12) == b"HTTP/1.1 431"
    assert server.ask("/healthz")[0] == 200
    assert server.end() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_other_signals_end_it_too(start, bundle, number):
    assert start("-m", bundle).end(number) == (0, "")


def test_answers_have_the_keys_and_the_words_of_the_command_line(start, bundle, call):
    predicted = json.loads(call("predict", "-m", bundle, "--json", "the cat").out)
    written = json.loads(call("generate", "-m", bundle, "--json", "--seed", "5", "--words", "6", "the cat").out)
    server = start("-m", bundle)

    (found,) = json.loads(server.ask("/v1/predict", {"contexts": ["the cat"]})[1])["answers"]
    assert list(found) == list(predicted)
    for ours, theirs in zip(found["predictions"], predicted["predictions"], strict=True):
        # The server has the form of the model for many columns, whose last digits may differ.
        assert ours["word"] == theirs["word"]
        assert ours["logprob"] == pytest.approx(theirs["logprob"], abs=1e-4)
    asked = {"prompts": ["the cat"], "seed": 5, "words": 6}
    (found,) = json.loads(server.ask("/v1/generate", asked)[1])["answers"]
    assert list(found) == list(written)
    assert found["tokens"] == written["tokens"]


def test_one_by_one_the_figures_are_those_of_the_command_line(start, bundle, call):
    expected = json.loads(call("predict", "-m", bundle, "--json", "the cat").out)

    (found,) = json.loads(start("-m", bundle, "--batch", 1).ask("/v1/predict", {"contexts": ["the cat"]})[1])[
        "answers"
    ]
    assert found == expected


def test_a_request_that_has_come_is_answered_after_the_signal(start, bundle):
    server = start("-m", bundle)
    body = json.dumps({"contexts": ["the cat"]}).encode()
    with contextlib.closing(server.connect()) as connection:
        connection.putrequest("POST", "/v1/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:5])
        # The server has read the head of that request when it answers this one.
        assert server.ask("/healthz")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionError):
            # It listens no more as soon as it has noticed the signal.
            while True:
                server.ask("/healthz")
        connection.send(body[5:])
        response = connection.getresponse()

        assert response.status == 200
        assert json.loads(response.read())["answers"]
    assert server.process.wait(LONGEST_SECONDS) == 0


def test_a_second_interrupt_ends_it_at_once_and_without_a_message(start, bundle):
    server = start("-m", bundle, "--most-seconds", LONGEST_SECONDS)
    with contextlib.closing(server.connect()) as connection:
        # The rest of this request never comes.
        connection.putrequest("POST", "/v1/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "9")
        connection.endheaders(b"{")
        assert server.ask("/healthz")[0] == 200
        server.process.send_signal(signal.SIGINT)
        with contextlib.suppress(ConnectionError):
            while True:
                server.ask("/healthz")

        assert server.end(signal.SIGINT) == (0, "")


def test_many_clients_are_answered_alike(start, bundle):
    server = start("-m", bundle)
    texts = ["the cat", "the dog sat", "", "on the mat ."] * 3
    alone = [server.ask("/v1/predict", {"contexts": [text]})[1] for text in texts]
    found = [None] * len(texts)

    def ask(place):
        found[place] = server.ask("/v1/predict", {"contexts": [texts[place]]})[1]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_a_client_that_sends_no_http_disturbs_nothing(start, bundle):
    server = start("-m", bundle)
    head = ("POST /v1/predict HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 99")
    unfinished = "".join(f"{line}\r\n" for line in head).encode()
    for sent in (
        b"\x16\x03\x01garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"",
        unfinished,
        unfinished + b"\r\n{",
    ):
        with socket.create_connection((server.address.hostname, server.address.port), LONGEST_SECONDS) as stranger:
            stranger.sendall(sent)
    assert server.ask("/healthz")[0] == 200
    assert server.end() == (0, "")


def test_a_port_that_is_taken_is_refused_in_one_line(lmctl, bundle):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        finished = lmctl("serve", "-m", bundle, "--port", str(port))

    assert (finished.code, finished.out) == (69, "")
    message = f"port {port} of 127.0.0.1 is taken by another program; choose another --port, or 0 for any free one"
    assert finished.err == f"lmctl: {message}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--host", "192.0.2.1"), 69, "192.0.2.1 is no address of this machine; choose another --host"),
        (("--host", "no such host"), 69, "--host no such host: "),
        (("--host", ""), 69, "--host '': "),
        (("-m", "missing"), 66, "missing: no such model"),
        (("--port", "70000"), 2, "--port"),
        (("--batch", "0"), 2, "--batch"),
        (("--most-seconds", "0"), 2, "--most-seconds"),
        (("--token-file", "missing"), 66, "missing: no such file; make one"),
        (("--token-file", "."), 66, ".: is a folder; expected a file with a token"),
        (("--token-file", "token"), 77, "token: others can read it (mode 644); `chmod 600 token` keeps it secret"),
    ],
)
def test_mistakes_are_refused_in_one_line(call, workplace, monkeypatch, arguments, code, message):
    (workplace / "token").write_text("0123456789abcdef\n")
    (workplace / "token").chmod(0o644)
    monkeypatch.setenv("LMCTL_MODEL", "bundle")
    finished = call("serve", "--port", "0", *arguments)

    assert (finished.code, finished.out, len(finished.err.splitlines())) == (code, "", 1)
    assert message in finished.err


def test_a_model_that_fills_gaps_is_asked_for_them(start, make_bundle, tmp_path):
    server = start("-m", make_bundle(tmp_path / "bundle", family="masked"))
    code, content = server.ask("/v1/fill", {"texts": ["the ___ sat"], "k": 2})

    assert code == 200
    assert len(json.loads(content)["answers"][0]["predictions"]) == 2
    assert server.ask("/v1/predict", {"contexts": ["the"]})[0] == 422


def test_a_client_that_leaves_a_stream_is_counted_and_the_next_one_is_answered(start, bundle):
    server = start("-m", bundle)
    # About 8 MB, more than the system takes for a client that does not read. So the stream has not ended before.
    body = {"prompts": ["the"] * 64, "words": 1000, "sentences": 10, "samples": 16, "stream": True}
    with contextlib.closing(server.connect()) as connection:
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        connection.request("POST", "/v1/generate", json.dumps(body).encode(), {"Content-Type": "application/json"})
        assert b'"piece":"the"' in connection.getresponse().readline()

    assert server.ask("/v1/generate", {"prompts": ["the"], "words": 2, "seed": 1})[0] == 200
    wait_until(lambda: b"lmctl_serve_waiting_requests 0.0" in server.ask("/metrics")[1])
    assert b'code="499",endpoint="generate"} 1.0' in server.ask("/metrics")[1]


def test_a_missing_package_is_named_with_its_extra(call, bundle, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "starlette" else object())
    finished = call("serve", "-m", bundle)

    assert finished.code == 2
    assert finished.err == ("lmctl: serving needs starlette, which is not installed: pip install 'lmctl[serve]'\n")


def test_an_address_that_others_reach_needs_a_token_or_gets_a_warning(start, bundle, tmp_path):
    server = start("-m", bundle, "--host", EVERYWHERE)
    code, errors = server.end()
    assert (code, len(errors.splitlines())) == (0, 1)
    assert errors.startswith(
        f"lmctl: warning: {server.url} can be reached from other machines, and asks for no token"
    )

    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("0123456789abcdef")
    server = start("-m", bundle, "--host", EVERYWHERE, "--token-file", token)
    assert server.ask("/v1/predict", {"contexts": ["the"]})[0] == 401
    assert server.ask("/v1/predict", {"contexts": ["the"]}, Authorization="Bearer 0123456789abcdef")[0] == 200
    assert server.end() == (0, "")


def test_another_address_of_ipv6_is_printed_in_brackets(start, bundle):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = start("-m", bundle, "--host", "::1")

    assert server.url.startswith("http://[::1]:")
    assert server.ask("/healthz")[0] == 200


def test_tensorflow_is_not_imported(start, bundle):
    server = start("-m", bundle)
    server.ask("/v1/generate", {"prompts": ["the"], "words": 2})
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "numpy" in maps
    assert "tensorflow" not in maps
