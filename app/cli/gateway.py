"""The command that serves a fleet of several shards."""

from __future__ import annotations

from typing import NoReturn

from app.cli.failures import report_expected_errors
from app.cli.opened import make_container
from app.cli.signals import leave, stop_on_signals
from app.observability import configure_logging
from containers import Container


def run_gateway() -> None:
    """Serve a fleet in shards: one page, one place for readings.

    Until Ctrl-C or SIGTERM: page, metrics, readings and callbacks of all shards, wherever their
    processes are.
    """
    with report_expected_errors():
        serve_gateway(make_container())


def serve_gateway(container: Container) -> NoReturn:
    """Until a signal."""
    settings, shutdown = container.settings(), container.platform.shutdown()
    configure_logging(level=settings.log.level, format_=settings.log.format)
    stop_on_signals(shutdown)
    gateway = container.gateway.gateway()
    try:
        gateway.start()
        shutdown.wait()
    finally:
        gateway.close()
    leave(0)  # threads may still wait for a shard
