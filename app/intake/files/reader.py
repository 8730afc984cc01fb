"""Reads files of meter readings by a profile, whatever their form."""

from __future__ import annotations

import codecs
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from zoneinfo import ZoneInfo

import orjson

from app.intake.errors import MeterFileError
from app.intake.files.arrays import hdf5_loads, parquet_rows
from app.intake.files.delimited import delimited_rows
from app.intake.files.documents import json_rows
from app.intake.files.eda import eda_rows
from app.intake.files.fields import FieldReader, field_rows
from app.intake.files.green_button import green_button_rows
from app.intake.files.nem12 import Nem12Reader
from app.intake.files.profile import Profile
from app.intake.files.rows import BLOCK_ROWS, Row, RowReader
from app.intake.measurement import Measurements, Refusals

MAX_DOCUMENT_BYTES = 256 << 20
"""Of JSON, which is read whole."""


class MeterFile:
    """A file that is read by a profile, block by block.

    `device`: of a file that names none; `zone`: of times without an offset; `block_rows`: how many
    values are held in memory at a time, about. What is refused and what is skipped is counted while
    it is read.
    """

    def __init__(
        self,
        path: Path,
        profile: Profile,
        *,
        device: str = "",
        zone: ZoneInfo | None = None,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        self.path = path
        self.refusals = Refusals()
        self.skipped: Counter[str] = Counter()
        self._profile = profile
        self._device = device
        self._zone = zone
        self._block_rows = block_rows
        self._file: BinaryIO | None = None

    @property
    def bytes_read(self) -> int:
        """How far it was read, about."""
        if self._file is None or self._file.closed:
            return self.path.stat().st_size
        return self._file.tell()

    def read(self) -> Iterator[Measurements]:
        """All of it. MeterFileError: it is not as the profile says; one line that names it."""
        try:
            for block in self._blocks():
                if len(block):
                    yield block
        except MeterFileError as error:
            raise MeterFileError(f"{self.path}: {error}") from None
        except OSError as error:
            raise MeterFileError(f"{self.path}: cannot be read: {error.strerror}") from None

    def _blocks(self) -> Iterator[Measurements]:
        form = self._profile.format
        if form == "hdf5":
            yield from hdf5_loads(self.path, self.refusals)
        elif form == "parquet":
            yield from self._fields().read(parquet_rows(self.path))
        elif form == "readings":
            with self._text() as lines:
                yield from self._fields().read(field_rows(lines, self.refusals))
        elif form == "nem12":
            nem12 = Nem12Reader(self._profile, self.refusals, zone=self._zone)
            self.skipped = nem12.skipped
            with self._text() as lines:
                yield from nem12.read(lines)
        else:
            reader = RowReader(
                self._profile,
                self.refusals,
                device=self._device,
                zone=self._zone,
                block_rows=self._block_rows,
            )
            self.skipped = reader.skipped
            yield from reader.read(self._rows(form))

    def _rows(self, form: str) -> Iterator[Row]:
        if form == "csv":
            with self._text() as lines:
                yield from delimited_rows(lines, self._profile, self.refusals)
        elif form == "json":
            yield from json_rows(self._document(), self._profile)
        else:
            rows = {"eda": eda_rows, "green-button": green_button_rows}[form]
            with self._opened() as file:
                yield from rows(file)

    def _fields(self) -> FieldReader:
        return FieldReader(self.refusals, zone=self._zone, block_rows=self._block_rows)

    @contextmanager
    def _text(self) -> Iterator[TextIO]:
        with (
            self._opened() as file,
            io.TextIOWrapper(file, encoding=self._profile.encoding, newline="") as lines,
        ):
            yield lines

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as file:
            self._file = file
            try:
                yield file
            finally:
                self._file = None

    def _document(self) -> Any:
        size = self.path.stat().st_size
        if size > MAX_DOCUMENT_BYTES:
            raise MeterFileError(f"{size} bytes of JSON are too much to be read at once; split it")
        try:
            return orjson.loads(self.path.read_bytes().removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError as error:
            raise MeterFileError(f"line {error.lineno}: it is no JSON: {error.msg}") from None
