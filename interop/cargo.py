"""Programs of crates.io, built by name and version."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from interop.checks import Missing

BUILDS_WITHIN_S = 3600
TOOLS = (
    ("cargo", "a recent Rust (rustup)"),
    ("cc", "a C compiler (apt install build-essential)"),
)


def need(programs: Iterable[tuple[str, str]]) -> None:
    """Missing names the first of these programs that is not there, in the words beside it."""
    for program, words in programs:
        if shutil.which(program) is None:
            raise Missing(f"{words} is missing")


def installed(
    name: str, version: str, root: Path, *, program: str, features: str, toolchains: Sequence[str]
) -> Path:
    """The program, built when it is not there yet, which takes minutes.

    `toolchains`: of rustup, such as '+nightly', or '' for the usual one, in the order in which they
    are tried.
    """
    made = root / "bin" / program
    if made.exists():
        return made
    print(f"building {name} {version}, which takes some minutes …", flush=True)
    command: list[str] = []
    for toolchain in toolchains:
        command = [
            *("cargo", *([toolchain] if toolchain else []), "install", name),
            *("--version", version, "--features", features, "--root", str(root)),
        ]
        # Its lock file may name what this registry does not have.
        if _built([*command, "--locked"]) or _built(command):
            return made
    raise Missing(f"{name} does not build; run: {' '.join(command)}")


def _built(command: Sequence[str]) -> bool:
    environment = {**os.environ, "SQLX_OFFLINE": "true"}
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, timeout=BUILDS_WITHIN_S
    )
    return done.returncode == 0
