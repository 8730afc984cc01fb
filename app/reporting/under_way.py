"""Reports that are being sent while the next ones are made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context

from app.openadr import VtnError
from app.reporting.post import Fate, Parcel
from app.reporting.streams import Stream

Outcome = tuple[Parcel, Fate, VtnError | None]


class UnderWay:
    """A round of reports, one of each stream, that `send` sends on a thread of its own."""

    def __init__(
        self, parcels: Sequence[Parcel], send: Callable[[Sequence[Parcel]], list[Outcome]]
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

    def outcomes(self) -> list[Outcome]:
        """What became of those that were tried, when all are; raises what `send` raised."""
        self._thread.join()
        if self._defect is not None:
            raise self._defect
        return self._outcomes

    def _run(self) -> None:
        try:
            self._outcomes = self._send(self.parcels)
        except BaseException as defect:  # noqa: BLE001 - raised to who waits
            self._defect = defect
