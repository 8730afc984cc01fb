"""The page in a real browser: what one sees there, and what one can do."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from app.platform import Database, make_engine
from app.reporting.delivery import RejectedReport, RejectedReports
from tests.e2e.conftest import Open
from tests.support.browser import DESKTOP, PHONE, Window
from tests.support.site import Site
from tests.support.waiting import wait_until

VIEWS = {
    "fleet": "/",
    "ven": "/vens/Aarhus",
    "events": "/events",
    "tasks": "/tasks",
    "sources": "/sources",
    "orders": "/orders",
    "resource": "/resource?ven=Aarhus&name=Aarhus-01-heat-pump",
    "delivery": "/delivery",
    "wiring": "/wiring",
}
MAX_BYTES = 1_000_000
"""Over the wire, after the first load."""


def marked(seen: Window) -> list[str]:
    """What stands behind the lines."""
    return [begin["name"] for begin, _ in seen.series()[0]["markArea"]["data"]]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("light", {"size": DESKTOP}),
        ("dark", {"size": DESKTOP, "dark": True}),
        ("phone", {"size": PHONE}),
    ],
)
def test_a_view_loads_without_a_complaint_and_keeps_nobody_out(
    site: Site, window: Open, view: str, kind: str, how: dict[str, Any]
) -> None:
    seen = window(site, **how)

    seen.look_at(VIEWS[view])
    seen.page.wait_for_timeout(1_000)  # a refresh or two
    seen.shoot(f"{view}-{kind}")

    assert seen.complaints == []
    assert seen.barriers() == []


def test_a_picture_of_an_event_that_the_fleet_answers(tmp_path: Path, window: Open) -> None:
    site = Site(tmp_path, FLEET__VENS="10", TASKS__SIMULATE_METERDATA__SECONDS="0.25")
    seen = window(site, size=(1300, 1000))
    seen.look_at("/events")
    wait_until(lambda: site.metric("ven_readings_taken_total") > 200 * 40)
    seen.page.get_by_label("Value").fill("3")
    seen.press("Send")
    seen.press("Yes")
    taken = site.metric("ven_readings_taken_total")
    wait_until(lambda: site.metric("ven_readings_taken_total") > taken + 200 * 25)

    seen.look_at("/events")
    expect(seen.page.locator("tbody")).to_contain_text("SIMPLE 3")
    seen.shoot("events-picture")
    seen.look_at("/")
    expect(seen.page.locator(".chart")).to_be_visible()
    seen.page.wait_for_timeout(2_500)
    seen.shoot("fleet-picture")

    assert seen.complaints == []
    site.application.kill()


@pytest.mark.parametrize("path", VIEWS.values(), ids=VIEWS)
def test_a_view_is_small_after_the_first_load(site: Site, window: Open, path: str) -> None:
    seen = window(site)
    seen.look_at(path)
    seen.page.wait_for_load_state("networkidle")
    seen.bytes_received = 0

    seen.look_at(path)
    seen.page.wait_for_load_state("networkidle")
    seen.page.wait_for_timeout(2_500)  # a refresh or two, over its socket

    assert 0 < seen.bytes_received < MAX_BYTES


def test_the_drawing_of_events_is_sent_when_it_looks_different(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/events")
    drawing = seen.page.locator(".drawing svg")
    drawing.wait_for()
    size = len(drawing.evaluate("drawn => drawn.outerHTML"))
    seen.bytes_received = 0

    seen.page.wait_for_timeout(7_000)  # three refreshes

    assert seen.bytes_received < 2 * size, "a minute may have begun, and no more"


def test_a_paused_task_does_not_run_until_it_is_resumed(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/tasks")

    seen.press("Pause heartbeat")

    expect(seen.row("heartbeat")).to_contain_text("paused")
    expect(seen.page.get_by_role("status")).to_have_text(
        "All else is well; paused by hand: heartbeat"
    )
    assert site.metric("ven_task_paused", task="heartbeat") == 1
    before = site.metric("ven_task_runs_total", task="heartbeat")
    others = site.metric("ven_task_runs_total", task="generate_reports")
    wait_until(lambda: site.metric("ven_task_runs_total", task="generate_reports") >= others + 3)
    assert site.metric("ven_task_runs_total", task="heartbeat") <= before + 1  # one under way
    paused = site.metric("ven_task_runs_total", task="heartbeat")
    seen.press("Resume heartbeat")
    wait_until(lambda: site.metric("ven_task_runs_total", task="heartbeat") > paused)


def test_a_changed_interval_is_shown_and_holds(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/tasks")
    seen.page.get_by_label("Task", exact=True).click()
    seen.page.get_by_role("option", name="resource_status_checker").click()
    seconds = seen.page.get_by_label("Interval in seconds")
    expect(seconds).to_have_value("300")
    seconds.fill("1")

    seen.press("Change")

    expect(seen.row("resource_status_checker")).to_contain_text("every 1 s")
    before = site.metric("ven_task_runs_total", task="resource_status_checker")
    wait_until(
        lambda: site.metric("ven_task_runs_total", task="resource_status_checker") >= before + 2
    )


def test_an_interval_that_would_ask_the_vtn_without_end_is_refused(
    site: Site, window: Open
) -> None:
    seen = window(site)
    seen.look_at("/tasks")
    schedule = seen.cell("heartbeat", "schedule")
    seen.page.get_by_label("Interval in seconds").fill("0.1")

    seen.press("Change")

    expect(seen.page.get_by_text("Give a number of seconds, 1 or more.")).to_be_visible()
    assert seen.cell("heartbeat", "schedule") == schedule


def test_the_form_says_what_a_value_is_and_a_wrong_one_is_not_sent(
    site: Site, window: Open
) -> None:
    seen = window(site)
    seen.look_at("/events")
    expect(seen.page.get_by_label("Value: 0 (as usual) to 3 (least)")).to_be_visible()
    seen.page.get_by_label("Payload type").click()
    seen.page.get_by_role("option", name="PRICE", exact=True).click()
    seen.page.get_by_label("Value: per kWh").fill("cheap")

    seen.press("Send")
    seen.press("Yes")

    expect(seen.page.get_by_text("PRICE needs a number, not 'cheap'")).to_be_visible()
    assert site.changes()[-1] == ("send event", "failed")


def test_an_event_that_is_sent_moves_the_fleet(site: Site, window: Open) -> None:
    seen = window(site)
    wait_until(lambda: site.metric("ven_power_kilowatts", kind="HEAT_PUMP") > 0)
    before = site.metric("ven_power_kilowatts", kind="HEAT_PUMP")
    seen.look_at("/events")
    seen.page.get_by_label("Value").fill("3")

    seen.press("Send")
    seen.press("Yes")

    expect(seen.page.locator("tbody")).to_contain_text("SIMPLE 3")
    wait_until(lambda: site.metric("ven_power_kilowatts", kind="HEAT_PUMP") < before / 2)
    seen.look_at("/")
    wait_until(lambda: len(seen.lines()["HEAT_PUMP"]) > 2)
    assert seen.lines()["HEAT_PUMP"][-1] < before / 2
    assert marked(seen) == ["SIMPLE 3"]
    expect(seen.page.get_by_text("Active: SIMPLE 3 until")).to_contain_text("(3 VENs)")
    assert max(seen.lines()["HEAT_PUMP"]) >= before * 0.9
    assert float(seen.cell("HEAT_PUMP", "power").removesuffix(" kW")) < before / 2
    seen.look_at("/events")
    expect(seen.page.locator(".drawing svg")).to_contain_text("SIMPLE 3 until")
    seen.press("Cancel SIMPLE 3")
    seen.press("Yes")
    expect(seen.page.get_by_role("button", name="Cancel SIMPLE 3")).not_to_be_visible()
    wait_until(lambda: site.metric("ven_power_kilowatts", kind="HEAT_PUMP") > before / 2)
    assert site.changes()[-2:] == [("send event", "done"), ("cancel event", "done")]


def test_what_cannot_be_sent_is_said(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/events")
    seen.page.get_by_label("Value").fill("much")

    seen.press("Send")
    seen.press("Yes")

    expect(seen.page.get_by_text("SIMPLE needs a whole number")).to_be_visible()


def test_a_suspended_resource_is_metered_no_more(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/vens/Aarhus")
    first = seen.page.locator("tbody tr td:first-child").first
    expect(first).to_have_text(re.compile(r"\S"))  # the rows come after the table
    resource = str(first.inner_text()).strip()

    seen.press(f"Suspend {resource}")

    expect(seen.row(resource)).to_contain_text("SUSPENDED")
    wait_until(lambda: seen.cell(resource, "power") == "-")
    seen.press(f"Resume {resource}")
    wait_until(lambda: seen.cell(resource, "power") != "-")


def test_a_ven_that_is_not_there_is_said_to_be_none(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/vens/Nowhere")

    expect(seen.page.get_by_text("The fleet has no VEN 'Nowhere'.")).to_be_visible()


def test_the_wiring_is_drawn_around_a_provider(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/wiring")
    drawing = seen.page.locator(".drawing svg")
    expect(drawing).to_contain_text("generate_reports")

    seen.page.get_by_label("Show what surrounds").fill("simulator")
    seen.page.get_by_role("option", name="metering.simulator", exact=True).click()

    expect(drawing).to_contain_text("simulate_meterdata")
    expect(drawing).not_to_contain_text("generate_reports")


def test_a_ven_is_found_by_a_part_of_its_name(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/")

    seen.page.get_by_label("Search by name").fill("rhu")

    expect(seen.page.get_by_role("link", name="Aalborg")).not_to_be_visible()
    assert seen.figure("VENs") == "3", "of the fleet, whatever is looked for"
    seen.page.get_by_role("link", name="Aarhus").click()
    expect(seen.page.get_by_role("heading", name="Aarhus")).to_be_visible()


def test_all_can_be_done_with_a_keyboard(site: Site, window: Open) -> None:
    seen = window(site)
    seen.look_at("/tasks")

    seen.page.get_by_role("button", name="Pause resource_status_checker").focus()
    seen.page.keyboard.press("Enter")

    expect(seen.row("resource_status_checker")).to_contain_text("paused")
    seen.page.get_by_role("button", name="Resume resource_status_checker").focus()
    seen.page.keyboard.press("Space")
    expect(seen.row("resource_status_checker")).not_to_contain_text("paused")


def test_a_report_that_was_refused_is_sent_again_or_dropped(site: Site, window: Open) -> None:
    put_aside(site, "first", "second")
    seen = window(site)
    seen.look_at("/delivery")
    first, second = (str(report.set_aside_id) for report in rejected(site).reports())

    seen.press(f"Drop {first}")
    seen.press("No")
    expect(seen.row(first)).to_be_visible()
    seen.press(f"Drop {first}")
    seen.press("Yes")
    expect(seen.row(first)).not_to_be_visible()
    seen.press(f"Retry {second}")

    # The VTN knows no such event.
    expect(seen.row(second)).to_contain_text("event gone is gone")
    assert site.changes()[-2:] == [("drop", "done"), ("send again", "done")]


def rejected(site: Site) -> RejectedReports:
    """Of the running application, from beside it."""
    path = site.directory / "data" / "fleet.db"
    return RejectedReports(Database(make_engine(f"sqlite:///{path}")))


def put_aside(site: Site, *names: str) -> None:
    """Reports to an event that there is not."""
    database = Database(make_engine(f"sqlite:///{site.directory / 'data' / 'fleet.db'}"))
    with database.write() as connection:
        for name in names:
            body = {"eventID": "gone", "clientName": "Aarhus", "reportName": name, "resources": []}
            aside = RejectedReport(
                set_aside_id=0,
                ven_name="Aarhus",
                event_id="gone",
                report_name=name,
                readings=1234,
                problem="422, says the VTN",
                refused_at=datetime(2026, 6, 1, tzinfo=UTC),
                to_send=False,
                in_doubt_us=None,
                body=json.dumps(body).encode(),
                program_id="p",
            )
            RejectedReports(database).put(connection, aside)
    database.close()
