"""Reports that are being sent while the next ones are made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context

from app.openadr import VtnError
from app.reporting.delivery.post import Fate, Parcel
from app.reporting.streams import Stream

Outcome = tuple[Parcel, Fate, VtnError | None]


class UnderWay:
    """A round of reports, one of each stream, that `send` sends on a thread of its own.

    `send` appends what came of each report to the list that it is given.
    """

    def __init__(
        self, parcels: Sequence[Parcel], send: Callable[[Sequence[Parcel], list[Outcome]], None]
    ) -> None:
        self.parcels = parcels
        self.stream_ids = {
            parcel.source.stream_id for parcel in parcels if isinstance(parcel.source, Stream)
        }
        self._send = send
        self._outcomes: list[Outcome] = []
        self._defect: BaseException | None = None
        context = copy_context()  # what the log is about
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="delivery")
        self._thread.start()

    def is_done(self, wait_s: float) -> bool:
        """Whether all were tried, after at most so long."""
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def outcomes(self) -> list[Outcome]:
        """What became of those that were tried, when all are."""
        self._thread.join()
        return self._outcomes

    def raise_defect(self) -> None:
        """Raise what `send` raised; what became of the others is settled by then."""
        if self._defect is not None:
            raise self._defect

    def _run(self) -> None:
        try:
            self._send(self.parcels, self._outcomes)
        except BaseException as defect:  # noqa: BLE001 - raised to who waits
            self._defect = defect
