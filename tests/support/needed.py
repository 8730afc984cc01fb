"""What tests need of the machine: without it they are skipped on a user's, and fail in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

PATH = f"{os.environ['PATH']}:/usr/sbin"
"""Debian's servers are in folders that are not on every user's path."""


def cannot_test(why: str, *, required: bool | None = None) -> NoReturn:
    """Skip the test, or the module while it is collected; fail it where required, as in CI."""
    message = f"not tested: {why}"
    if bool(os.environ.get("CI")) if required is None else required:
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is there."""
    for name in names:
        if (found := shutil.which(name, path=PATH)) is not None:
            return found
    cannot_test(f"{names[0]} is missing (Debian: apt install {package})")
