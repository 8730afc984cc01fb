"""When things run: tasks on interval and cron triggers, watched, one run of each at a time.

The room knows callables only; what they do and what they need is bound by the container.
"""

from app.scheduling.config import SchedulerConfig
from app.scheduling.container import SchedulingContainer
from app.scheduling.errors import ScheduleError
from app.scheduling.schedule import default_schedules, every, job
from app.scheduling.scheduler import TaskScheduler
from app.scheduling.task import JobInfo, Task, TaskRun

__all__ = [
    "JobInfo",
    "ScheduleError",
    "SchedulerConfig",
    "SchedulingContainer",
    "Task",
    "TaskRun",
    "TaskScheduler",
    "default_schedules",
    "every",
    "job",
]
