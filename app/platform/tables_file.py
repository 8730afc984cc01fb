"""A TOML file of tables that people write, read at start and again when it has changed."""

from __future__ import annotations

import logging
import os
import threading
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import SecretStr, ValidationError

from app.platform.errors import TextFileError
from app.platform.log_once import LogOnce
from app.platform.text_file import read_text

logger = logging.getLogger(__name__)
LOOKED_AT_EVERY_S = 30.0
MIN_TOKEN_CHARACTERS = 16
T = TypeVar("T")


class TablesFile(Generic[T]):
    """What a file says, as `parse` understands it.

    `parse` is given what stands in the file, by name, and raises an `error`, as the file does when
    it cannot be read; `names_files` tells which other files the result depends on. `needed`:
    whether the file has to be there. Wrong when it is first read, it raises an `error`; wrong
    later, what was read before stays in force, and the log says why. Safe for several threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        needed: bool,
        parse: Callable[[Mapping[str, Any]], T],
        names_files: Callable[[T], Iterable[Path]],
        error: type[ValueError],
        about: str,
        monotonic: Callable[[], float],
        log_once: LogOnce,
    ) -> None:
        self._path = path
        self._needed = needed
        self._parse = parse
        self._names_files = names_files
        self._error = error
        self._about = about
        self._monotonic = monotonic
        self._log_once = log_once
        self._lock = threading.Lock()
        self._known: list[T] = []
        """Empty before it was read."""
        self._state: list[tuple[int, ...]] = []
        self._looked_at_s = 0.0

    def current(self) -> T:
        """What it says. An `error`, in one line, where it was never right."""
        with self._lock:
            now_s = self._monotonic()
            if not self._known:
                self._known = [self._read()]
                self._state = self._files_state()
                self._looked_at_s = now_s
            elif now_s - self._looked_at_s >= LOOKED_AT_EVERY_S:
                self._looked_at_s = now_s
                self._look()
            return self._known[0]

    def secret(self, where: str, key: str, file: Path) -> str:
        """What a file holds that is private to us. `where`, `key`: for an `error`."""
        path = self._path.parent / file
        try:
            return read_text(path, private=True).strip()
        except TextFileError as error:
            raise self._error(f"{where}: {key} {path} {error}") from None

    def token(self, where: str, key: str, file: Path) -> SecretStr:
        """The same, of a bearer token."""
        token = self.secret(where, key, file)
        if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or " " in token:
            raise self._error(
                f"{where}: {key} {self._path.parent / file} must hold one word of"
                f" {MIN_TOKEN_CHARACTERS} or more characters"
            )
        return SecretStr(token)

    def _look(self) -> None:
        if self._files_state() == self._state:
            return
        problem: str | None = None
        try:
            self._known = [self._read()]
            logger.info("%s was read again", self._path)
        except self._error as error:
            problem = f"{error}; what was read before stays in force"
        self._state = self._files_state()
        self._log_once.problem(logger, self._about, problem)

    def _files_state(self) -> list[tuple[int, ...]]:
        """What changes with the file, or with a file that it names."""
        named = [
            self._path.parent / path for known in self._known for path in self._names_files(known)
        ]
        return [_state_of(path) for path in (self._path, *named)]

    def _read(self) -> T:
        if not (self._needed or any(self._known) or self._path.exists()):
            return self._parse({})
        try:
            return self._parse(tomllib.loads(read_text(self._path)))
        except TextFileError as error:
            raise self._error(f"{self._path} {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise self._error(f"{self._path}: {error}") from None


def _state_of(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def first_problem(error: ValidationError) -> str:
    """What is wrong first, and where in its table."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"][1:]))  # after the type
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "union_tag_not_found":
        return "it has no type"
    if first["type"] == "union_tag_invalid":
        return f"type: is none of {first['ctx']['expected_tags']}"
    if first["type"] == "missing":
        return f"type {first['loc'][0]} needs {place}"
    if first["type"] == "extra_forbidden":
        return f"{place}: type {first['loc'][0]} has no such key"
    return f"{place}: {message}" if place else message
