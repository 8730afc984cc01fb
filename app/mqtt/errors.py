"""What goes wrong with a broker.

BrokerRefused       only inside of the loop: the connection is tried again, after a pause
"""

from __future__ import annotations


class BrokerRefused(Exception):
    """The broker does not let us in, or cannot be reached; one line."""
