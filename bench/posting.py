"""Clients that post measurements, each in a process of its own: batches of new values."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

TOKEN = "a-token-of-the-benchmark"
LINES = "line protocol"
CONTENT_TYPES = {
    "JSON": "application/json",
    "CSV": "text/csv",
    "NDJSON": "application/x-ndjson",
    LINES: "text/plain",
}
SHAPES = ("1,000 devices x 1", "1 device x 1,000")
BATCH = 1_000
CLIENTS = 2
METERS = 1_000


def posted(form: str, shape: str, *, batches: int, port: int) -> float:
    """Seconds from the first request to the last answer; of clients in processes of their own."""
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.posting"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        for _ in range(CLIENTS)
    ]
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    for number, each in enumerate(clients):
        _tell(
            each,
            {
                "begin": begin.isoformat(),
                "form": form,
                "shape": shape,
                "batches": batches,
                "number": number,
                "port": port,
            },
        )
    for each in clients:
        _hear(each)
    began_s = time.perf_counter()
    for each in clients:
        _tell(each, "go")
    for each in clients:
        _hear(each)
    passed_s = time.perf_counter() - began_s
    for each in clients:
        each.communicate()
    return passed_s


def _tell(process: subprocess.Popen[str], what: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(what) + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def client() -> None:
    """Posts what it is told to; in a process of its own."""
    given = json.loads(sys.stdin.readline())
    begin = datetime.fromisoformat(given["begin"])
    bodies = list(_bodies(given["form"], given["shape"], given["batches"], given["number"], begin))
    kind = CONTENT_TYPES[given["form"]]
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    connection = http.client.HTTPConnection("127.0.0.1", given["port"])
    print(0, flush=True)
    sys.stdin.readline()
    path = "/api/v2/write" if given["form"] == LINES else "/readings"
    for body in bodies:
        connection.request("POST", path, body, headers)
        connection.getresponse().read()
    print(len(bodies), flush=True)


def _bodies(
    form: str, shape: str, batches: int, client_number: int, begin: datetime
) -> Iterator[bytes]:
    for batch in range(batches):
        rows = []
        for place in range(BATCH):
            if shape == SHAPES[0]:
                device, second = place, CLIENTS * batch + client_number
            else:
                device, second = (CLIENTS * batch + client_number) % METERS, place
                second += BATCH * (CLIENTS * batch // METERS)
            at = (begin + timedelta(seconds=second)).isoformat()
            rows.append((f"d{device}", at, batch + place / 1000))
        yield _body(form, rows)


def _body(form: str, rows: Sequence[tuple[str, str, float]]) -> bytes:
    if form == "CSV":
        lines = [f"{device},{at},POWER,KW,{value}" for device, at, value in rows]
        return "\n".join(["device,start,quantity,unit,value", *lines]).encode()
    if form == LINES:
        times = (datetime.fromisoformat(at).timestamp() for _, at, _ in rows)
        lines = [
            f"power,host={device} kw={value} {time_s:.0f}000000000"
            for (device, _, value), time_s in zip(rows, times, strict=True)
        ]
        return "\n".join(lines).encode()
    readings = [
        {"device": device, "start": at, "quantity": "POWER", "unit": "KW", "value": value}
        for device, at, value in rows
    ]
    if form == "NDJSON":
        return "\n".join(map(json.dumps, readings)).encode()
    return json.dumps({"readings": readings}).encode()


if __name__ == "__main__":
    client()
