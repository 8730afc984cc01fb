"""The page. Importing `site` imports NiceGUI, which is global: only who serves the page does."""

from __future__ import annotations

from typing import Any

from app.ops.page.services import GatewayPageServices, NodeRow, PageServices, ShardRow

__all__ = [
    "GatewayPageServices",
    "NodeRow",
    "PageServices",
    "ShardRow",
    "make_gateway_page",
    "make_page",
]


def make_page(services: PageServices) -> Any:
    """The page as an ASGI application; once per process."""
    from app.ops.page.site import make_site

    return make_site(services)


def make_gateway_page(services: GatewayPageServices) -> Any:
    """The page of the gateway as an ASGI application; once per process."""
    from app.ops.page.shards import make_gateway_site

    return make_gateway_site(services)
