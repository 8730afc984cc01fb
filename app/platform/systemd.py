"""systemd's notifications (sd_notify), where systemd started the process."""

from __future__ import annotations

import logging
import socket
import time

logger = logging.getLogger(__name__)


class SystemdNotifier:
    """Tells systemd that the application is ready, alive, and stopping; silent without systemd.

    `notify_socket`: NOTIFY_SOCKET; `watchdog_s`: how often at least systemd wants to hear of it.
    """

    def __init__(self, *, notify_socket: str | None, watchdog_s: float | None) -> None:
        self._address = notify_socket
        self._watchdog_s = watchdog_s
        self._told_at_s = 0.0

    def ready(self) -> None:
        """The start is done."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The stop has begun."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """To be called often; tells systemd in time and not more often than it wants."""
        now_s = time.monotonic()
        if self._watchdog_s is not None and now_s - self._told_at_s >= self._watchdog_s / 3:
            self._told_at_s = now_s
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of an abstract socket.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(address)
                sender.send(message.encode())
        except OSError as error:
            logger.warning("systemd cannot be told %s: %s", message, error.strerror)
