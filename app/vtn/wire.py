"""What both versions of OpenADR write alike: names, times, intervals, payload descriptors.

Shapes are TypedDicts: what passes is the JSON object itself, without the fields that the
specification does not have.
"""

# Annotations stay evaluated here: pydantic reads them.
import json
import re
from typing import Annotated, Any, Literal, NotRequired, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    with_config,
)
from typing_extensions import TypedDict

from app.openadr import WireError, read_instant

STRICT = ConfigDict(strict=True)
Wire = dict[str, Any]

_DURATION = re.compile(
    r"-?P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+[DW])?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.ASCII
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*", re.ASCII)


def to_json(value: object) -> bytes:
    """As it is written and sent; whole numbers may have any size, as the files allow."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise ValueError("is not an ISO 8601 duration")
    return text


def _date_time(text: str) -> str:
    """RFC 3339; also the date alone that the User Guide calls 'now'."""
    try:
        read_instant(text)
    except WireError:
        raise ValueError("is not an RFC 3339 date-time") from None
    return text


def _uri(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URI") from None
    if not _SCHEME.fullmatch(parts.scheme) or not text.isprintable() or " " in text:
        raise ValueError("is not a URI")
    return text


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 1.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


T = TypeVar("T")
Many = Annotated[list[T], Field(fail_fast=True)]
"""A list; one error is enough, however long it is."""
Integer = Annotated[int, BeforeValidator(_whole)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ObjectId = Annotated[Name, StringConstraints(pattern=r"^[a-zA-Z0-9_-]+\z")]
Duration = Annotated[str, AfterValidator(_duration)]
DateTime = Annotated[str, AfterValidator(_date_time)]
Uri = Annotated[str, StringConstraints(min_length=2, max_length=8000), AfterValidator(_uri)]
HeaderToken = Annotated[str, StringConstraints(pattern=r"^[!-~]*\z")]
"""What an Authorization header can carry."""
ObjectType = Literal["PROGRAM", "EVENT", "REPORT", "SUBSCRIPTION", "VEN", "RESOURCE"]
Operation = Literal["READ", "CREATE", "UPDATE", "DELETE"]


@with_config(STRICT)
class Point(TypedDict):
    x: float
    y: float


@with_config(STRICT)
class ValuesMap(TypedDict):
    type: Name
    values: Many[float | int | str | bool | Point]


@with_config(STRICT)
class ProgramDescription(TypedDict):
    URL: Uri


@with_config(STRICT)
class ObjectOperation(TypedDict):
    """Of a subscription: what is told, and to which webhook."""

    objects: Many[ObjectType]
    operations: Many[Operation]
    callbackUrl: Uri
    bearerToken: NotRequired[HeaderToken | None]


ObjectOperations = Annotated[Many[ObjectOperation], Field(max_length=100)]
"""Each has a callback that is asked first."""
Priority = Annotated[Integer, Field(ge=0)]
Confidence = Annotated[Integer, Field(ge=0, le=100)]
