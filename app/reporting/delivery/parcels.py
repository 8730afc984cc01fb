"""Reports to be sent again, set aside, or only looked for."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from app.openadr import VtnError
from app.reporting.content import RenderedReport
from app.reporting.delivery.lookup import Sought
from app.reporting.delivery.post import Parcel
from app.reporting.delivery.rejected import SetAside
from app.reporting.streams import InFlight, Stream

USUAL_BYTES = 64 << 10


def set_aside(parcel: Parcel, error: VtnError | None, now: datetime) -> SetAside:
    return SetAside(
        set_aside_id=0,
        ven_name=parcel.ven_name,
        program_id=parcel.program_id,
        event_id=parcel.sought.event_id,
        report_name=parcel.report.name,
        readings=parcel.report.readings,
        problem=str(error),
        refused_at=now,
        to_send=False,
        in_doubt_us=parcel.in_doubt_us,
        body=parcel.report.body,
    )


def parcel_of(aside: SetAside) -> Parcel:
    return Parcel(
        source=aside,
        ven_name=aside.ven_name,
        program_id=aside.program_id,
        report=RenderedReport(name=aside.report_name, body=aside.body, readings=aside.readings),
        sought=Sought(
            ven_name=aside.ven_name,
            event_id=aside.event_id,
            name=aside.report_name,
            body_bytes=len(aside.body),
            reports_before=0,
        ),
        in_doubt_us=aside.in_doubt_us,
    )


def ended_parcel(stream: Stream) -> Parcel:
    """The report in flight of a stream that ended: only to be looked for."""
    in_flight = cast(InFlight, stream.in_flight)
    return Parcel(
        source=stream,
        ven_name=stream.ven_name,
        program_id=stream.request.program_id,
        report=RenderedReport(name=in_flight.name, body=b"", readings=0),
        sought=Sought(
            ven_name=stream.ven_name,
            event_id=stream.request.event_id,
            name=in_flight.name,
            body_bytes=USUAL_BYTES,
            reports_before=stream.reports_sent,
            earlier=stream.last_report,
        ),
        in_doubt_us=in_flight.planned_us,
    )
