"""XML of strangers: element by element, without document types and entities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError  # nosec B405 - no parser

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from app.intake.errors import MeterFileError


def ends_of(file: BinaryIO, *, starts: bool = False) -> Iterator[tuple[str, Element]]:
    """Each element when it ends, and also when it starts; MeterFileError: it cannot be read."""
    events = ("start", "end") if starts else ("end",)
    try:
        yield from iterparse(file, events=events, forbid_dtd=True)
    except DefusedXmlException:
        raise MeterFileError(
            "it declares a document type or entities, which are not read"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise MeterFileError(f"it is no XML that can be read: {str(error)[:100]}") from None


def name_of(element: Element) -> str:
    """Without its namespace."""
    return str(element.tag).rpartition("}")[2]
