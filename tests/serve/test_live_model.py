"""Generations that are published while a server answers."""

from __future__ import annotations

import asyncio
import gc
import math
import shutil
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import LONGEST_SECONDS

from lmctl.errors import DataError, InputMissingError
from lmctl.serve import live_model
from lmctl.serve.access import Access
from lmctl.serve.app import Server
from lmctl.serve.bodies import PredictRequest
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.live_model import LiveModel
from lmctl.serve.starting import Limits


def test_a_new_generation_answers(published):
    folder = published(1)
    opened = []
    live = LiveModel(str(folder.folder), opens=lambda found: opened.append(found.generation))
    live.refresh()
    assert opened == [1]

    published(2)
    live.refresh()
    assert opened == [1, 2]
    assert (live.current.generation, live.current.place) == (2, folder.generation(2))
    folder.roll_back(1)
    live.refresh()
    assert opened == [1, 2, 1]


def test_a_generation_that_was_named_stays(published):
    folder = published(1)
    live = LiveModel(f"{folder.folder}@1")
    published(2)
    live.refresh()

    assert live.current.generation == 1


def test_a_generation_that_cannot_be_opened_does_not_answer(published, messages, monkeypatch):
    monkeypatch.setattr(live_model, "RETRY_SECONDS", math.inf)
    folder = published(1)
    failures = []
    live = LiveModel(str(folder.folder), fails=lambda: failures.append(1))
    published(2)
    damaged = folder.generation(2) / "weights.safetensors"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1])
    live.refresh()
    live.refresh()

    # It is not tried again at once, and the second failure would not be told.
    assert (live.current.generation, failures) == (1, [1])
    assert sum("generation 1 goes on answering" in message for message in messages) == 1
    monkeypatch.setattr(live_model, "RETRY_SECONDS", 0.0)
    live.refresh()
    assert failures == [1, 1]
    assert sum("generation 1 goes on answering" in message for message in messages) == 1
    damaged.write_bytes(content)
    live.refresh()
    assert live.current.generation == 2


def test_a_model_that_vanishes_goes_on_answering(published, monkeypatch):
    monkeypatch.setattr(live_model, "RETRY_SECONDS", math.inf)
    folder = published(1)
    failures = []
    live = LiveModel(str(folder.folder), fails=lambda: failures.append(1))
    shutil.rmtree(folder.folder)
    live.refresh()
    live.refresh()

    assert live.current.model.predict("the")
    assert failures == [1]


def test_an_older_generation_leaves_the_memory_without_a_further_request(published):
    folder = published(1)
    server = Server(str(folder.folder), access=Access(None, only_loopback=False), limits=Limits(), batch=64)
    lanes, predict = server._lanes, ENDPOINTS[0]
    lanes.start()
    answer = asyncio.run(lanes.answer(predict, PredictRequest(contexts=("the",)), float("inf")))
    assert answer.generation == 1
    # The threads have ended, so none of them holds the model that it has answered with.
    lanes.close()
    older = weakref.ref(server.live.current.model)
    published(2)
    server.live.refresh()

    gc.collect()
    assert server.live.current.generation == 2
    assert older() is None


def test_a_model_must_be_there_at_the_start(tmp_path, published):
    with pytest.raises(InputMissingError):
        LiveModel(str(tmp_path / "missing"))
    folder = published(1)
    (folder.generation(1) / "model.json").write_text("{}")
    with pytest.raises(DataError):
        LiveModel(str(folder.folder))


def test_no_request_is_lost_while_generations_are_published(published, serving, many):
    """Each answer is that of the generation that it names. Clients ask until the last generation answers."""
    last = 51 if many else 11
    folder = published(1)
    client = serving(folder.folder)
    body = {"contexts": ["the cat sat on the"], "k": 1}
    expected = {}
    done, last_answers = threading.Semaphore(0), threading.Event()

    def ask():
        responses = []
        while not last_answers.is_set():
            response = client.post("/v1/predict", json=body)
            responses.append(response)
            if response.json().get("generation") == last:
                last_answers.set()
            done.release()
        return responses

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask) for _ in range(8)]
        try:
            for seed in range(1, last + 1):
                if seed > 1:
                    for _ in range(19):
                        done.acquire()
                    published(seed)
                live = LiveModel(f"{folder.folder}@{seed}")
                expected[seed] = live.current.model.predict("the cat sat on the", 1)
            assert last_answers.wait(LONGEST_SECONDS)
        finally:
            last_answers.set()
        responses = [response for each in asked for response in each.result()]

    assert {response.status_code for response in responses} == {200}
    seen = set()
    for response in responses:
        answered = response.json()
        (found,) = answered["answers"][0]["predictions"]
        (right,) = expected[answered["generation"]]
        assert (found["word"], found["logprob"]) == (right.word, right.logprob)
        seen.add(answered["generation"])
    assert {1, last} <= seen
