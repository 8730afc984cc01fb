"""The page as an ASGI application. NiceGUI is global: one per process."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from nicegui import app, ui
from starlette.responses import HTMLResponse

from app.ops.page.delivery import make_delivery_view
from app.ops.page.events import make_events_view
from app.ops.page.fleet import make_fleet_view
from app.ops.page.orders import make_orders_view
from app.ops.page.services import PageServices
from app.ops.page.sources import make_resource_view, make_sources_view
from app.ops.page.tasks import make_tasks_view
from app.ops.page.ven import make_ven_view
from app.ops.page.wiring import make_wiring_view

NOT_FOUND = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>VEN fleet</title>'
    '<p>There is no such view. <a href="/">VEN fleet</a></p></html>'
)


async def _not_found(*_: Any) -> HTMLResponse:
    return HTMLResponse(NOT_FOUND, status_code=404)


def make_site(services: PageServices) -> Any:
    """All views, each with what it shows by closure."""
    ui.page("/")(make_fleet_view(services))
    ui.page("/vens/{ven_name:path}")(make_ven_view(services))
    ui.page("/events")(make_events_view(services))
    ui.page("/tasks")(make_tasks_view(services))
    ui.page("/delivery")(make_delivery_view(services))
    ui.page("/sources")(make_sources_view(services))
    ui.page("/orders")(make_orders_view(services))
    ui.page("/resource")(make_resource_view(services))
    ui.page("/wiring")(make_wiring_view(services))
    return run_site()


def run_site() -> Any:
    """What was made of NiceGUI's pages, as one application."""
    app.exception_handler(404)(_not_found)
    site = FastAPI(openapi_url=None)
    ui.run_with(
        site,
        title="VEN fleet",
        favicon="⚡",
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    return site
