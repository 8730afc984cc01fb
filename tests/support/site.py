"""A running application with a page, as a process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import Application
from tests.support.servers import free_port


class Site:
    """A running application with a page."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        port, self.vtn_port = free_port(), free_port()
        self.base_url = f"http://127.0.0.1:{port}"
        self.application = Application(
            "run",
            cwd=directory,
            settings={
                "OPS__PORT": str(port),
                "VTN__EMBEDDED_PORT": str(self.vtn_port),
                "FLEET__VENS": "3",
                "TASKS__SIMULATE_METERDATA__SECONDS": "1",
                "TASKS__GENERATE_REPORTS__SECONDS": "1",
                "TASKS__POLL_EVENTS__SECONDS": "1",
                "TASKS__HEARTBEAT__SECONDS": "1",
                **settings,
            },
        )
        self.application.wait_for("the page is at")

    def metric(self, name: str, **labels: str) -> float:
        """As Prometheus reads it."""
        text = requests.get(f"{self.base_url}/metrics", timeout=5).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        raise AssertionError(f"{name} {labels} is not there")

    def audit(self) -> list[dict[str, Any]]:
        path = self.directory / "data" / "audit.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def changes(self) -> list[tuple[str, str]]:
        """What was done by hand, and what came of it, without what was only asked."""
        reports_of = [(entry["action"], entry["state"]) for entry in self.audit()]
        return [(action, state) for action, state in reports_of if state != "asked"]
