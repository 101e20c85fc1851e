"""The metrics of a server, for Prometheus; docs/serving.md lists them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from lmctl.serve.live_model import OpenedModel

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counts what a server does. Several threads may call its methods.

    Attributes:
        waiting: gauge of the requests that are read, or wait for their answers.
    """

    def __init__(self) -> None:
        # A registry of its own: the default one would have the metrics of a second server in the process, too.
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "lmctl_serve_requests", "Requests answered or refused.", ["endpoint", "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "lmctl_serve_request_duration_seconds",
            "Time from a request's first byte to its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "lmctl_serve_batch_requests", "Requests of a batch.", buckets=_SIZES, registry=self._registry
        )
        self.waiting = Gauge(
            "lmctl_serve_waiting_requests", "Requests that have no answer yet.", registry=self._registry
        )
        self._generation = Gauge(
            "lmctl_serve_generation", "Number of the generation that answers.", ["model"], registry=self._registry
        )
        self._opened = Gauge(
            "lmctl_serve_opened_timestamp_seconds",
            "When the generation that answers was opened.",
            ["model"],
            registry=self._registry,
        )
        self._failures = Counter(
            "lmctl_serve_open_failures", "Failures to open a new generation.", registry=self._registry
        )

    def answered(self, endpoint: str, code: int, seconds: float) -> None:
        """Count a request that was answered or refused."""
        self._requests.labels(endpoint, str(code)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def batched(self, requests: int) -> None:
        """Count a batch."""
        self._batches.observe(requests)

    def opened(self, opened: OpenedModel) -> None:
        """Note which generation answers."""
        if opened.generation is not None:
            self._generation.labels(opened.name).set(opened.generation)
        self._opened.labels(opened.name).set(time.time())

    def failed(self) -> None:
        """Count a generation that could not be opened."""
        self._failures.inc()

    def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format that the header Accept names, OpenMetrics or Prometheus' own, and its type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
