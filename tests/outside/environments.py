"""Environments of their own for clients that others wrote."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.needed import cannot_test

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".outside"
"""Where they are kept from run to run."""


def environment(requirement: str, *, python: tuple[int, int]) -> Path:
    """The Python of an environment with this package, made when it is not there.

    Without a Python that is new enough, or without the package, the test is skipped on a user's
    machine; the package alone is a failure in CI.
    """
    made = CACHE / requirement.replace("==", "-")
    interpreter = made / "bin" / "python"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "ready").exists():
            shutil.rmtree(made, ignore_errors=True)
            base = _python(python)
            subprocess.run([base, "-m", "venv", str(made)], check=True)
            _install(interpreter, requirement)
            (made / "ready").touch()
    return interpreter


def _install(interpreter: Path, requirement: str) -> None:
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "-c", str(ROOT / "constraints.txt"), requirement]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        cannot_test(f"{requirement} cannot be installed: {done.stderr[-500:]}")


def _python(wanted: tuple[int, int]) -> str:
    for candidate in _candidates():
        check = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {wanted})"
        # What pyenv puts on the PATH may be there without a Python behind it.
        tried = subprocess.run([candidate, "-c", check], check=False, capture_output=True)
        if tried.returncode == 0:
            return candidate
    pytest.skip(f"not tested: no Python {wanted[0]}.{wanted[1]} or newer was found")


def _candidates() -> Iterator[str]:
    yield sys.executable
    for minor in range(14, 10, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            yield found
    yield from sorted(map(str, Path.home().glob(".pyenv/versions/3.1*/bin/python3")))
