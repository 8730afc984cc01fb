"""The file of sources: read at start, and again when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.intake.errors import SourcesError
from app.intake.sources import (
    MqttSource,
    Source,
    Sources,
    TokenSource,
    source_of,
)
from app.platform import LogOnce, TablesFile, first_problem, is_same_secret

DEFAULT_FILE = Path("sources.toml")
ACTUATOR = "actuator"
"""Tables in the same file that say where orders go (app/actuation)."""


class SourcesFile:
    """The sources of SOURCES_FILE, read when they are first asked for and again when it changed.

    `path`: None for DEFAULT_FILE, which need not be there. `keep`: how long measurements are kept.
    Wrong when it is first read, it raises SourcesError; wrong later, what was read before stays in
    force, and the log says why. Safe for several threads.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        keep: timedelta,
        monotonic: Callable[[], float],
        log_once: LogOnce,
    ) -> None:
        self._path = path or DEFAULT_FILE
        self._keep = keep
        self._file: TablesFile[Sources] = TablesFile(
            self._path,
            needed=path is not None,
            parse=self._parse,
            names_files=lambda sources: [
                file for source in sources.values() for file in source.read_files()
            ],
            error=SourcesError,
            about="the file of sources",
            monotonic=monotonic,
            log_once=log_once,
        )

    @property
    def folder(self) -> Path:
        """To which the paths in it are relative."""
        return self._path.parent

    def all(self) -> Sources:
        """Every source. SourcesError, in one line, where the file was never right."""
        return self._file.current()

    def of_token(self, token: str) -> Source | None:
        """The source that has this bearer token."""
        found = None
        for source in self.all().values():
            if is_same_secret(token, _token(source)):
                found = source
        return found

    def _parse(self, content: Mapping[str, Any]) -> Sources:
        unknown = [name for name in content if name not in ("source", ACTUATOR)]
        if unknown or not isinstance(content.get("source", []), list):
            raise SourcesError(f"{self._path}: {(unknown or ['source'])[0]!r} is not [[source]]")
        sources: dict[str, Source] = {}
        tokens: dict[str, str] = {}
        for number, values in enumerate(content.get("source", []), start=1):
            source = self._source(number, values)
            if source.name in sources:
                raise SourcesError(f"{self._path}: source {source.name!r} stands twice")
            for known in sources.values():
                self._check_sessions(source, known)
            sources[source.name] = source
            if token := _token(source):
                other = tokens.setdefault(token, source.name)
                if other != source.name:
                    raise SourcesError(
                        f"{self._path}: sources {other!r} and {source.name!r} have one token"
                    )
        return sources

    def _source(self, number: int, values: Any) -> Source:
        if not isinstance(values, dict):
            raise SourcesError(f"{self._path}: source {number} is no table")
        where = f"{self._path}: source {number} ({str(values.get('name', ''))[:80]})"
        if "token" in values:
            raise SourcesError(f"{where}: a token stands in a file of its own; see token_file")
        try:
            source = source_of(values, self.folder)
        except ValidationError as error:
            raise SourcesError(f"{where}: {first_problem(error)}") from None
        if source.late + source.wait > self._keep:
            raise SourcesError(f"{where}: late and wait are longer than INTAKE__KEEP")
        for key, file in source.secret_files():
            self._file.secret(where, key, file)
        if not isinstance(source, TokenSource):
            return source
        token = self._file.token(where, "token_file", source.token_file)
        return source.model_copy(update={"token": token})

    def _check_sessions(self, one: Source, other: Source) -> None:
        """SourcesError: a broker would take the two for one client."""
        if not (isinstance(one, MqttSource) and isinstance(other, MqttSource)):
            return
        ids = {one.session_id, one.untimed_session_id}
        if one.address == other.address and ids & {other.session_id, other.untimed_session_id}:
            raise SourcesError(
                f"{self._path}: sources {other.name!r} and {one.name!r} have one client_id at"
                f" {one.address}"
            )


def _token(source: Source) -> str:
    """Blank: it has none."""
    token = source.token if isinstance(source, TokenSource) else None
    return "" if token is None else token.get_secret_value()
