"""What goes wrong with measurements, and what a caller does.

OperationalError    said in one line; nothing is taken, and the source tries again
├── IntakeFull          INTAKE__MAX_BYTES: until there is room
└── ClockInDoubt        a value is of the future, or our clock is wrong: until that is known
IntakeServerError   the address or its certificate cannot be used: the run does not begin
DatabaseError       of the platform: it may be stored all the same; sending again doubles nothing
ValueError          what is wrong is the caller's; one line that says where
├── MeterFileError        a profile that cannot be used, or a file that is not as it says
├── SourcesError        SOURCES_FILE: wrong settings, the command ends with 2
├── UnknownMeter        no resource has it, or several: the value is refused with this line
└── RequestRefused      the request is answered with this status and line
"""

from __future__ import annotations

from collections.abc import Mapping

from app.platform import OperationalError


class IntakeFull(OperationalError):
    """There is no room for more measurements; one line says why."""


class ClockInDoubt(OperationalError):
    """Whether a value is of the future, or too late, cannot be said."""

    def __init__(self) -> None:
        super().__init__(
            "a value is of the future or too late, or the clock here is wrong: try again later"
        )


class IntakeServerError(RuntimeError):
    """INTAKE__HOST and INTAKE__PORT cannot be served; one line says why."""


class MeterFileError(ValueError):
    """A profile that cannot be used, or a file that is not as it says; one line."""


class SourcesError(ValueError):
    """The file of sources cannot be used; one line says what and where."""


class UnknownMeter(ValueError):
    """No resource has it, or several have; one line says which.

    `is_anothers`: some resource has it, though not one that is meant.
    """

    def __init__(self, reason: str, *, is_anothers: bool = False) -> None:
        super().__init__(reason)
        self.is_anothers = is_anothers


class RequestRefused(ValueError):
    """A request of which nothing is taken; one line says why."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers
