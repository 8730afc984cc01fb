"""Which client each VEN is, and how long a token is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.openadr import (
    ClientCredentials,
    ClientCredentialsByVen,
    CredentialsError,
    CredentialsFile,
    CredentialsTemplate,
    SharedCredentials,
    slug,
)
from app.openadr.auth import READS_AGAIN_S, TokenAuth
from app.openadr.errors import ClientRefused
from app.openadr.http import VenAuth

CLIENT = ClientCredentials(client_id="c", client_secret="s")


class FakeEndpoint:
    """Gives a new token each time."""

    def __init__(self, lifetime_s: float | None = 3600) -> None:
        self.fetched: list[str] = []
        self.lifetime_s = lifetime_s

    def fetch(self, credentials: ClientCredentials) -> tuple[str, float | None]:
        self.fetched.append(credentials.client_id)
        return f"token-{len(self.fetched)}", self.lifetime_s


def template(client_id: str, secret: str) -> CredentialsTemplate:
    return CredentialsTemplate(client_id, secret, secret_now=lambda: None)


def authorization(auth: VenAuth) -> str:
    return str(auth.authorization())


def by_ven(template: CredentialsTemplate, endpoint: FakeEndpoint) -> ClientCredentialsByVen:
    return ClientCredentialsByVen(source=template, endpoint=endpoint)


@pytest.mark.parametrize(
    ("name", "spelled"),
    [("Aalborg", "Aalborg"), ("Ærø Å/1", "Aeroe-Aa-1"), ("a" * 200, "a" * 128), ("é", "-")],
)
def test_a_slug_is_ascii(name: str, spelled: str) -> None:
    assert slug(name) == spelled


def test_the_name_is_replaced_literally_since_secrets_contain_braces() -> None:
    made = template("fleet-{ven_name}", "{0}%s{ven_name}{")

    credentials = made.of("Årup")

    assert credentials.client_id == "fleet-Aarup"
    assert credentials.client_secret == "{0}%sAarup{"


def test_a_template_without_the_name_is_one_client_for_all() -> None:
    assert not template("fleet", "secret").per_ven
    endpoint = FakeEndpoint()
    credentials = by_ven(template("fleet", "secret"), endpoint)

    assert credentials.auth("a") is credentials.auth("b")
    credentials.check(["a", "b"])


def test_two_vens_that_would_be_one_client_are_refused_by_name() -> None:
    credentials = by_ven(template("{ven_name}", "s"), FakeEndpoint())

    with pytest.raises(CredentialsError, match=r"'Års' and 'Aars'"):
        credentials.check(["Års", "Aars"])


def test_a_token_is_kept_until_shortly_before_it_expires() -> None:
    endpoint = FakeEndpoint(lifetime_s=100)
    now_s = [0.0]
    auth = TokenAuth(
        credentials=CLIENT,
        read_again=lambda: CLIENT,
        endpoint=endpoint,
        monotonic=lambda: now_s[0],
    )

    first = authorization(auth)
    now_s[0] = 69.0
    kept = authorization(auth)
    now_s[0] = 70.0
    renewed = authorization(auth)

    assert (first, kept, renewed) == ("Bearer token-1", "Bearer token-1", "Bearer token-2")


def test_a_token_without_a_lifetime_is_kept_until_it_is_refused() -> None:
    endpoint = FakeEndpoint(lifetime_s=None)
    auth = TokenAuth(
        credentials=CLIENT,
        read_again=lambda: CLIENT,
        endpoint=endpoint,
        monotonic=lambda: 1e12,
    )
    first = authorization(auth)

    assert auth.refused(first)
    assert auth.refused(first), "another thread's old token may be tried again"

    assert authorization(auth) == "Bearer token-2"
    assert len(endpoint.fetched) == 2


def write(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfVejle,v,s\n",
        b"Vejle,v,s",
        b"Vejle,v,s\r\n\r\n",
        b"Vejle,v,s\n,,\n",
        "Å,a,b\r\nVejle,v,s\r\n".encode(),
    ],
    ids=["byte order mark", "no end", "CRLF", "blank row", "letters"],
)
def test_a_file_is_read_as_editors_and_spreadsheets_write_it(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "credentials.csv"
    write(path, content)

    assert CredentialsFile(path).of("Vejle") == ClientCredentials(client_id="v", client_secret="s")


def test_names_are_the_same_whichever_way_their_letters_are_composed(tmp_path: Path) -> None:
    path = tmp_path / "credentials.csv"
    write(path, "A\u030arhus,a,s\n")

    assert CredentialsFile(path).of("\u00c5rhus").client_id == "a"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Vejle,v,s".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"Vejle,v,s\n\xc5rhus,a,s", "line 2 is not UTF-8 text"),
    ],
)
def test_another_encoding_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "credentials.csv"
    write(path, content)

    with pytest.raises(CredentialsError, match=words):
        CredentialsFile(path).of("Vejle")


@pytest.mark.parametrize(
    ("mode", "read"),
    [(0o600, True), (0o400, True), (0o640, True), (0o440, True), (0o644, False), (0o660, False)],
)
def test_a_file_of_root_may_be_read_by_one_group(tmp_path: Path, mode: int, read: bool) -> None:
    """As Kubernetes mounts a secret: defaultMode 0440, with fsGroup."""
    if os.geteuid() != 0:
        pytest.skip("makes a file of root")
    path = tmp_path / "credentials.csv"
    write(path, "Vejle,v,s\n", mode)

    if read:
        assert CredentialsFile(path).of("Vejle").client_id == "v"
    else:
        with pytest.raises(CredentialsError, match=f"it is root's, with mode {mode:04o}"):
            CredentialsFile(path).of("Vejle")


def test_one_of_somebody_else_names_both(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("makes a file of somebody else")
    path = tmp_path / "credentials.csv"
    write(path, "Vejle,v,s\n")
    os.chown(path, 12345, -1)

    with pytest.raises(
        CredentialsError, match="is user 12345's, with mode 0600: it has to be root"
    ):
        CredentialsFile(path).of("Vejle")


class TestRotation:
    """A secret that changes is read again when the token endpoint refuses the old one."""

    class Endpoint(FakeEndpoint):
        """Knows one secret."""

        secret = "new"

        def fetch(self, credentials: ClientCredentials) -> tuple[str, float | None]:
            if credentials.client_secret != self.secret:
                raise ClientRefused("401 invalid_client", status=401)
            return super().fetch(credentials)

    def auth(self, path: Path, now_s: list[float], endpoint: FakeEndpoint) -> VenAuth:
        by_ven = ClientCredentialsByVen(
            source=CredentialsFile(path),
            endpoint=endpoint,
            monotonic=lambda: now_s[0],
        )
        return by_ven.auth("Vejle")

    def test_it_is_read_again(self, tmp_path: Path) -> None:
        path = tmp_path / "credentials.csv"
        write(path, "Vejle,v,old\n")
        auth = self.auth(path, [0.0], self.Endpoint())
        write(path, "Vejle,v,new\n")

        assert authorization(auth) == "Bearer token-1"

    def test_no_more_than_once_a_minute(self, tmp_path: Path) -> None:
        path = tmp_path / "credentials.csv"
        write(path, "Vejle,v,old\n")
        now_s = [0.0]
        auth = self.auth(path, now_s, self.Endpoint())
        with pytest.raises(ClientRefused):
            authorization(auth)
        write(path, "Vejle,v,new\n")

        now_s[0] = READS_AGAIN_S - 1
        with pytest.raises(ClientRefused):
            authorization(auth)
        now_s[0] = READS_AGAIN_S
        assert authorization(auth) == "Bearer token-1"

    def test_so_is_that_of_a_template(self) -> None:
        now = ["old"]
        source = CredentialsTemplate("fleet", "old", secret_now=lambda: now[0])
        by_ven = ClientCredentialsByVen(source=source, endpoint=self.Endpoint())
        now[0] = "new"

        assert authorization(by_ven.auth("Vejle")) == "Bearer token-1"
        assert source.of("Vejle").client_secret == "new"

    def test_one_that_cannot_be_used_is_an_error_of_credentials(self) -> None:
        def secret_now() -> str | None:
            raise ValueError("VTN__CLIENT_SECRET has a line break in it")

        source = CredentialsTemplate("fleet", "old", secret_now=secret_now)

        with pytest.raises(CredentialsError, match="VTN__CLIENT_SECRET has a line break"):
            source.read_again()
        assert source.of("Vejle").client_secret == "old"

    def test_one_that_is_as_it_was_is_not_tried_twice(self) -> None:
        class Counting(FakeEndpoint):
            def fetch(self, credentials: ClientCredentials) -> tuple[str, float | None]:
                super().fetch(credentials)
                raise ClientRefused("401", status=401)

        endpoint = Counting()
        by_ven = ClientCredentialsByVen(source=template("fleet", "s"), endpoint=endpoint)

        with pytest.raises(ClientRefused):
            authorization(by_ven.auth("Vejle"))
        assert len(endpoint.fetched) == 1


def test_a_file_gives_each_ven_its_line(tmp_path: Path) -> None:
    path = tmp_path / "credentials.csv"
    write(path, "# fleet\nven_name, client_id, client_secret\nAarhus, a, s1\nVejle, v, s2\n")
    source = CredentialsFile(path)

    assert source.of("Vejle") == ClientCredentials(client_id="v", client_secret="s2")
    with pytest.raises(CredentialsError, match="no line for VEN 'Odense'"):
        source.of("Odense")
    ClientCredentialsByVen(source=source, endpoint=FakeEndpoint()).check(["Odense", "Vejle"])


@pytest.mark.parametrize("content", ["Aarhus,a\n", "Aarhus,a,\n", 'Aarhus,"a\n'])
def test_a_broken_line_of_the_file_is_refused_without_its_secret(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "credentials.csv"
    write(path, "Vejle,v,hunter2\n" + content)

    with pytest.raises(CredentialsError, match=str(path)) as caught:
        CredentialsFile(path).of("Vejle")

    assert "hunter2" not in str(caught.value)


def test_secrets_stay_out_of_reprs() -> None:
    assert "hunter2" not in repr(ClientCredentials(client_id="c", client_secret="hunter2"))


def test_a_shared_token_signs_for_all_and_none_signs_nothing() -> None:
    assert authorization(SharedCredentials("t").auth("a")) == "Bearer t"
    assert SharedCredentials(None).auth("a").authorization() is None
