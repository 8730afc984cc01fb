"""What is said once, and what is said when it begins, changes and ends."""

from __future__ import annotations

import logging

import pytest

from app.platform import LogOnce
from app.platform.log_once import MAX_REMEMBERED

logger = logging.getLogger("app.test")


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="app")


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_line_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    log_once = LogOnce()
    for line in ("one", "one", "other", "one"):
        log_once(logger, logging.INFO, line)

    assert caplog.messages == ["one", "other"]


def test_lines_about_the_same_thing_are_one(caplog: pytest.LogCaptureFixture) -> None:
    log_once = LogOnce()
    for name in ("Aarhus", "Esbjerg"):
        log_once(logger, logging.WARNING, f"VEN {name} may not", about="may not")

    assert caplog.messages == ["VEN Aarhus may not"]


def test_what_was_met_long_ago_is_forgotten() -> None:
    log_once = LogOnce()
    for number in range(MAX_REMEMBERED + 1):
        assert log_once.is_new(str(number))

    assert not log_once.is_new(str(MAX_REMEMBERED))
    assert log_once.is_new("0")


def test_a_problem_is_said_when_it_begins_changes_and_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_once = LogOnce()
    for problem in ("full", "full", "broken", None, None, "full"):
        log_once.problem(logger, "disk", problem, recovered="the disk is well again")

    assert said(caplog) == [
        ("WARNING", "full"),
        ("WARNING", "broken"),
        ("INFO", "the disk is well again"),
        ("WARNING", "full"),
    ]


def test_a_problem_that_stays_can_be_said_at_another_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_once = LogOnce()
    for _ in range(2):
        log_once.problem(
            logger,
            "task",
            "full",
            line="task: full",
            level=logging.ERROR,
            repeated=logging.DEBUG,
        )

    assert said(caplog) == [("ERROR", "task: full"), ("DEBUG", "task: full")]
