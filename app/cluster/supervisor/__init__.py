"""What Ray runs; it imports little, so that it begins quickly."""

from app.cluster.supervisor.supervisor import Supervisor

__all__ = ["Supervisor"]
