"""Servers in this process: the application as it is, without a socket."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("httpx2", reason="needs the extra dev")

from starlette.testclient import TestClient
from waiting import LONGEST_SECONDS

from lmctl.serve.access import Access
from lmctl.serve.app import Server
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.lanes import Lanes
from lmctl.serve.live_model import LiveModel
from lmctl.serve.starting import Limits
from lmctl.store.generations import ModelFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

OF_PATH = {endpoint.name: endpoint for endpoint in ENDPOINTS}


@pytest.fixture(scope="session")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The words the, cat, sat, on, mat, dog and `.`, and random weights. No test writes into it."""
    return make_bundle(tmp_path_factory.mktemp("random") / "bundle")


@pytest.fixture(scope="session")
def uniform(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that gives each of its nine tokens the probability 1/9."""
    return make_bundle(tmp_path_factory.mktemp("uniform") / "bundle", scale=0.0)


@pytest.fixture
def serving(bundle: Path) -> Iterator[Callable[..., TestClient]]:
    """`serving(model=..., token=..., only_loopback=..., limits=..., batch=...)`: a client of a running server."""
    clients: list[TestClient] = []

    def start(
        model: Path = bundle,
        *,
        token: bytes | None = None,
        only_loopback: bool = False,
        limits: Limits | None = None,
        batch: int = 64,
    ) -> TestClient:
        access = Access(token, only_loopback=only_loopback)
        limits = limits or Limits(seconds=LONGEST_SECONDS)
        server = Server(str(model), access=access, limits=limits, batch=batch)
        client = TestClient(server.app, raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serving: Callable[..., TestClient]) -> TestClient:
    """A client of a server of `bundle`."""
    return serving()


@pytest.fixture
def answered_together() -> Callable[..., tuple[list[Any], list[int]]]:
    """`answered_together(model, requests)`: the responses to (endpoint, body), which wait when the threads start.

    Also the sizes of the batches. A request that fails has its error in place of a response.
    """

    def run(
        model: Path, requests: Sequence[tuple[str, dict[str, Any]]], largest: int = 64
    ) -> tuple[list[Any], list[int]]:
        sizes: list[int] = []
        lanes = Lanes(LiveModel(str(model)), largest, sizes.append)

        async def ask() -> list[Any]:
            loop = asyncio.get_running_loop()
            asked = []
            for name, body in requests:
                request = OF_PATH[name].request(**body)
                asked.append(loop.create_task(lanes.answer(OF_PATH[name], request, float("inf"))))
            # Each task has put its request into its queue before the first thread starts.
            await asyncio.sleep(0)
            lanes.start()
            return await asyncio.gather(*asked, return_exceptions=True)

        try:
            return asyncio.run(ask()), sizes
        finally:
            lanes.close()

    return run


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """The messages that are logged."""
    found: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(logging.Formatter().format(record))

    handler, log = Keeping(), logging.getLogger("lmctl")
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)


@pytest.fixture
def published(tmp_path: Path, make_bundle: Callable[..., Path]) -> Callable[[int], ModelFolder]:
    """`published(seed)`: a model folder whose current generation has the weights of this seed."""
    folder = ModelFolder.create(tmp_path / "model")

    def publish(seed: int) -> ModelFolder:
        folder.publish(make_bundle(folder.work / f"bundle-{seed}", seed=seed), keep=2)
        return folder

    return publish
