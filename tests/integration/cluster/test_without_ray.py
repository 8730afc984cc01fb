"""Who does not use the cluster pays nothing for it."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys
from app.cli.commands import main
from containers import Container
Container().application()
assert "ray" not in sys.modules
sys.modules["ray"] = None  # as where it is not installed
sys.argv = ["ven-fleet", "cluster", "status"]
main()
"""


def test_nothing_of_ray_is_imported_before_a_cluster_is_begun() -> None:
    """Given a process that builds the application and asks for the cluster's status; then it does
    so without Ray."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "No cluster runs on this fleet."
