"""Who may see the page, and who may change something there."""

from __future__ import annotations

from pathlib import Path

import requests
from playwright.sync_api import Browser, expect

from app.vtn import EmbeddedCredentials
from tests.e2e.conftest import Open
from tests.support.browser import Window
from tests.support.servers import Answer, ScriptedVtn
from tests.support.site import Site
from tests.support.waiting import wait_until


def test_a_request_of_another_site_is_refused(site: Site) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    socket = f"{site.base_url}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    evil = {"Origin": "http://evil.example"}

    assert requests.get(socket, headers={**upgrade, **evil}, timeout=5).status_code == 403
    assert requests.get(f"{site.base_url}/tasks", headers=evil, timeout=5).status_code == 403
    rebound = {"Host": "evil.example"}
    assert requests.get(f"{site.base_url}/", headers=rebound, timeout=5).status_code == 421
    assert requests.get(f"{site.base_url}/metrics", headers=rebound, timeout=5).status_code == 421


def test_another_page_cannot_frame_it(site: Site, chromium: Browser) -> None:
    frame = f"<iframe src='{site.base_url}/tasks'></iframe>"
    elsewhere = ScriptedVtn(lambda _: Answer(200, frame, content_type="text/html"))
    seen = Window(chromium, elsewhere.base_url)

    seen.page.goto("/")
    seen.page.wait_for_timeout(1_000)

    inside = seen.page.frames[1]
    assert inside.locator("h1").count() == 0
    seen.close()
    elsewhere.close()


def test_what_an_event_is_called_is_text_and_nothing_else(site: Site, window: Open) -> None:
    name = "<img src=x onerror=document.title='owned'>"
    told = EmbeddedCredentials.of(site.directory / "data" / "vtn")
    vtn = f"http://127.0.0.1:{site.vtn_port}"
    form = {
        "grant_type": "client_credentials",
        "client_id": told.bl_client_id,
        "client_secret": told.bl_client_secret,
    }
    token = requests.post(f"{vtn}/auth/token", data=form, timeout=5).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    (program, *_) = requests.get(f"{vtn}/programs", headers=headers, timeout=5).json()
    event = {
        "programID": program["id"],
        "eventName": name,
        "intervalPeriod": {"start": "2020-01-01T00:00:00Z", "duration": "P9999D"},
        "intervals": [{"id": 0, "payloads": [{"type": name, "values": [name]}]}],
    }
    made = requests.post(f"{vtn}/events", json=event, headers=headers, timeout=5)
    assert made.status_code == 201, made.text
    seen = window(site)

    seen.look_at("/events")
    expect(seen.page.locator("tbody")).to_contain_text(name)
    seen.page.wait_for_timeout(500)

    assert seen.page.title() == "Events · VEN fleet"
    assert seen.page.locator("main img").count() == 0
    path = f"{vtn}/events/{made.json()['id']}"
    assert requests.delete(path, headers=headers, timeout=5).ok


def test_who_changes_something_has_to_know_the_token(tmp_path: Path, window: Open) -> None:
    site = Site(tmp_path, OPS__TOKEN="hunter2")
    seen = window(site)
    seen.look_at("/tasks")

    seen.press("Pause heartbeat")
    seen.page.get_by_label("Token").fill("hunter1")
    seen.press("Continue")
    expect(seen.page.get_by_text("That is not the token.")).to_be_visible()
    assert site.metric("ven_task_paused", task="heartbeat") == 0
    seen.press("Pause heartbeat")
    seen.page.get_by_label("Token").fill("hunter2")
    seen.press("Continue")

    wait_until(lambda: site.metric("ven_task_paused", task="heartbeat") == 1)
    assert [(entry["action"], entry["state"]) for entry in site.audit()] == [
        ("give token", "refused"),
        ("pause task", "asked"),
        ("pause task", "done"),
    ]
    assert "hunter" not in (tmp_path / "data" / "audit.log").read_text()
    assert "hunter" not in site.application.log
    site.application.kill()
