"""Who a VEN is, and whom it trusts (openadr.md, 'Roles, credentials, enrolment')."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from app.openadr import SharedReadings, TokenEndpoint, VtnUnavailable, VtnUnreachable, by_id
from app.openadr.credentials import ClientCredentials
from app.settings import Settings, SettingsError
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer, MakeHttp
from tests.support.certificates import make_certificate
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn
from tests.support.transports import RecordingTransport
from tests.support.wiring import provider
from tests.support.workbench import TICK, VENS, Bench

pytestmark = pytest.mark.in_process

MakeVtn = Callable[[Script], ScriptedVtn]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody knows, with its key beside it."""
    return make_certificate(tmp_path, "vtn").certificate


@pytest.fixture
def secure_vtn(certificate: Path) -> Iterator[ScriptedVtn]:
    """A VTN behind TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server = ScriptedVtn(lambda _: Answer(200, []), tls=context)
    yield server
    server.close()


class TestTls:
    def ping(self, make_container: MakeContainer, vtn: ScriptedVtn, **settings: Any) -> None:
        container = make_container(vtn={"base_url": vtn.base_url, **settings})
        provider(container, "openadr.http").add_kwargs(backoff_s=0.001)
        container.openadr.client_for()("Aarhus").ping()

    def test_a_certificate_that_nobody_knows_is_refused(
        self, make_container: MakeContainer, secure_vtn: ScriptedVtn
    ) -> None:
        with pytest.raises(VtnUnreachable, match="name its CA file in VTN__VERIFY_TLS"):
            self.ping(make_container, secure_vtn)
        assert secure_vtn.asked == []

    def test_a_ca_file_of_ones_own_is_trusted(
        self, make_container: MakeContainer, secure_vtn: ScriptedVtn, certificate: Path
    ) -> None:
        self.ping(make_container, secure_vtn, verify_tls=certificate)

        assert len(secure_vtn.asked) == 1

    def test_it_can_be_switched_off(
        self, make_container: MakeContainer, secure_vtn: ScriptedVtn
    ) -> None:
        with pytest.warns(match="Unverified HTTPS"):
            self.ping(make_container, secure_vtn, verify_tls=False)


class TestPlainHttp:
    @pytest.mark.parametrize("name", ["base_url", "token_url"])
    def test_it_stays_on_this_machine(self, name: str) -> None:
        with pytest.raises(SettingsError, match=f"VTN__{name.upper()} is plain http"):
            Settings(vtn={name: "http://vtn.example/openadr3"})

    @pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost", "[::1]:8081"])
    def test_loopback_is_this_machine(self, host: str) -> None:
        assert Settings(vtn={"base_url": f"http://{host}"}).vtn.base_url == f"http://{host}"

    def test_it_can_be_allowed(self) -> None:
        settings = Settings(vtn={"base_url": "http://vtn.example", "allow_http": True})

        assert settings.vtn.base_url == "http://vtn.example"

    def test_a_token_endpoint_without_tls_gets_no_secret(self) -> None:
        class Secure:
            """A VTN behind TLS that names a token endpoint without it."""

            base_url = "https://vtn.example"

            def get_for_token(self, path: str) -> dict[str, str]:
                del path
                return {"tokenURL": "http://vtn.example/token"}

            def post_form(self, url: str, *, form: str) -> NoReturn:
                raise AssertionError(f"{form} went to {url}")

        endpoint = TokenEndpoint(http=Secure(), token_url=None, scopes=None)

        with pytest.raises(VtnUnavailable, match="without TLS"):
            endpoint.fetch(ClientCredentials(client_id="c", client_secret="s"))


class TestSecretsDir:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        made = tmp_path / "secrets"
        made.mkdir()
        (made / "VTN__CLIENT_SECRET").write_text("from-a-file\n")
        (made / "vtn__client_id").write_text("fleet")
        (made / "somebody-elses").write_text("x")
        monkeypatch.setenv("SECRETS_DIR", str(made))
        return made

    def test_secrets_are_read_from_files(self, folder: Path) -> None:
        vtn = Settings().vtn

        assert folder.is_dir()
        assert vtn.client_id == "fleet"
        assert vtn.client_secret is not None
        assert vtn.client_secret.get_secret_value() == "from-a-file"

    @pytest.mark.usefixtures("folder")
    def test_they_stand_between_the_environment_and_the_settings_file(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("settings.env").write_text("VTN__CLIENT_ID=in-the-file\nVTN__SCOPES=s\n")
        assert Settings().vtn.client_id == "fleet"
        monkeypatch.setenv("VTN__CLIENT_ID", "in-the-environment")

        assert Settings().vtn.client_id == "in-the-environment"
        assert Settings().vtn.scopes == "s"

    def test_a_secret_that_has_changed_is_known_by_now(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = Settings()
        (folder / "VTN__CLIENT_SECRET").write_text("rotated\n")
        assert settings.secret_now("VTN__CLIENT_SECRET") == "rotated"

        (folder / "VTN__CLIENT_SECRET").write_text("hunter2\nhunter3\n")
        with pytest.raises(SettingsError, match="VTN__CLIENT_SECRET has a line break") as caught:
            settings.secret_now("VTN__CLIENT_SECRET")
        assert "hunter" not in str(caught.value)

        monkeypatch.setenv("VTN__CLIENT_SECRET", "of-the-environment")
        assert Settings().secret_now("VTN__CLIENT_SECRET") is None

    def test_a_folder_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRETS_DIR", "/nowhere")

        with pytest.raises(SettingsError, match="SECRETS_DIR cannot be read"):
            Settings()


class TestTokens:
    def asked(self, bench: Bench) -> int:
        return len(bench.transport.of("POST", "/auth/token"))

    def test_one_that_is_revoked_early_costs_one_round_trip_and_no_reading(
        self, bench: Bench
    ) -> None:
        bench.tick()
        bench.manager.generate_reports()
        before, sent = self.asked(bench), len(bench.transport.of("POST", "/reports"))
        bench.transport.faults.append(401)
        bench.tick()

        assert bench.manager.generate_reports() == TICK
        bench.assert_each_once(2 * TICK)
        assert self.asked(bench) == before + 1
        assert bench.transport.refusals == 1
        assert len(bench.transport.of("POST", "/reports")) == sent + VENS

    def test_287_vens_fetch_at_most_one_each_at_a_time(
        self, vtn: EmbeddedVtn, make_container: MakeContainer
    ) -> None:
        container = make_container(vtn={"embedded_port": vtn.port})
        session = RecordingTransport(vtn)
        container.openadr.transport.override(session)
        names = [f"VEN-{number}" for number in range(287)]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: container.openadr.client_for()(name).ping(), names * 3))

        assert len(session.of("POST", "/auth/token")) == 287


def test_a_public_vtn_is_asked_without_credentials(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    vtn = scripted_vtn(lambda _: Answer(200, []))
    container = make_container(vtn={"base_url": vtn.base_url})

    container.openadr.client_for()("Aarhus").ping()

    assert "Authorization" not in vtn.asked[0].headers


def test_scopes_are_asked_for_only_where_they_are_set(
    scripted_vtn: MakeVtn, make_http: MakeHttp
) -> None:
    vtn = scripted_vtn(
        lambda _: Answer(200, {"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    )
    for scopes in (None, "read_targets write_reports"):
        endpoint = TokenEndpoint(
            http=make_http(vtn.base_url), token_url=f"{vtn.base_url}/token", scopes=scopes
        )
        endpoint.fetch(ClientCredentials(client_id="c", client_secret="s"))

    without, with_scopes = (asked.body for asked in vtn.asked)
    assert b"scope" not in without
    assert b"scope=read_targets+write_reports" in with_scopes


def test_programs_and_events_are_asked_for_without_targets_and_with_all_of_them(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    """openadr.md, 'Targets': each of the two lists hides something at one VTN or another."""

    def script(asked: ReceivedRequest) -> Answer:
        if asked.path != "/events":
            return Answer(200, [])
        found = "targeted" if asked.query.get("targets") else "untargeted"
        return Answer(200, [{"id": found, "programID": "p"}, {"id": "both", "programID": "p"}])

    vtn = scripted_vtn(script)
    client = make_container(vtn={"base_url": vtn.base_url}).openadr.client_for()("Aarhus")

    pages = client.events(frozenset({"a", "b"}), SharedReadings())

    assert list(by_id(pages)) == ["untargeted", "both", "targeted"]
    lists = [asked.query for asked in vtn.asked if asked.query["skip"] == ["0"]]
    assert [query.get("targets") for query in lists] == [None, ["a", "b"]]
