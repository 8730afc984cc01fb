"""A device that orders are posted to."""

from __future__ import annotations

import time
from collections.abc import Mapping

import requests

from app.actuation import MAX_OUTCOME_BYTES, Outcome


class HttpLink:
    """Posts to one URL; what the device answers is its outcome."""

    can_be_cut = False

    def __init__(
        self, url: str, *, headers: Mapping[str, str], session: requests.Session, timeout_s: float
    ) -> None:
        self._url = url
        self._headers = {**headers, "Content-Type": "application/json"}
        self._session = session
        self._timeout_s = timeout_s
        self._answer: Outcome | None = None
        self.problem = ""
        """Why the last post came to nothing; blank: it did not."""

    def monotonic(self) -> float:
        """In seconds."""
        return time.monotonic()

    def send(self, body: bytes, *, kept_s: float) -> None:  # noqa: ARG002
        """An order, or what is none."""
        self._answer, self.problem = None, ""
        try:
            answer = self._session.post(
                self._url,
                data=body,
                headers=self._headers,
                timeout=self._timeout_s,
                stream=True,
                allow_redirects=False,
            )
            with answer:
                text = answer.raw.read(MAX_OUTCOME_BYTES + 1, decode_content=True)
        except (requests.RequestException, OSError) as error:
            self.problem = type(error).__name__
            return
        if 200 <= answer.status_code < 300 and text.strip():
            try:
                self._answer = Outcome.read(text)
            except ValueError as error:
                self.problem = f"its answer is no outcome: {error}"
        elif answer.status_code >= 300:
            self.problem = f"it answers {answer.status_code}"

    def outcome(self, seq: int, *, within_s: float) -> Outcome | None:  # noqa: ARG002
        """What it has answered."""
        answer = self._answer
        return answer if answer is not None and answer.seq == seq else None

    def cut(self) -> None:
        """It has no connection to us."""

    def mend(self) -> None:
        """It has no connection to us."""

    def is_back(self, *, within_s: float) -> bool:  # noqa: ARG002
        """It has no connection to us."""
        return True

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)
