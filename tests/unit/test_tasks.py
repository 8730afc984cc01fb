"""Tasks are plain functions: they are tested with other arguments, and nothing else."""

from __future__ import annotations

import logging

import pytest

from app import tasks
from app.metering import MeterDataSimulator, load_profiles
from app.observability.tracing import NoTracing
from tests.support.fakes import (
    AsShaped,
    FakeClock,
    FakeFleet,
    FakeFrames,
    FakeMeters,
    NoOrders,
    UnlimitedSpace,
    resource,
)


class FakeManager:
    """A manager that remembers what it was asked to do."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def heartbeat(self) -> None:
        self.done.append("heartbeat")

    def poll_events(self) -> None:
        self.done.append("poll_events")

    def generate_reports(self) -> int:
        self.done.append("generate_reports")
        return 3


def test_the_tasks_of_the_manager() -> None:
    manager = FakeManager()

    tasks.heartbeat_task(ven_manager=manager)
    tasks.poll_events_task(ven_manager=manager)
    tasks.generate_reports_task(ven_manager=manager)

    assert manager.done == ["heartbeat", "poll_events", "generate_reports"]


def test_the_tasks_of_the_simulator(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    frames = FakeFrames()
    simulator = MeterDataSimulator(
        repository=FakeFleet({"Aarhus": [resource("pump")]}),
        frames=frames,
        profiles=load_profiles,
        control_model=AsShaped(),
        orders=NoOrders(),
        latest=FakeMeters(),
        tracing=NoTracing(),
        space=UnlimitedSpace(),
        clock=clock,
        monotonic=clock.monotonic,
    )

    tasks.simulate_meterdata(simulator=simulator)
    with caplog.at_level(logging.INFO, logger="app"):
        tasks.resource_status_checker(simulator=simulator)

    assert len(frames.frames) == 1
    assert "1 VENs, 1 resources: 1 approved, 0 pending, 0 suspended" in caplog.text
