"""Threads in turns, and long requests that are computed so."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from dataclasses import replace

import pytest
from waiting import wait_until

from lmctl.progress import tell as report
from lmctl.serve import lanes as module
from lmctl.serve.answers import GeneratedPiece
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.lanes import Lanes
from lmctl.serve.live_model import LiveModel
from lmctl.serve.turns import Turns

OF_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
GENERATE = OF_NAME["generate"]
PIECE = GeneratedPiece(model="m", generation=None, line=1, sample=1, piece="x")


def test_threads_have_turns_in_the_order_in_which_they_ask():
    turns, order = Turns(), []

    def work(name):
        with turns:
            for _ in range(3):
                order.append(name)
                turns.hand_on()

    threads = []
    with turns:
        for place, name in enumerate("abc", start=1):
            threads.append(threading.Thread(target=work, args=(name,)))
            threads[-1].start()
            wait_until(lambda place=place: len(turns._waiting) == place)
        # This thread asks last.
        turns.hand_on()
        order.append("main")
    for thread in threads:
        thread.join()

    assert "".join(order) == "abcmainabcabc"


def test_a_turn_without_others_goes_on_and_a_failure_ends_it():
    turns = Turns()

    def fail():
        with turns:
            turns.hand_on()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    # Otherwise this would wait for ever.
    with turns:
        pass


@pytest.fixture
def endless():
    """An endpoint whose streams grow until nobody wants them, and the number of steps that each has taken."""
    steps = []

    def stream(_opened, _requests, tell, is_wanted):
        place = len(steps)
        steps.append(0)
        while is_wanted[0]():
            if not steps[place]:
                tell[0]([PIECE])
            report("generating")
            steps[place] += 1
        return [{"answers": []}]

    return replace(GENERATE, stream=stream), steps


def test_requests_are_answered_beside_streams_that_run(bundle, endless):
    endpoint, steps = endless
    asked = [
        ("generate", {"prompts": ("the cat",), "words": 9, "seed": 1}),
        ("generate", {"prompts": ("dog",), "words": 4, "seed": 2, "samples": 3}),
        ("generate", {"prompts": ("the",), "beam": 3}),
        ("fill", {"texts": ("the ___ sat", "___ dog")}),
        ("score", {"texts": ("the cat sat . " * 200,)}),
    ]

    async def run(streams):
        lanes = Lanes(LiveModel(str(bundle)), 64)
        lanes.start()
        # Nobody reads after the first piece.
        stalled = []
        for _ in range(streams):
            stalled.append(lanes.stream(endpoint, endpoint.request(prompts=("the",), stream=True), float("inf")))
            assert (await anext(stalled[-1]))[0] == PIECE
        found = await asyncio.gather(
            *(lanes.answer(OF_NAME[name], OF_NAME[name].request(**body), float("inf")) for name, body in asked)
        )
        before = list(steps)
        for stream in stalled:
            await stream.aclose()
        await asyncio.to_thread(lanes.close)
        return found, before

    alone, _ = asyncio.run(run(0))
    beside, counts = asyncio.run(run(2))

    assert beside == alone
    # Each stream had a turn after each step of the longest answer.
    assert all(count >= len(alone[0].answers[0].tokens) for count in counts)


def no_reader(live, monkeypatch):
    monkeypatch.setattr(type(live.current.model), "for_another_thread", failing(MemoryError))
    return GENERATE


def no_response(_live, _monkeypatch):
    return replace(GENERATE, response=failing(ZeroDivisionError))


def failing(error):
    def fail(*_arguments, **_options):
        raise error

    return fail


@pytest.mark.parametrize("failure", [no_reader, no_response])
def test_a_thread_goes_on_after_a_failure_outside_of_the_computing(bundle, monkeypatch, failure):
    monkeypatch.setattr(module, "LONG_BATCHES", 1)
    live = LiveModel(str(bundle))
    request = GENERATE.request(prompts=("the",), words=2, seed=1)

    async def run():
        lanes = Lanes(live, 64)
        lanes.start()
        with monkeypatch.context() as patched:
            endpoint = failure(live, patched)
            with pytest.raises((MemoryError, ZeroDivisionError)):
                await asyncio.wait_for(lanes.answer(endpoint, request, float("inf")), timeout=60)
        found = await asyncio.wait_for(lanes.answer(GENERATE, request, float("inf")), timeout=60)
        await asyncio.to_thread(lanes.close)
        return found

    assert len(asyncio.run(run()).answers) == 1


def test_only_so_many_batches_have_turns(bundle, endless, monkeypatch):
    endpoint, steps = endless
    monkeypatch.setattr(module, "LONG_BATCHES", 2)
    sizes = []

    async def run():
        lanes = Lanes(LiveModel(str(bundle)), 64, sizes.append)
        lanes.start()
        streams = []
        for _ in range(2):
            streams.append(lanes.stream(endpoint, endpoint.request(prompts=("the",), stream=True), float("inf")))
            assert (await anext(streams[-1]))[0] == PIECE
        others = [
            asyncio.create_task(
                lanes.answer(GENERATE, GENERATE.request(prompts=(text,), words=2, seed=1), float("inf"))
            )
            for text in ("the", "cat")
        ]
        # Each has put its request into the queue when this task goes on.
        await asyncio.sleep(0)
        # In these turns, both would be answered.
        enough = [taken + 20 for taken in steps]
        while any(taken < least for taken, least in zip(steps, enough, strict=True)):
            await asyncio.sleep(0)
        assert not any(other.done() for other in others)
        # One place is free, and both are one batch.
        await streams.pop().aclose()
        found = await asyncio.gather(*others)
        await streams.pop().aclose()
        await asyncio.to_thread(lanes.close)
        return found

    assert [len(each.answers) for each in asyncio.run(run())] == [1, 1]
    assert sizes == [1, 1, 2]


def test_a_new_generation_answers_the_next_long_request_and_the_older_one_leaves_memory(published):
    live = LiveModel(str(published(1).folder))
    older = weakref.ref(live.current.model.runtime)
    request = GENERATE.request(prompts=("the",), words=2, seed=1)
    lanes = Lanes(live, 64)
    lanes.start()

    async def ask():
        return (await lanes.answer(GENERATE, request, float("inf"))).generation

    def is_gone():
        gc.collect()
        return older() is None

    try:
        assert asyncio.run(ask()) == 1
        published(2)
        live.refresh()
        assert not is_gone()
        assert asyncio.run(ask()) == 2
        wait_until(is_gone)
    finally:
        lanes.close()
