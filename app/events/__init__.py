"""What we are asked: the events of each VEN."""

from app.events.book import EventBook

__all__ = ["EventBook"]
