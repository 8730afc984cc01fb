"""What can go wrong outside of us, told in one line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from app.actuation import ActuatorsError
from app.cluster.engine import MembershipError
from app.fleet import FleetFileError
from app.intake import IntakeServerError, MeterFileError, SourcesError
from app.metering import ProfileError
from app.observability import configure_logging, is_configured, writes_json
from app.openadr import CredentialsError, VtnError
from app.platform import DatabaseUrlError, OperationalError, RunLockError, ShardError
from app.scheduling import ScheduleError
from app.settings import SettingsError, log_format
from app.vtn import VtnStartError

logger = logging.getLogger("app.cli")
WRONG_SETTINGS = (
    SettingsError,
    ScheduleError,
    CredentialsError,
    DatabaseUrlError,
    SourcesError,
    ActuatorsError,
)
EXPECTED = (
    RunLockError,
    OperationalError,
    FleetFileError,
    IntakeServerError,
    MeterFileError,
    ProfileError,
    VtnStartError,
    VtnError,
    OSError,
)
"""What can go wrong outside of us: one line, exit code 1."""
NO_RESTART_MENDS = 2
"""As of settings: systemd does not start it again."""


def tell(error: BaseException) -> int:
    """One line for what can go wrong outside of us, as the log is written; the exit code.

    2 for settings, for a fleet that is cut otherwise, and for a machine that may not join; 1 for
    what fails outside of us. A defect, which is 1, too, has its traceback.
    """
    if isinstance(error, WRONG_SETTINGS):
        _say(f"settings: {error}")
        return 2
    if isinstance(error, EXPECTED):
        _say(f"error: {error}")
        logger.debug("where it came from", exc_info=error)
    else:
        logger.error("the start failed", exc_info=error)
    return NO_RESTART_MENDS if isinstance(error, (MembershipError, ShardError)) else 1


@contextmanager
def report_expected_errors() -> Iterator[None]:
    """What can go wrong outside of us ends the process with `tell`, and without a traceback."""
    try:
        yield
    except (*WRONG_SETTINGS, *EXPECTED) as error:
        raise typer.Exit(tell(error)) from None


def _say(line: str) -> None:
    if not is_configured() and log_format() == "json":
        configure_logging(level="INFO", format_="json")
    if writes_json():
        logger.error("%s", line)
    else:
        print(line, file=sys.stderr)
