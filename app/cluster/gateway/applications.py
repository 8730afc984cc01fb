"""Makes the ASGI applications of the gateway; what they need is imported only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.cluster.gateway.metrics import GatewayMetrics
from app.ops import ShardRow
from app.platform import CALLBACK, PAGE, ShardClient


def make_site(
    *,
    shards: int,
    rows: Callable[[], Sequence[ShardRow]],
    metrics: GatewayMetrics,
    client: ShardClient,
    is_local: bool,
    make_page: Callable[[], Any],
) -> Any:
    """Pages and metrics of all shards, as an ASGI application."""
    from app.cluster.gateway.forward import Forward
    from app.cluster.gateway.site import GatewaySite

    forward = Forward(client, part=PAGE, is_local=is_local)
    return GatewaySite(
        shards=shards, rows=rows, metrics=metrics, forward=forward, make_page=make_page
    )


def make_callback_site(*, shards: int, client: ShardClient) -> Any:
    """What the VTN calls, as an ASGI application."""
    from app.cluster.gateway.forward import Forward
    from app.cluster.gateway.site import CallbackSite

    return CallbackSite(shards=shards, forward=Forward(client, part=CALLBACK))
