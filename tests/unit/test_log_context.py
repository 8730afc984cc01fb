"""JSON lines say which task, VEN and report they are about."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from app.observability.log_context import log_context
from app.observability.logs import configure_logging
from app.openadr import VtnError
from app.platform import FanOut, Shutdown
from app.reporting.delivery.batch import InFlightBatch
from app.reporting.delivery.outgoing import DeliveryOutcome, OutgoingReport
from app.scheduling import SchedulerConfig, TaskScheduler

logger = logging.getLogger("app.test")
Lines = Any


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What was logged, as JSON, when called."""
    configure_logging(level="INFO", format_="json")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_carries_what_is_at_hand(lines: Lines) -> None:
    with log_context(ven="Aarhus"), log_context(report="r-1"):
        logger.info("sent")
    logger.info("done")

    sent, done = lines()
    assert (sent["ven"], sent["report"]) == ("Aarhus", "r-1")
    assert "ven" not in done


def test_a_warning_of_a_library_is_a_line_like_any_other(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("this will go", DeprecationWarning, stacklevel=1)

    (line,) = lines()
    assert (line["level"], line["logger"]) == ("WARNING", "py.warnings")
    assert "DeprecationWarning: this will go" in line["message"]


def test_threads_of_a_fan_out_know_the_task(lines: Lines) -> None:
    fan_out = FanOut(max_workers=4, shutdown=Shutdown())

    with log_context(task="generate_reports"):
        fan_out(["Aarhus", "Odense"], lambda name: logger.info("%s", name), failure=VtnError)

    assert [
        (line["message"], line["task"]) for line in sorted(lines(), key=itemgetter("message"))
    ] == [
        ("Aarhus", "generate_reports"),
        ("Odense", "generate_reports"),
    ]


def test_reports_in_flight_know_the_task(lines: Lines) -> None:
    def send(reports: Sequence[OutgoingReport], outcomes: list[DeliveryOutcome]) -> None:
        logger.info("%d reports, %d outcomes", len(reports), len(outcomes))

    with log_context(task="generate_reports"):
        batch = InFlightBatch([], send)
    batch.outcomes()

    (line,) = lines()
    assert line["task"] == "generate_reports"


def test_a_coroutine_knows_its_task(lines: Lines, scheduler: TaskScheduler) -> None:
    async def work() -> None:
        logger.info("at work")

    scheduler.add_task(SchedulerConfig("work", work, hours=1))

    scheduler.run_now("work").result(5)

    (line,) = lines()
    assert line["task"] == "work"


UNCAUGHT = """
import threading
from app.observability import configure_logging, log_uncaught

configure_logging(level="INFO", format_="json")
log_uncaught()

class Odd:
    def __del__(self):
        raise ValueError("left behind")

def work():
    raise ValueError("on a thread")

thread = threading.Thread(target=work, name="worker")
thread.start()
thread.join()
Odd()
raise ValueError("at last")
"""


def test_what_nobody_catches_is_a_line_like_any_other() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNCAUGHT],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    found = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(each["level"], each["thread"]) for each in found] == [
        ("CRITICAL", "worker"),
        ("CRITICAL", "MainThread"),
        ("CRITICAL", "MainThread"),
    ]
    words = ["on a thread", "left behind", "at last"]
    assert all(word in each["traceback"] for word, each in zip(words, found, strict=True))
    assert ended.returncode == 1
