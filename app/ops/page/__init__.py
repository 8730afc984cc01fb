"""The page. Importing `site` imports NiceGUI, which is global: only who serves the page does."""

from __future__ import annotations

from typing import Any

from app.ops.page.services import PageServices

__all__ = ["PageServices", "make_page"]


def make_page(services: PageServices) -> Any:
    """The page as an ASGI application; once per process."""
    from app.ops.page.site import make_site

    return make_site(services)
