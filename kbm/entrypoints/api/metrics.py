"""What Prometheus reads at ``/metrics``: how much is asked, how it ends, how long it takes, what answers.

Labels are names that kbm.toml, the code or a release gives; nothing that a caller sends becomes one. Each application
has a registry of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kbm import __version__
from kbm.bootstrap import Kbm
from kbm.domain.access import Action
from kbm.domain.answers import Answer
from kbm.entrypoints.api.access import Allowed
from kbm.entrypoints.api.request_log import GONE, method_of, route_of
from kbm.services.retrieve import Caller

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

router = APIRouter(include_in_schema=False)


class Metrics:
    """Counts what an application over *kbm* does."""

    def __init__(self, kbm: Kbm) -> None:
        self.registry = CollectorRegistry()
        asked = ("gpt", "outcome", "door")
        self._questions = Counter(
            "kbm_questions", "Questions that were answered, or not.", asked, registry=self.registry
        )
        self._seconds = Histogram(
            "kbm_answer_seconds",
            "Time to a whole answer.",
            ("gpt",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._tokens = Counter(
            "kbm_chat_tokens", "Tokens that chat models took, in and out.", ("gpt",), registry=self.registry
        )
        self._cost = Counter(
            "kbm_chat_cost", "What that cost, where a price is known.", ("gpt",), registry=self.registry
        )
        self._withheld = Counter(
            "kbm_sentences_withheld",
            "Sentences of chat models that failed a check.",
            ("gpt",),
            registry=self.registry,
        )
        self._requests = Counter(
            "kbm_http_requests", "HTTP requests.", ("method", "route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "kbm_http_request_seconds",
            "Time of HTTP requests, streams to their end.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_State(kbm))
        ProcessCollector(registry=self.registry)
        kbm.listeners.append(self.answered)

    def answered(self, made: Answer, caller: Caller) -> None:
        """Count an answer."""
        self._questions.labels(made.gpt, made.outcome, caller.door or "other").inc()
        self._seconds.labels(made.gpt).observe(made.took_ms / 1000)
        self._tokens.labels(made.gpt).inc(made.tokens)
        self._cost.labels(made.gpt).inc(made.cost or 0)
        self._withheld.labels(made.gpt).inc(made.withheld)

    def served(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request."""
        route = route_of(scope)
        self._requests.labels(method_of(scope), route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)


class CountRequests:
    """Counts every request of an application, refused ones too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the status as it goes by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            status = status or 500
            raise
        finally:
            self._metrics.served(scope, status or GONE, time.perf_counter() - started)


class _State(Collector):
    """What is so at the moment somebody looks: live releases, and answers not yet written down."""

    def __init__(self, kbm: Kbm) -> None:
        self._kbm = kbm

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance; collecting needs the databases."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the pointers of all GPTs."""
        yield InfoMetricFamily("kbm", "The program.", {"version": __version__})
        yield GaugeMetricFamily(
            "kbm_journal_backlog", "Answers given and not yet in the journal.", self._kbm.n_unwritten
        )
        live = GaugeMetricFamily(
            "kbm_live_release", "1 for the release that answers.", labels=("gpt", "release")
        )
        age = GaugeMetricFamily(
            "kbm_live_release_age_seconds", "Time since the live release was published.", labels=("gpt",)
        )
        now = self._kbm.clock.now()
        for gpt in self._kbm.settings.gpts:
            release = self._kbm.catalogue.releases.live(gpt)
            if release is None:
                continue
            live.add_metric((gpt, str(release.version)), 1)
            if release.published_at:
                age.add_metric((gpt,), (now - release.published_at).total_seconds())
        yield live
        yield age


def _metrics_of(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


@router.get("/metrics", dependencies=[Depends(Allowed(Action.METRICS))])
def get_metrics(metrics: Annotated[Metrics, Depends(_metrics_of)]) -> Response:
    """Give all figures in Prometheus' text form."""
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
