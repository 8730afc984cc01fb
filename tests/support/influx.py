"""A stub of InfluxDB 2 that answers queries in its format: annotated CSV, table behind table."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-influxdb"
ANNOTATIONS = (
    "#datatype,string,long,dateTime:RFC3339,double,string,string,string\n"
    "#group,false,false,false,false,true,true,true\n"
    "#default,_result,,,,,,\n"
)
NAMES = ",result,table,_time,_value,device,quantity,unit\n"


def table(number: int, *rows: tuple[str, float, str]) -> str:
    """Of (time, value, device) of power in W."""
    lines = [f",,{number},{time},{value},{device},POWER,W\n" for time, value, device in rows]
    return ANNOTATIONS + NAMES + "".join(lines) + "\n"


class StubInflux:
    """Answers each query with what stands for the day that it begins on; nothing for others."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        """By day, such as 2026-03-01."""
        self.asked: list[str] = []
        """The queries that came."""
        self.fails = 0
        """How many answers are cut off."""
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub._answer(self)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        flux = request.rfile.read(int(request.headers["Content-Length"])).decode()
        parts = urlsplit(request.path)
        org = parse_qs(parts.query).get("org")
        status, content = 200, ""
        if (parts.path, org) != ("/api/v2/query", ["home"]):
            status, content = 404, '{"code":"not found","message":"organization not found"}'
        elif request.headers["Authorization"] != f"Token {TOKEN}":
            status, content = 401, '{"code":"unauthorized","message":"unauthorized access"}'
        else:
            self.asked.append(flux)
            content = next(
                (text for day, text in self.answers.items() if f"start: {day}" in flux), ""
            )
        body = content.encode()
        request.send_response(status)
        request.send_header("Content-Type", "text/csv; charset=utf-8")
        request.send_header("Content-Length", str(len(body) + (self.fails > 0) * 100))
        request.end_headers()
        request.wfile.write(body)
        if self.fails:
            self.fails -= 1
            request.close_connection = True
