"""What searches may ask for: the query parameters of both versions."""

# Annotations stay evaluated here: pydantic reads them.
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError
from starlette.datastructures import QueryParams
from typing_extensions import TypedDict

from app.vtn.errors import Refused
from app.vtn.wire import Name, ObjectId, ObjectType

MAX_PAGE_SIZE = 50


def _integer(text: Any) -> Any:
    if isinstance(text, str) and not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError("is not a whole number")
    return int(text)


def _yes(text: str) -> bool:
    return text == "true"


Integer = Annotated[int, BeforeValidator(_integer)]
Skip = Annotated[Integer, Field(ge=0, le=2**31 - 1)]
Limit = Annotated[Integer, Field(ge=0, le=MAX_PAGE_SIZE)]
YesNo = Annotated[Literal["true", "false"], AfterValidator(_yes)]


class _Page(TypedDict, total=False):
    skip: Skip
    limit: Limit


class _Typed(_Page, total=False):
    targetType: str
    targetValues: list[str]


class Programs(_Page, total=False):
    targets: list[Name]


class Events(_Page, total=False):
    programID: ObjectId
    targets: list[Name]
    active: YesNo


class Reports(_Page, total=False):
    programID: ObjectId
    eventID: ObjectId
    clientName: Name


class Subscriptions(_Page, total=False):
    programID: ObjectId
    clientName: Name
    objects: list[ObjectType]


class Vens(_Page, total=False):
    venName: Name
    targets: list[Name]


class Resources(_Page, total=False):
    resourceName: Name
    venID: ObjectId
    targets: list[Name]


class Events301(_Typed, total=False):
    programID: ObjectId


class Reports301(_Page, total=False):
    programID: ObjectId
    eventID: ObjectId
    clientName: str


class Subscriptions301(_Typed, total=False):
    programID: ObjectId
    clientName: str
    objects: list[ObjectType]


class Vens301(_Typed, total=False):
    venName: str


class Resources301(_Typed, total=False):
    resourceName: str


QUERIES_310: Mapping[str, TypeAdapter[Any]] = {
    "PROGRAM": TypeAdapter(Programs),
    "EVENT": TypeAdapter(Events),
    "REPORT": TypeAdapter(Reports),
    "SUBSCRIPTION": TypeAdapter(Subscriptions),
    "VEN": TypeAdapter(Vens),
    "RESOURCE": TypeAdapter(Resources),
}
QUERIES_301: Mapping[str, TypeAdapter[Any]] = {
    "PROGRAM": TypeAdapter(_Typed),
    "EVENT": TypeAdapter(Events301),
    "REPORT": TypeAdapter(Reports301),
    "SUBSCRIPTION": TypeAdapter(Subscriptions301),
    "VEN": TypeAdapter(Vens301),
    "RESOURCE": TypeAdapter(Resources301),
}
_LISTS = ("targets", "targetValues", "objects")


def read_query(shape: TypeAdapter[Any], given: QueryParams) -> Mapping[str, Any]:
    """The parameters that this search has; others are ignored. Refused with 400."""
    values = {name: given.getlist(name) if name in _LISTS else given[name] for name in given}
    try:
        read: Mapping[str, Any] = shape.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Refused(400, f"{first['loc'][0]}: {first['msg']}") from None
    return read
