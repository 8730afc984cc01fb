"""What can go wrong outside of us, told in one line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from app.fleet import DatabaseError, DatabaseUrlError, FleetFileError
from app.metering import ProfileError
from app.openadr import CredentialsError, VtnError
from app.run_lock import RunLockError
from app.settings import SettingsError
from app.vtn import VtnStartError

logger = logging.getLogger("app.cli")
WRONG_SETTINGS = (SettingsError, CredentialsError, DatabaseUrlError)
EXPECTED = (
    RunLockError,
    DatabaseError,
    FleetFileError,
    ProfileError,
    VtnStartError,
    VtnError,
    OSError,
)
"""What can go wrong outside of us: one line, exit code 1."""


@contextmanager
def failures_in_one_line() -> Iterator[None]:
    """Exit code 2 for settings, 1 for what fails outside of us; no traceback for either."""
    try:
        yield
    except WRONG_SETTINGS as error:
        print(f"settings: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        logger.debug("where it came from", exc_info=True)
        raise typer.Exit(1) from None
