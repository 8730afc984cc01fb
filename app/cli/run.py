"""How the application runs: until a signal, and then it leaves at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from app.application import Application
from app.cli.bars import bars
from app.cli.failures import tell
from app.cli.signals import leave, stop_on_signals
from app.observability import configure_logging
from app.observability import graph as wiring
from app.platform import no_bar
from containers import Container


def run_application(
    container: Container,
    *,
    once: bool,
    releases_orders: bool = False,
    end: Callable[[int], NoReturn] = os._exit,
) -> None:
    """Run until a signal; then leave at once, since threads may still wait for the VTN."""
    settings = container.settings()
    configure_logging(level=settings.log.level, format_=settings.log.format)
    stop_on_signals(container.platform.shutdown())
    container.platform.descriptors().room_for(0)
    with container.ops.wiring.override(partial(wiring.nodes, container.providers)), bars() as bar:
        if bar is not no_bar:
            container.platform.bar.override(bar)
        code = _run(container.application(), once=once, releases_orders=releases_orders)
    leave(code, end)


def _run(application: Application, *, once: bool, releases_orders: bool) -> int:
    """Start, wait and stop; the exit code. The start has a thread, so that a stop is heard."""
    failed: list[BaseException] = []

    def start() -> None:
        try:
            application.start(once=once)
            if once:
                application.request_stop()
        except BaseException as error:  # noqa: BLE001 - told below, by the thread that waits
            failed.append(error)
            application.request_stop()

    threading.Thread(target=start, name="start", daemon=True).start()
    application.wait()
    code = tell(failed[0]) if failed else 0
    application.stop(releases_orders=releases_orders)
    code = code or int(application.stopped_by_failure)
    return 1 if once and application.failed else code
