"""The ASGI application: what is asked over HTTP becomes requests, and answers become responses."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import time
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from lmctl.errors import LmctlError
from lmctl.query.window_scoring import scoring_threads
from lmctl.serve.answers import Failure, Health
from lmctl.serve.decoding import BodyDecoder, NoJSONError, NoRequestError
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.lanes import Lanes
from lmctl.serve.live_model import LiveModel
from lmctl.serve.metrics import Metrics
from lmctl.serve.openapi import document
from lmctl.serve.reference import reference_page
from lmctl.serve.streaming import CLIENT_GONE, EventStream
from lmctl.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from lmctl.serve.access import Access
    from lmctl.serve.endpoints import Endpoint
    from lmctl.serve.live_model import OpenedModel
    from lmctl.serve.starting import Limits

JSON = "application/json"
RETRY_SECONDS = 1
# Threads that answer short requests; more would make the batches of each too small.
MOST_THREADS = 4
# The page loads nothing from other hosts, and runs no script but its own file.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_ANSWER_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_PAGE_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class _Refusal(Exception):  # noqa: N818
    """A request is refused."""

    def __init__(self, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Server:
    """Answers HTTP requests about a model.

    Args:
        name: the name of the model, as `-m` takes it; None: the only one.
        access: who may ask.
        limits: what may be asked.
        batch: the most requests that are answered as one batch.

    Attributes:
        app: the ASGI application.
        live: the model.

    Raises:
        UsageError: no model was named and there are several.
        InputMissingError: there is no model.
        DataError: the model is damaged.
    """

    def __init__(self, name: str | None, *, access: Access, limits: Limits, batch: int) -> None:
        self._access = access
        self._limits = limits
        self._metrics = Metrics()
        self._open_requests = 0
        lanes: list[Lanes] = []

        def opens(opened: OpenedModel) -> None:
            self._metrics.opened(opened)
            # The first generation is opened before there are any.
            for each in lanes:
                each.forget_older()

        self.live = LiveModel(name, many_columns=batch > 1, opens=opens, fails=self._metrics.failed)
        # Requests that are answered one by one are answered by one thread.
        threads = min(MOST_THREADS, scoring_threads()) if batch > 1 else 1
        self._lanes = Lanes(self.live, batch, self._metrics.batched, threads=threads)
        lanes.append(self._lanes)
        self._document = document(needs_token=access.needs_token)
        self.app = Starlette(
            routes=[
                *(Route(endpoint.path, self._handler(endpoint), methods=["POST"]) for endpoint in ENDPOINTS),
                Route("/healthz", self._guarded(self._health)),
                Route("/metrics", self._guarded(self._show_metrics)),
                Route("/openapi.json", self._guarded(self._describe)),
                Route("/docs", self._guarded(self._reference)),
                *self._page_routes(),
            ],
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _not_found},
        )
        # Otherwise a path with a further slash is answered with another address, made of the header Host.
        self.app.router.redirect_slashes = False

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._lanes.start()
        self.live.watch()
        try:
            yield
        finally:
            # In threads, because a batch that is being answered ends first, and hands its answers to this loop.
            await asyncio.to_thread(self._lanes.close)
            await asyncio.to_thread(self.live.close)

    def _handler(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        decode: BodyDecoder[Any] = BodyDecoder(endpoint.request)

        async def handle(request: Request) -> Response:
            began = time.monotonic()
            self._open_requests += 1
            self._metrics.waiting.inc()
            code: int | None = 500

            def finish(code: int) -> None:
                self._open_requests -= 1
                self._metrics.waiting.dec()
                self._metrics.answered(endpoint.name, code, time.monotonic() - began)

            try:
                response = await self._answer(endpoint, decode, request, began + self._limits.seconds)
                code = response.status_code
                if isinstance(response, EventStream):
                    # It is still to be sent.
                    response.finish, code = finish, None
            except _Refusal as refusal:
                code = refusal.code
                return _failure(code, str(refusal), refusal.headers)
            finally:
                if code is not None:
                    finish(code)
            return response

        return handle

    async def _answer(
        self, endpoint: Endpoint, decode: BodyDecoder[Any], request: Request, end: float
    ) -> Response:
        self._check_access(request)
        if self._open_requests > self._limits.requests:
            raise _Refusal(503, f"{self._limits.requests} requests wait already", Retry_After=str(RETRY_SECONDS))
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise _Refusal(415, f"expected a body with the header Content-Type: {JSON}")
        try:
            async with asyncio.timeout(end - time.monotonic()):
                body = await self._body(request)
        except TimeoutError:
            raise _Refusal(408, f"the body did not arrive within {self._limits.seconds:g} seconds") from None
        except ClientDisconnect:
            raise _Refusal(400, "the body ended early") from None
        asked = _decoded(decode, body)
        try:
            async with _connected(request, end):
                if endpoint.stream is None or not asked.stream:
                    return _json(await self._lanes.answer(endpoint, asked, end))
                pieces = self._lanes.stream(endpoint, asked, end)
                # Until the first pieces are there, a refusal has a code of its own.
                return EventStream(await anext(pieces), pieces, end, _ANSWER_HEADERS)
        except TimeoutError:
            raise _Refusal(
                503,
                f"no answer within {self._limits.seconds:g} seconds; ask again later, or for less",
                Retry_After=str(RETRY_SECONDS),
            ) from None
        except ClientDisconnect:
            raise _Refusal(CLIENT_GONE, "the client went away") from None
        except LmctlError as error:
            raise _Refusal(422, str(error)) from error
        except Exception as error:
            # The thread that answers has logged it.
            raise _Refusal(500, "a bug in lmctl; its log has the details") from error

    async def _body(self, request: Request) -> bytes:
        most = self._limits.body_bytes
        length = request.headers.get("content-length", "")
        parts, size = [], 0
        if not (length.isdecimal() and int(length) > most):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > most:
                    break
            else:
                return b"".join(parts)
        raise _Refusal(413, f"the body has more than {most:,} bytes", Connection="close")

    def _check_access(self, request: Request, *, with_token: bool = True) -> None:
        if not self._access.allows_host(request.headers.get("host", "")):
            raise _Refusal(421, "this server answers only to the names of this machine, such as localhost")
        if with_token and not self._access.allows(request.headers.get("authorization", "")):
            raise _Refusal(401, "expected the header Authorization: Bearer TOKEN", WWW_Authenticate="Bearer")

    def _guarded(self, respond: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Check who asks. Health, reference and page show nothing of the model's text, and need no token."""

        async def handle(request: Request) -> Response:
            try:
                self._check_access(request, with_token=respond == self._show_metrics)
            except _Refusal as refusal:
                return _failure(refusal.code, str(refusal), refusal.headers)
            return respond(request)

        return handle

    def _health(self, _request: Request) -> Response:
        current = self.live.current
        return _json(
            Health(
                status="ok",
                model=current.name,
                generation=current.generation,
                segmenter=current.model.tokenizer.segmenter.identity.name,
                fills_gaps=current.model.gap_model is not None,
                needs_token=self._access.needs_token,
                lmctl=__version__,
            )
        )

    def _show_metrics(self, request: Request) -> Response:
        content, content_type = self._metrics.text(request.headers.get("accept", ""))
        return Response(content, headers={**_ANSWER_HEADERS, "Content-Type": content_type})

    def _describe(self, _request: Request) -> Response:
        return _json(self._document)

    def _reference(self, _request: Request) -> Response:
        return Response(reference_page(self._document), media_type="text/html", headers=_PAGE_HEADERS)

    def _page_routes(self) -> list[Route]:
        """A route for each file of the page."""
        routes = []
        for file in importlib.resources.files("lmctl.serve").joinpath("page").iterdir():
            suffix = "." + file.name.rpartition(".")[2]
            if suffix not in _PAGE_TYPES:
                continue
            content, media_type = file.read_bytes(), _PAGE_TYPES[suffix]

            def respond(_request: Request, content: bytes = content, media_type: str = media_type) -> Response:
                return Response(content, media_type=media_type, headers=_PAGE_HEADERS)

            path = "/" if file.name == "index.html" else f"/page/{file.name}"
            routes.append(Route(path, self._guarded(respond)))
        return routes


@contextlib.asynccontextmanager
async def _connected(request: Request, end: float) -> AsyncIterator[None]:
    """A block that is cancelled as soon as the client goes away, or at `end`, in seconds of `time.monotonic`.

    The body must have been read.

    Raises:
        ClientDisconnect: the client went away.
        TimeoutError: the time is over.
    """
    has_gone = False

    async def watch() -> None:
        nonlocal has_gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        has_gone = True
        limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(end - time.monotonic()) as limit:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if has_gone:
            raise ClientDisconnect from None
        raise


def _decoded(decode: BodyDecoder[Any], body: bytes) -> Any:
    try:
        return decode(body)
    except NoJSONError as error:
        raise _Refusal(400, str(error)) from error
    except NoRequestError as error:
        raise _Refusal(422, str(error)) from error


def _json(value: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(value), code, headers={**_ANSWER_HEADERS, **(headers or {})}, media_type=JSON
    )


def _failure(code: int, message: str, headers: dict[str, str]) -> Response:
    return _json(Failure.of(message), code, headers)


async def _not_found(_request: Request, error: Exception) -> Response:
    """No such path, or another method."""
    if not isinstance(error, HTTPException):
        raise TypeError(error)
    messages = {404: "no such path; /docs lists all", 405: "this path takes another method; /docs lists all"}
    return _failure(error.status_code, messages.get(error.status_code, error.detail), dict(error.headers or {}))
