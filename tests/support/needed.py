"""What tests need of the machine: without it they are skipped on a user's, and fail in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

PATH = f"{os.environ['PATH']}:/usr/sbin"
"""Debian's servers are in folders that are not on every user's path."""


def cannot_test(why: str) -> NoReturn:
    """Skip the test, or the module while it is collected; fail it in CI."""
    skip_or_fail(why, fails=bool(os.environ.get("CI")))


def skip_or_fail(why: str, *, fails: bool) -> NoReturn:
    """Skip the test, or the module while it is collected; or fail it."""
    message = f"not tested: {why}"
    if fails:
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is there."""
    for name in names:
        if (found := shutil.which(name, path=PATH)) is not None:
            return found
    cannot_test(f"{names[0]} is missing (Debian: apt install {package})")
