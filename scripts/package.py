"""Builds the wheel and runs it as a user would: `make package`.

From an environment of its own, in an empty folder: every task once, at an embedded VTN.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.support.servers import free_port

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"


def build() -> Path:
    """The wheel, in dist/."""
    shutil.rmtree(DIST, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = DIST.glob("*.whl")
    return wheel


def run(wheel: Path) -> None:
    """Install it, and let it meter and report once. CalledProcessError: it does not."""
    with tempfile.TemporaryDirectory() as directory:
        environment = Path(directory) / "environment"
        venv.create(environment, with_pip=True)
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        pip = (str(environment / "bin" / "pip"), "install", "--quiet")
        constraints = str(ROOT / "constraints.txt")
        subprocess.run([*pip, "-c", constraints, str(wheel)], check=True, env=own)
        empty = Path(directory) / "empty"
        empty.mkdir()
        command = str(environment / "bin" / "ven-fleet")
        settings = {
            "PATH": os.environ["PATH"],
            "VTN__EMBEDDED_PORT": str(free_port()),
            "OPS__PORT": str(free_port()),
        }
        subprocess.run([command, "run", "--once"], cwd=empty, env=settings, check=True)
        shards = {"FLEET__SHARDS": "2", "VTN__BASE_URL": "http://127.0.0.1:9", "DATA_DIR": "cut"}
        without_ray = subprocess.run(
            [command, "cluster", "start"],
            cwd=empty,
            env={**settings, **shards},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert "ray is not installed: pip install 'ven-fleet[cluster]'" in without_ray.stderr


if __name__ == "__main__":
    made = build()
    run(made)
    print(f"{made.relative_to(ROOT)} runs")
