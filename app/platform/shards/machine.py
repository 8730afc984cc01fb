"""What tells this machine, and this process on it, from others."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")


def boottime_s() -> float:
    """Seconds since this machine started, those in which it slept or stood still included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_name(pid: int | None = None, *, host: str = "") -> str:
    """Of a process, for people: its host and its process id; of this one, on this machine, where
    nothing else is said."""
    return f"{host or socket.gethostname()}:{os.getpid() if pid is None else pid}"


def started(pid: int) -> int | None:
    """When a process did, in ticks since the machine did; None: there is no such process."""
    with suppress(OSError):
        # Its name, the second field, may have spaces and parentheses in it.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return None
