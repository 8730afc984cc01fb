"""A reading's way as OpenTelemetry spans, where somebody collects them."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

logger = logging.getLogger(__name__)

SERVICE = "ven-fleet"
MAX_FRAMES = 1_000
"""Whose spans are remembered, so that reports can point at them."""
MAX_LINKS = 100
FLUSHED_WITHIN_MS = 1_000


class Span:
    """A step of the way, that nobody follows."""

    def set(self, name: str, value: str | float) -> None:
        """Note something about it."""

    def is_of_frame(self, seq: int) -> None:
        """It made this frame."""


class Tracing(Protocol):
    """Who follows readings on their way."""

    def span(
        self, name: str, *, frames: tuple[int, int] | None = None, **about: str | float
    ) -> AbstractContextManager[Span]:
        """A step; `frames`: it is about those above the first number, up to the second."""

    def close(self) -> None:
        """Send what was not sent yet. May be called again."""


class NoTracing:
    """Nobody does."""

    def __init__(self) -> None:
        self._nothing = _Nothing()

    def span(
        self,
        name: str,  # noqa: ARG002 - nobody reads it
        *,
        frames: tuple[int, int] | None = None,  # noqa: ARG002
        **about: str | float,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        return self._nothing

    def close(self) -> None:
        """Nothing to send."""


class _Nothing(AbstractContextManager[Span]):
    """Entered as often as one likes."""

    _span = Span()

    def __enter__(self) -> Span:
        return self._span

    def __exit__(self, *_: object) -> None:
        return None


class OtlpTracing:
    """Sends spans to a collector, by OTLP over HTTP, from a thread of its own. Safe for threads.

    `endpoint`: all that stands before `/v1/traces`. Without the packages of the extra `otel` it
    says so once, and sends nothing. Building it does no I/O.
    """

    def __init__(self, *, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._lock = threading.Lock()
        self._provider: Any = None
        self._tracer: Any = None
        self._is_off = False
        self._frames: OrderedDict[int, Any] = OrderedDict()

    @contextmanager
    def span(
        self, name: str, *, frames: tuple[int, int] | None = None, **about: str | float
    ) -> Iterator[Span]:
        tracer = self._ready()
        if tracer is None:
            yield Span()
            return
        with tracer.start_as_current_span(
            name, attributes=about, links=self._links(frames)
        ) as made:
            yield _Followed(made, self)

    def remember(self, seq: int, context: Any) -> None:
        """The span that made a frame."""
        with self._lock:
            self._frames[seq] = context
            while len(self._frames) > MAX_FRAMES:
                self._frames.popitem(last=False)

    def close(self) -> None:
        with self._lock:
            provider, self._provider, self._tracer = self._provider, None, None
            self._is_off = True
        if provider is not None:
            provider.force_flush(FLUSHED_WITHIN_MS)
            threading.Thread(target=provider.shutdown, daemon=True).start()

    def _links(self, frames: tuple[int, int] | None) -> list[Any]:
        if frames is None:
            return []
        from opentelemetry.trace import Link

        after, through = frames
        with self._lock:
            links = [self._frames[seq] for seq in self._frames if after < seq <= through]
        return [Link(context) for context in links[-MAX_LINKS:]]

    def _ready(self) -> Any:
        with self._lock:
            if self._tracer is None and not self._is_off:
                try:
                    self._begin()
                except Exception as error:  # noqa: BLE001 - whatever it is: metering matters more
                    self._is_off = True
                    hint = "; pip install '.[otel]'" if isinstance(error, ImportError) else ""
                    logger.warning("no traces are sent: %s%s", error, hint)
            return self._tracer

    def _begin(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # Of our own, and not the global one.
        provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
        exporter = OTLPSpanExporter(endpoint=f"{self._endpoint}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self._provider, self._tracer = provider, provider.get_tracer(SERVICE)


class _Followed(Span):
    def __init__(self, span: Any, tracing: OtlpTracing) -> None:
        self._span = span
        self._tracing = tracing

    def set(self, name: str, value: str | float) -> None:
        self._span.set_attribute(name, value)

    def is_of_frame(self, seq: int) -> None:
        self._span.set_attribute("frame", seq)
        self._tracing.remember(seq, self._span.get_span_context())
