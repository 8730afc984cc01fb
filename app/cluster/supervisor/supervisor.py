"""What Ray keeps running: it has one process of the fleet as its child, and ends with it.

Ray begins it again, here or on another node. It knows nothing but a command, so that it begins
quickly.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess  # nosec B404
import sys
import threading
import time
from contextlib import suppress

import ray

from app.cluster.children import ends_with_this_process

STOPS_WITHIN_S = 10.0
SHORT_LIFE_S = 5.0
REST_S = 5.0
"""After a short life: a process that cannot begin does not begin without end."""
NO_RESTART_MENDS, LONG_REST_S = 2, 30.0
"""What a process ends with where a setting is wrong."""
TO_ITS_LOG = 'umask 077; exec "$@" > /dev/null 2>> "$VEN_FLEET_LOGS/$0.log"'
"""A log is what goes to stderr; what is printed in such a process is Ray's."""
NOT_FOR_A_CHILD = (
    *("OMP_NUM_THREADS", "PYTHONBREAKPOINT", "RAY_JOB_ID", "RAY_RAYLET_PID", "SPT_NOENV"),
    *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
)
"""What Ray and systemd say to this process in its environment."""


class Supervisor:
    """An actor of Ray: begins `python -m app ...` as its child, in a session of its own.

    When the child ends, so does this process, with 1; the kernel ends the child with it. `log`: the
    name of the child's log in the folder VEN_FLEET_LOGS of the environment.
    """

    def __init__(self, log: str, arguments: list[str]) -> None:
        context = ray.get_runtime_context()
        self._node_id: str = context.get_node_id()
        self._stopping = threading.Event()
        self._began_s = time.time()
        without = [part for name in NOT_FOR_A_CHILD for part in ("-u", name)]
        self._command = ends_with_this_process(
            *("/bin/sh", "-c", TO_ITS_LOG, log),
            *("/usr/bin/env", *without, sys.executable, "-m", "app"),
            *(*arguments, "--head", context.gcs_address),
        )
        self._child: subprocess.Popen[bytes] | None = None
        self._has_child = threading.Event()
        # The child ends with the thread that began it, which has to last as long.
        threading.Thread(target=self._run, name="child").start()
        self._has_child.wait()

    def _run(self) -> None:
        began_s = time.monotonic()
        try:
            self._child = subprocess.Popen(self._command, start_new_session=True)  # nosec B603
        except OSError as error:
            print(f"{self._command[0]}: {error.strerror}", file=sys.stderr)
            os._exit(1)
        self._has_child.set()
        code, rest_s = self._child.wait(), 0.0
        if time.monotonic() - began_s < SHORT_LIFE_S:
            rest_s = LONG_REST_S if code == NO_RESTART_MENDS else REST_S
        if not self._stopping.wait(rest_s):
            os._exit(1)

    def said(self) -> tuple[str, str, int, str]:
        """Where it is: Ray's id of the node, and its host; the process id of its child; and what
        tells this beginning from others. At once, unless it stops."""
        pid = 0 if self._child is None else self._child.pid
        return self._node_id, socket.gethostname(), pid, f"{os.getpid()} at {self._began_s}"

    def stop(self) -> None:
        """End the child in order, and then this for good: Ray does not begin it again."""
        self._stopping.set()
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]
