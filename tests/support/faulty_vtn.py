"""A VTN that fails in every way that real ones do, in an order that a seed decides."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn

HTML = "<html><body>Bad gateway</body></html>"
FORWARDED = ("Authorization", "Content-Type")

BEFORE_THE_WORK = (
    *("refused connection", "broken before", "slow before", "429", "500", "503", "html"),
    *("html 404", "401", "403", "404", "408", "400", "422", "413"),
)
AFTER_THE_WORK = ("broken after", "500 after", "html after", "slow after")
MUCH_LATER = "work much later"
OF_A_LOOK_UP = ("broken before", "500", "503", "html", "429", "401")


class FaultyVtn:
    """Stands in front of a VTN and passes requests on, or not, or later.

    `share`: how many of the requests meet a fault, from 0 to 1. `unique_names`: a second report of
    a name is answered with 409, as some VTNs do. `clock` is the test's; what is to be done much
    later is done by `catch_up`.
    """

    def __init__(
        self,
        *,
        behind: str,
        seed: int,
        clock: Callable[[], datetime],
        unique_names: bool,
        latest_s: float,
        slow_s: float,
    ) -> None:
        self._host = behind.removeprefix("http://")
        self._drawn = random.Random(seed)
        self._clock = clock
        self._unique_names = unique_names
        self._latest_s = latest_s
        self._slow_s = slow_s
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._revoked: set[str] = set()
        self._later: list[tuple[datetime, ReceivedRequest]] = []
        self._working = threading.Condition()
        self._under_way = 0
        self.share = 0.0
        self.down = False
        self.met = Counter[str]()
        """How often each fault was met."""
        self._server = ScriptedVtn(self._answer)
        self.base_url = self._server.base_url

    def close(self) -> None:
        self._server.close()

    def catch_up(self, *, all_of_it: bool = False) -> None:
        """Do the work that is due by now, long after its client gave up."""
        with self._working:
            assert self._working.wait_for(lambda: self._under_way == 0, timeout=20)
        with self._lock:
            due = [job for job in self._later if all_of_it or job[0] <= self._clock()]
            self._later = [job for job in self._later if job not in due]
        for _, asked in due:
            self._work(asked)

    def _answer(self, asked: ReceivedRequest) -> Answer:
        with self._working:
            self._under_way += 1
        try:
            return self._meet(self._fault(asked), asked)
        finally:
            with self._working:
                self._under_way -= 1
                self._working.notify_all()

    def _fault(self, asked: ReceivedRequest) -> str:
        """Which fault this request meets; '' for none."""
        if self.down:
            return "refused connection"
        with self._lock:
            if self._drawn.random() >= self.share or asked.path.startswith("/auth"):
                return ""
            if asked.method == "POST":
                fault = self._drawn.choice((*BEFORE_THE_WORK, *AFTER_THE_WORK, MUCH_LATER))
            else:
                fault = self._drawn.choice(OF_A_LOOK_UP)
            self.met[fault] += 1
            return fault

    def _meet(self, fault: str, asked: ReceivedRequest) -> Answer:
        authorization = asked.headers.get("Authorization", "")
        if fault == "401":
            self._revoked.add(authorization)
        if authorization in self._revoked and asked.path != "/auth/token":
            return Answer(status=401, body={"title": "token revoked"})
        if fault == MUCH_LATER:
            delay = timedelta(seconds=self._drawn.uniform(0, self._latest_s))
            with self._lock:
                self._later.append((self._clock() + delay, asked))
            return Answer(broken=True)
        if fault in ("", *AFTER_THE_WORK):
            answer = self._work(asked)
            if fault == "slow after":
                threading.Event().wait(self._slow_s)
            return answer if fault in ("", "slow after") else _failed(fault)
        if fault == "slow before":
            threading.Event().wait(self._slow_s)
        return _failed(fault)

    def _work(self, asked: ReceivedRequest) -> Answer:
        """What the VTN behind answers."""
        report = asked.method == "POST" and asked.path == "/reports"
        name = json.loads(asked.body)["reportName"] if report else None
        if name is not None:
            with self._lock:
                taken = name in self._names
                self._names.add(name)
            if taken and self._unique_names:
                self.met["409"] += 1
                return Answer(status=409, body={"title": "the name is taken"})
        query = "&".join(
            f"{key}={value}" for key, values in asked.query.items() for value in values
        )
        connection = http.client.HTTPConnection(self._host)
        connection.request(
            asked.method,
            f"{asked.path}?{query}" if query else asked.path,
            asked.body or None,
            {key: value for key, value in asked.headers.items() if key in FORWARDED},
        )
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return Answer(status=answer.status, body=body)


def _failed(fault: str) -> Answer:
    word = fault.split()[0]
    if word in ("refused", "broken", "slow"):
        return Answer(broken=True)
    if word == "html":
        status = 404 if fault == "html 404" else 200
        return Answer(status=status, body=HTML, content_type="text/html")
    return Answer(status=int(word), body={"title": f"a fault of the test: {fault}"})
