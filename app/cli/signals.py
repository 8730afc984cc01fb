"""How a command that runs is stopped."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from app.platform import Shutdown


def stop_on_signals(shutdown: Shutdown) -> None:
    """Ctrl-C and SIGTERM begin an orderly stop; a second Ctrl-C ends the process at once."""

    def stop(number: int, _: object) -> None:
        if number == signal.SIGINT and shutdown.is_set():
            os.write(2, b"stopped at once: what was under way stays owed\n")
            os._exit(128 + number)
        # Not in the handler itself: it may interrupt the main thread while that holds the lock.
        threading.Thread(target=shutdown.set).start()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def leave(code: int, end: Callable[[int], NoReturn] = os._exit) -> NoReturn:
    """At once, when all is said: threads may still wait for something."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    end(code)
