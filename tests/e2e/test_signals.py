"""A signal is heard, whichever thread the system delivers it to."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import signal, threading
from app.cli.signals import stop_on_signals
from app.platform import Shutdown

stopping = Shutdown()
stop_on_signals(stopping)
there, sleeps = threading.Event(), threading.Event()

def sleeper():
    there.set()
    sleeps.wait(30)

thread = threading.Thread(target=sleeper, daemon=True)
thread.start()
there.wait()
threading.Timer(0.5, lambda: signal.pthread_kill(thread.ident, signal.SIGTERM)).start()
stopping.wait()
print("heard")
"""


def test_a_signal_that_another_thread_gets_stops_the_application() -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=15, check=False
    )

    assert (result.stdout, result.returncode) == ("heard\n", 0)
