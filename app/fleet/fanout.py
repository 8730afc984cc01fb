"""The same work for many VENs, a bounded number at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.openadr import VtnError, VtnUnreachable
from app.stopping import Stopping

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")


class FanOut:
    """Does the same for many VENs, `max_workers` at a time, until `stopping` is set."""

    def __init__(self, *, max_workers: int, stopping: Stopping) -> None:
        self.max_workers = max_workers
        self._stopping = stopping

    def __call__(
        self,
        items: Sequence[Item],
        work: Callable[[Item], Result],
        *,
        done: Callable[[], None] = lambda: None,
    ) -> list[tuple[Item, Result | VtnError]]:
        """Each item that was tried, with its result or its error, in the order of the items.

        One item's error does not stop the others. What is left is not tried when the VTN cannot be
        reached or counts as down, or when the application stops. `done` is called for each item,
        tried or not.
        """
        given_up = threading.Event()

        def attempt(item: Item) -> tuple[Item, Result | VtnError] | None:
            if given_up.is_set() or self._stopping.is_set():
                done()
                return None
            outcome: Result | VtnError
            try:
                outcome = work(item)
            except VtnError as raised:
                outcome = raised
            except Exception as defect:
                logger.exception("a defect, met by one VEN of many")
                outcome = VtnError(f"{type(defect).__name__}: {defect}")
            if isinstance(outcome, VtnUnreachable):
                given_up.set()
            done()
            return item, outcome

        if not items:
            return []
        with ThreadPoolExecutor(
            min(self.max_workers, len(items)), thread_name_prefix="vtn"
        ) as pool:
            return [outcome for outcome in pool.map(attempt, items) if outcome is not None]
