"""What names this machine."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts to which nothing leaves the machine."""
