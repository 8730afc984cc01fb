"""The view of tasks: when they run, how they fared, and what can be done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future

from nicegui import ui

from app.ops.page import formatting
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.widgets import Action, Grid, button
from app.scheduling import JobInfo, TaskRun

BARS = " ▁▂▃▄▅▆▇█"
SHOWN_RUNS = 12
MAX_WAIT_S = 3.0
MIN_INTERVAL_S = 1.0
"""Shorter intervals are for settings; a slip here would ask the VTN without end."""


def make_tasks_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def tasks() -> None:
        scheduler, actions = services.scheduler, services.actions
        shell = Shell(services)
        with shell.around("Tasks"):

            async def pause(name: str) -> None:
                await shell.change(lambda who: actions.pause_task(who, name), f"{name} is paused.")
                await show_now()

            async def resume(name: str) -> None:
                await shell.change(
                    lambda who: actions.resume_task(who, name), f"{name} has resumed."
                )
                await show_now()

            async def run_now(name: str) -> None:
                await shell.change(
                    lambda who: _ran(actions.run_task(who, name)), lambda how: f"{name} {how}."
                )
                await show_now()

            paused: dict[str, bool] = {}
            names = [job.name for job in scheduler.get_jobs()]
            grid = Grid(
                "Tasks of the schedule",
                [
                    *("task", "schedule", "next start", "last duration", "durations"),
                    *("runs", "failures", "skipped", "missed", "lateness"),
                ],
                rows=max(len(names), 1),
                numbers=("last duration", "runs", "failures", "skipped", "missed", "lateness"),
                actions=[
                    Action("Run now", run_now),
                    Action("Pause", pause, lambda key: not paused[key]),
                    Action("Resume", resume, lambda key: paused[key]),
                ],
            )
            ui.label(
                "Skipped: due while the last run was still going. Missed: merged into a later run."
                " Lateness: how late the last run began. Durations: of the last runs, oldest first."
            ).classes("quiet")
            with ui.element("h2"):
                ui.label("Change an interval, until the next restart")
            form = ui.element("div").classes("form")
            with ui.element("h2"):
                ui.label("Last errors")
            errors = {name: _error() for name in names}
            none = ui.label("No task has failed.").classes("quiet")

            async def show() -> None:
                rows = []
                for name in names:
                    info = scheduler.get_job_info(name)
                    runs, traceback = scheduler.get_history(name)
                    paused[name] = info["paused"]
                    rows.append((name, _cells(info, runs, services)))
                    expansion, text = errors[name]
                    expansion.set_visibility(bool(traceback))
                    expansion.set_text(f"{name}: {formatting.shortened(info['last_error'] or '')}")
                    text.set_text(traceback)
                grid.show(rows)
                none.set_visibility(not any(scheduler.get_history(name)[1] for name in names))

            show_now = shell.every(REFRESH_S, show)
            with form:
                _interval_form(services, shell, names, show_now)

    return tasks


def _ran(run: Future[bool]) -> str:
    """The outcome of a run, or that it is still running."""
    if run.done() and not run.result():
        return "runs already"
    try:
        well = run.result(MAX_WAIT_S)
    except TimeoutError:
        return "is still running"
    return "has run" if well else "has failed; see the last errors"


def _error() -> tuple[ui.expansion, ui.label]:
    with ui.expansion("") as expansion:
        text = ui.label("").classes("traceback")
    expansion.set_visibility(False)
    return expansion, text


def _cells(info: JobInfo, runs: Sequence[TaskRun], services: PageServices) -> tuple[str, ...]:
    now = services.clock()
    upcoming = "paused" if info["paused"] else formatting.ago(info["next_start"], now)
    running = info["running_for_s"]
    return (
        info["name"],
        info["schedule"],
        upcoming if running is None else f"runs for {formatting.seconds(running)}",
        formatting.seconds(info["last_duration_s"]),
        sparkline([run.duration_s for run in runs[-SHOWN_RUNS:]]),
        formatting.count(info["runs"]),
        formatting.count(info["failures"]),
        formatting.count(info["skipped"]),
        formatting.count(info["missed"]),
        formatting.seconds(info["lateness_s"]),
    )


def sparkline(values: list[float]) -> str:
    """One bar per value, as high as its share of the largest."""
    most = max(values, default=0.0)
    if most <= 0:
        return ""
    return "".join(BARS[max(round(value / most * (len(BARS) - 1)), 1)] for value in values)


def _interval_form(
    services: PageServices, shell: Shell, names: list[str], show_now: Callable[[], Awaitable[None]]
) -> None:
    first = names[0] if names else None
    task = ui.select(names, value=first, label="Task").props("dense")
    seconds = ui.number("Interval in seconds").props("dense")

    def show_what_it_is() -> None:
        """Of a schedule that is no interval, the time between its next two starts."""
        now = services.clock()
        for job in services.scheduler.get_jobs():
            period = job.period(now)
            if job.name == task.value and period is not None:
                seconds.value = period.total_seconds()

    async def change() -> None:
        every_s = float(seconds.value or 0)
        if every_s < MIN_INTERVAL_S:
            ui.notify("Give a number of seconds, 1 or more.", type="negative")
            return
        name = str(task.value)
        await shell.change(
            lambda who: services.actions.change_interval(who, name, every_s),
            f"{name} comes every {every_s:g} s until the next start of the application.",
        )
        await show_now()

    task.on_value_change(show_what_it_is)
    show_what_it_is()
    button("Change", change, main=True)
