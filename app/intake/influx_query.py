"""Fetches what lies in InfluxDB 2: a Flux query, day by day, as files of readings.

Each day is a page, kept until all of them are imported, so that what was interrupted goes on where
it was. The query names its time as InfluxDB's own pages do, `v.timeRangeStart` and
`v.timeRangeStop`, and gives the columns of a reading: `_time` and `_value`, or `start`, `end` and
`value`, and beside them `device`, `quantity`, `unit` and the other fields of a reading.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from app.intake.errors import MeterFileError
from app.intake.files import FIELDS
from app.platform import LOOPBACK, Progress, no_progress

BEGIN, END = "v.timeRangeStart", "v.timeRangeStop"
PAGE = timedelta(days=1)
TIMEOUTS_S = 5.0, 120.0
"""To connect, and between two parts of an answer."""
RENAMED = {"_time": "start", "_value": "value"}
"""What Flux calls a time and a value."""
NEEDED = ("start", "value", "quantity", "unit")
MAX_WORDS = 200


@dataclass(frozen=True, kw_only=True)
class InfluxQuery:
    """What is asked, and where."""

    url: str
    """Of the server, such as https://influx.example:8086."""
    org: str
    token: SecretStr
    flux: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MeterFileError(f"{self.url[:80]!r} is no URL that begins with https://")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise MeterFileError(f"{self.url}: plain http is for this machine only")
        if BEGIN not in self.flux or END not in self.flux:
            raise MeterFileError(
                f"the query does not say its time: |> range(start: {BEGIN}, stop: {END})"
            )

    @property
    def pages(self) -> list[tuple[datetime, datetime]]:
        """Days, in UTC; the first and the last one may be shorter."""
        found, begin = [], self.start.astimezone(UTC)
        end = self.end.astimezone(UTC)
        while begin < end:
            midnight = datetime(begin.year, begin.month, begin.day, tzinfo=UTC) + PAGE
            found.append((begin, min(midnight, end)))
            begin = found[-1][1]
        return found

    def of(self, begin: datetime, end: datetime) -> str:
        """The query of one page."""
        return self.flux.replace(BEGIN, _flux_time(begin)).replace(END, _flux_time(end))

    @property
    def digest(self) -> str:
        """What tells one query from another."""
        words = (self.url, self.org, self.flux, self.start.isoformat(), self.end.isoformat())
        return hashlib.sha256("\0".join(words).encode()).hexdigest()


class InfluxPages:
    """Fetches pages into a folder of their own in this directory. Used by one command at a time."""

    def __init__(self, directory: Path, *, session: requests.Session) -> None:
        self._directory = directory
        self._session = session

    def fetch(self, query: InfluxQuery, progress: Progress = no_progress) -> list[Path]:
        """The files, one for each page that has anything; those that are there are not asked for.

        MeterFileError: the server does not answer as InfluxDB 2, or the columns are others.
        """
        folder = self._folder(query)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pages = query.pages
        files = []
        for number, (begin, end) in enumerate(pages, start=1):
            file = folder / f"{begin:%Y-%m-%dT%H%M%S}.csv"
            if not file.exists():
                draft = file.with_suffix(".part")
                with draft.open("w", encoding="utf-8", newline="") as written:
                    self._page(query, query.of(begin, end), written)
                draft.replace(file)
            if file.stat().st_size:
                files.append(file)
            progress(number, len(pages))
        return files

    def forget(self, query: InfluxQuery) -> None:
        """They are imported, or not wanted any more."""
        shutil.rmtree(self._folder(query), ignore_errors=True)

    def _folder(self, query: InfluxQuery) -> Path:
        return self._directory / query.digest[:32]

    def _page(self, query: InfluxQuery, flux: str, written: Any) -> None:
        host = urlsplit(query.url).hostname
        try:
            with self._session.post(
                f"{query.url.rstrip('/')}/api/v2/query",
                params={"org": query.org},
                headers={
                    "Authorization": f"Token {query.token.get_secret_value()}",
                    "Content-Type": "application/vnd.flux",
                    "Accept": "application/csv",
                    "Accept-Encoding": "gzip",
                },
                data=flux.encode(),
                timeout=TIMEOUTS_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                if answer.status_code != 200:
                    raise MeterFileError(f"{host} answers {answer.status_code}: {_words(answer)}")
                answer.raw.decode_content = True
                raw: Any = answer.raw
                raw.auto_close = False  # else it is closed before its last line is read
                lines = io.TextIOWrapper(raw, encoding="utf-8", newline="")
                _write(_rows(lines), written)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise MeterFileError(f"{host}: {str(error)[:MAX_WORDS]}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise MeterFileError(f"{host}: its answer is no CSV: {error}") from None


def _rows(lines: Iterable[str]) -> Iterator[Mapping[str, str]]:
    """Each row of an answer: tables one behind the other, each with its names, and blank lines
    between them."""
    names: list[str] | None = None
    for cells in csv.reader(lines):
        if not any(cells):
            names = None
        elif cells[0].startswith("#"):
            names = None  # annotations, which stand above the names of a table
        elif names is None:
            names = [RENAMED.get(name, name) for name in cells]
            _check(names)
        else:
            row = dict(zip(names, cells, strict=False))
            if "error" in row:
                raise MeterFileError(f"the query fails: {row['error'][:MAX_WORDS]}")
            yield row


def _check(names: list[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing and "error" not in names:
        given = ", ".join(name for name in names if name)[:MAX_WORDS]
        raise MeterFileError(
            f"the query gives no column {missing[0]!r}, but {given}; a constant one is made by"
            f' |> set(key: "{missing[0]}", value: "…")'
        )


def _write(rows: Iterator[Mapping[str, str]], written: Any) -> None:
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.writer(written, lineterminator="\n")
            writer.writerow(FIELDS)
        writer.writerow([row.get(name, "") for name in FIELDS])


def _words(answer: requests.Response) -> str:
    """What it says, in one line."""
    text = answer.raw.read(MAX_WORDS * 10, decode_content=True).decode(errors="replace")
    return " ".join(text.split())[:MAX_WORDS]


def _flux_time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"
