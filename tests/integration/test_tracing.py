"""A reading's way as OpenTelemetry spans, at a collector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.observability.tracing import OtlpTracing
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.servers import Answer, Script, ScriptedVtn
from tests.support.workbench import VENS, Bench

pytestmark = pytest.mark.in_process

MakeVtn = Callable[[Script], ScriptedVtn]


@pytest.fixture
def collector(scripted_vtn: MakeVtn) -> ScriptedVtn:
    """Takes whatever comes."""
    return scripted_vtn(lambda _: Answer(200, content_type="application/x-protobuf", body=""))


@pytest.fixture
def traced(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock, collector: ScriptedVtn
) -> Bench:
    made = Bench(
        make_container(
            vtn={"embedded_port": vtn.port},
            otel_exporter_otlp_endpoint=collector.base_url,
        ),
        vtn,
        clock,
    )
    made.enrol()
    return made


def spans(collector: ScriptedVtn) -> list[Any]:
    """All that came."""
    found = []
    for asked in collector.of("POST", "/v1/traces"):
        body = asked.body
        if asked.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found += scope.spans
    return found


def test_a_report_points_at_the_frames_that_it_tells_of(
    traced: Bench, collector: ScriptedVtn
) -> None:
    traced.tick(2)
    traced.manager.generate_reports()

    traced.container.platform.tracing().close()

    found = spans(collector)
    frames = {span.span_id for span in found if span.name == "take readings"}
    reports = [span for span in found if span.name == "send report"]
    assert len(frames) == 2
    assert len(reports) == VENS
    for report in reports:
        assert {link.span_id for link in report.links} == frames
        assert {attribute.key for attribute in report.attributes} >= {
            "ven",
            "report",
            "readings",
            "fate",
        }


def test_reports_belong_to_their_delivery(traced: Bench, collector: ScriptedVtn) -> None:
    traced.tick()
    traced.manager.generate_reports()

    traced.container.platform.tracing().close()

    found = spans(collector)
    (delivery,) = [span for span in found if span.name == "deliver"]
    assert {s.parent_span_id for s in found if s.name == "send report"} == {delivery.span_id}


@pytest.mark.rest
def test_a_collector_that_is_not_there_stops_nothing(traced: Bench, collector: ScriptedVtn) -> None:
    collector.close()
    traced.tick()

    assert traced.manager.generate_reports() > 0

    traced.container.platform.tracing().close()


def test_tracing_that_cannot_begin_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")  # less than a batch: refused
    tracing = OtlpTracing(endpoint="http://127.0.0.1:9")

    for _ in range(2):
        with tracing.span("take readings") as span:
            span.is_of_frame(1)

    assert caplog.text.count("no traces are sent") == 1


def test_nothing_is_sent_after_the_end() -> None:
    tracing = OtlpTracing(endpoint="http://127.0.0.1:9")
    tracing.close()

    with tracing.span("take readings") as span:
        span.is_of_frame(1)
