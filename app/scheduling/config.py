"""What a task is and when it runs, checked when it is written down and not at its first run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from numbers import Real
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

INTERVAL_FIELDS = ("seconds", "minutes", "hours", "days", "weeks")
_UNITS = {"seconds": "s", "minutes": "min", "hours": "h", "days": "days", "weeks": "weeks"}
CRON_FIELDS = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class SchedulerConfig:
    """One task: its name, the function as bound, and its schedule.

    `trigger_type='interval'` takes any of seconds, minutes, hours, days, weeks.
    `trigger_type='cron'` takes APScheduler's cron fields (`day_of_week='mon-fri'`, `hour='8-17'`)
    or `cron='*/15 8-17 * * 1-5'`: five fields with cron's own weekdays (0 and 7 are Sunday), and
    cron's own rule that a restricted day of month and a restricted weekday each suffice.
    Both take `jitter`, in seconds. Raises ValueError or TypeError that names the task.
    """

    def __init__(
        self,
        name: str,
        func: Callable[[], Any],
        trigger_type: str = "interval",
        **trigger_fields: Any,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError("a task needs a name")
        self.name = name
        self.func = func
        self.trigger_type = trigger_type
        self.trigger_fields = trigger_fields
        self._check_callable()
        if self.trigger(UTC).get_next_fire_time(None, datetime.now(UTC)) is None:
            raise ValueError(f"task {name!r}: its schedule has no time at which it would run")

    @property
    def words(self) -> str:
        """The schedule as people say it: 'every 5 min', 'cron */15 8-17 * * 1-5'."""
        fields = {name: value for name, value in self.trigger_fields.items() if name != "jitter"}
        if self.trigger_type == "interval":
            parts = [f"{value:g} {_UNITS[name]}" for name, value in fields.items() if value]
            return "every " + " ".join(parts)
        if "cron" in fields:
            return f"cron {fields['cron']}"
        return "cron " + " ".join(f"{name}={value}" for name, value in fields.items())

    def _check_callable(self) -> None:
        if not callable(self.func):
            raise TypeError(f"task {self.name!r}: {self.func!r} is not callable")
        try:
            signature = inspect.signature(self.func)
        except ValueError:
            return  # a builtin without a signature: nothing can be known before it runs
        try:
            signature.bind()
        except TypeError as error:
            raise TypeError(
                f"task {self.name!r}: its function cannot be called as bound: {error}; "
                "bind its dependencies with functools.partial"
            ) from None

    def trigger(self, timezone: tzinfo) -> BaseTrigger:
        """The trigger in this time zone: a pure function from the last fire time to the next."""
        fields = dict(self.trigger_fields)
        jitter = fields.pop("jitter", None)
        try:
            if jitter is not None and not _is_number(jitter):
                raise TypeError(f"jitter must be a number of seconds, not {jitter!r}")
            if self.trigger_type == "interval":
                return _interval(fields, jitter, timezone)
            if self.trigger_type == "cron":
                return _cron(fields, jitter, timezone)
            raise ValueError(
                f"unknown trigger type {self.trigger_type!r}; use 'interval' or 'cron'"
            )
        except (ValueError, TypeError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"task {self.name!r}: {error}") from None


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _refuse_unknown(fields: dict[str, Any], known: tuple[str, ...], trigger_type: str) -> None:
    for field in fields:
        if field not in known:
            raise ValueError(
                f"unknown {trigger_type} field {field!r}; known are {', '.join(known)}"
            )


def _interval(fields: dict[str, Any], jitter: int | None, timezone: tzinfo) -> BaseTrigger:
    _refuse_unknown(fields, INTERVAL_FIELDS, "interval")
    for field, value in fields.items():
        if not _is_number(value):
            raise TypeError(f"{field} must be a number, not {value!r}")
        if value < 0:
            raise ValueError(f"{field} must not be negative, but is {value!r}")
    # APScheduler would make an interval of 0 into one of 1 s without a word.
    if not sum(fields.values()) > 0:
        raise ValueError(f"an interval needs one of {', '.join(INTERVAL_FIELDS)} above 0")
    return IntervalTrigger(**fields, jitter=jitter, timezone=timezone)


def _cron(fields: dict[str, Any], jitter: int | None, timezone: tzinfo) -> BaseTrigger:
    if "cron" in fields:
        if len(fields) > 1:
            raise ValueError("a cron expression goes without further cron fields")
        return _crontab(fields["cron"], jitter, timezone)
    _refuse_unknown(fields, CRON_FIELDS, "cron")
    if not fields:
        raise ValueError(
            f"a cron trigger needs one of {', '.join(CRON_FIELDS)}, or cron='m h d M w'"
        )
    for field, value in fields.items():
        try:
            CronTrigger(**{field: value})
        except (ValueError, TypeError) as error:
            raise ValueError(f"cron field {field}={value!r} is wrong: {error}") from None
    return CronTrigger(**fields, jitter=jitter, timezone=timezone)


def _crontab(expression: str, jitter: int | None, timezone: tzinfo) -> BaseTrigger:
    parts = expression.split() if isinstance(expression, str) else []
    if len(parts) != 5:
        raise ValueError(
            f"cron expression {expression!r} must have five fields: minute hour day month weekday"
        )
    minute, hour, day, month, weekday = parts
    for field, value in {"minute": minute, "hour": hour, "day": day, "month": month}.items():
        try:
            CronTrigger(**{field: value})
        except ValueError as error:
            raise ValueError(f"cron expression {expression!r}: {field}: {error}") from None

    def trigger_on(**days: str) -> BaseTrigger:
        return CronTrigger(
            minute=minute, hour=hour, month=month, **days, jitter=jitter, timezone=timezone
        )

    if weekday.startswith("*") and "/" not in weekday:
        return trigger_on(day=day)
    weekdays = _weekdays(weekday, expression)
    if day.startswith("*"):
        return trigger_on(day=day, day_of_week=weekdays)
    return OrTrigger([trigger_on(day=day), trigger_on(day_of_week=weekdays)])


def _weekdays(field: str, expression: str) -> str:
    """Cron's weekdays as APScheduler's names; it counts from Monday, cron from Sunday."""
    days: set[str] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, to, last = span.partition("-")
        try:
            low, high = (
                (0, 6) if span == "*" else (_weekday(first), _weekday(last if to else first))
            )
            if step and not to and span != "*":
                high = 6
            if to and high == 0:
                high = 7  # 'fri-sun' and '5-0'
            chosen = range(low, high + 1, int(step or "1"))
        except ValueError:
            chosen = range(0)
        if not chosen:
            raise ValueError(f"cron expression {expression!r}: weekday {part!r} is not understood")
        days.update(_WEEKDAYS[number % 7] for number in chosen)
    return ",".join(sorted(days, key=_WEEKDAYS.index))


def _weekday(text: str) -> int:
    if text in _WEEKDAYS:
        return _WEEKDAYS.index(text)
    number = int(text)
    if not 0 <= number <= 7:
        raise ValueError(text)
    return number
