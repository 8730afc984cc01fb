"""The same work for many VENs, a bounded number at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.openadr import VtnError, VtnUnavailable, VtnUnreachable
from app.stopping import Stopping

logger = logging.getLogger(__name__)
Item = TypeVar("Item")


def for_each(
    items: Sequence[Item],
    work: Callable[[Item], object],
    *,
    max_workers: int,
    stopping: Stopping,
    done: Callable[[], None] = lambda: None,
) -> list[tuple[Item, VtnError | None]]:
    """Each item that was tried, with its error or None, in the order of the items.

    One item's error does not stop the others. What is left is not tried when the VTN cannot be
    reached, when it was unavailable to as many in a row as are under way at a time, or when the
    application stops. `done` is called for each item, tried or not.
    """
    given_up = threading.Event()
    in_a_row = 0
    counting = threading.Lock()

    def count(error: VtnError | None) -> None:
        nonlocal in_a_row
        with counting:
            in_a_row = in_a_row + 1 if isinstance(error, VtnUnavailable) else 0
            if isinstance(error, VtnUnreachable) or in_a_row >= max(max_workers, 2):
                given_up.set()

    def attempt(item: Item) -> tuple[Item, VtnError | None] | None:
        if given_up.is_set() or stopping.is_set():
            done()
            return None
        error: VtnError | None = None
        try:
            work(item)
        except VtnError as raised:
            error = raised
        except Exception as defect:
            logger.exception("a defect, met by one VEN of many")
            error = VtnError(f"{type(defect).__name__}: {defect}")
        count(error)
        done()
        return item, error

    if not items:
        return []
    with ThreadPoolExecutor(min(max_workers, len(items)), thread_name_prefix="vtn") as pool:
        return [outcome for outcome in pool.map(attempt, items) if outcome is not None]
