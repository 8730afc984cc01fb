"""The same work for many VENs, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.openadr import VtnError, VtnUnavailable
from app.stopping import Stopping

Item = TypeVar("Item")


def for_each(
    items: Sequence[Item],
    work: Callable[[Item], None],
    *,
    max_workers: int,
    stopping: Stopping,
    done: Callable[[], None] = lambda: None,
) -> list[tuple[Item, VtnError | None]]:
    """Each item that was tried, with its error or None, in the order of the items.

    One item's VtnError does not stop the others, except VtnUnavailable: what waits for the same
    VTN is then not tried, nor is it once the application stops. `done` is called after each item.
    """
    gave_up: list[VtnUnavailable] = []

    def attempt(item: Item) -> tuple[Item, VtnError | None] | None:
        if gave_up or stopping.is_set():
            return None
        try:
            work(item)
        except VtnUnavailable as error:
            gave_up.append(error)
            return item, error
        except VtnError as error:
            return item, error
        finally:
            done()
        return item, None

    if not items:
        return []
    with ThreadPoolExecutor(min(max_workers, len(items)), thread_name_prefix="vtn") as pool:
        return [outcome for outcome in pool.map(attempt, items) if outcome is not None]
