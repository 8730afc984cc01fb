"""Which client each VEN is, and how long a token is kept."""

from __future__ import annotations

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
from app.openadr.auth import TokenAuth
from app.openadr.http import VenAuth


class FakeEndpoint:
    """Gives a new token each time."""

    def __init__(self, lifetime_s: float | None = 3600) -> None:
        self.fetched: list[str] = []
        self.lifetime_s = lifetime_s

    def fetch(self, credentials: ClientCredentials) -> tuple[str, float | None]:
        self.fetched.append(credentials.client_id)
        return f"token-{len(self.fetched)}", self.lifetime_s


def authorization(auth: VenAuth) -> str:
    return str(auth.authorization())


def by_ven(template: CredentialsTemplate, endpoint: FakeEndpoint) -> ClientCredentialsByVen:
    return ClientCredentialsByVen(source=template, endpoint=endpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "spelled"),
    [("Aalborg", "Aalborg"), ("Ærø Å/1", "Aeroe-Aa-1"), ("a" * 200, "a" * 128), ("é", "-")],
)
def test_a_slug_is_ascii(name: str, spelled: str) -> None:
    assert slug(name) == spelled


def test_the_name_is_replaced_literally_since_secrets_contain_braces() -> None:
    template = CredentialsTemplate("fleet-{ven_name}", "{0}%s{ven_name}{")

    credentials = template.of("Årup")

    assert credentials.client_id == "fleet-Aarup"
    assert credentials.client_secret == "{0}%sAarup{"


def test_a_template_without_the_name_is_one_client_for_all() -> None:
    assert not CredentialsTemplate("fleet", "secret").per_ven
    endpoint = FakeEndpoint()
    credentials = by_ven(CredentialsTemplate("fleet", "secret"), endpoint)

    assert credentials.auth("a") is credentials.auth("b")
    credentials.check(["a", "b"])


def test_two_vens_that_would_be_one_client_are_refused_by_name() -> None:
    credentials = by_ven(CredentialsTemplate("{ven_name}", "s"), FakeEndpoint())

    with pytest.raises(CredentialsError, match=r"'Års' and 'Aars'"):
        credentials.check(["Års", "Aars"])


def test_a_token_is_kept_until_shortly_before_it_expires() -> None:
    endpoint = FakeEndpoint(lifetime_s=100)
    now_s = [0.0]
    auth = TokenAuth(
        credentials=ClientCredentials(client_id="c", client_secret="s"),
        endpoint=endpoint,  # type: ignore[arg-type]
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
        credentials=ClientCredentials(client_id="c", client_secret="s"),
        endpoint=endpoint,  # type: ignore[arg-type]
        monotonic=lambda: 1e12,
    )
    first = authorization(auth)

    assert auth.refused(first)
    assert auth.refused(first), "another thread's old token may be tried again"

    assert authorization(auth) == "Bearer token-2"
    assert len(endpoint.fetched) == 2


def test_a_file_gives_each_ven_its_line(tmp_path: Path) -> None:
    path = tmp_path / "credentials.csv"
    path.write_text("# fleet\nven_name, client_id, client_secret\nAarhus, a, s1\nVejle, v, s2\n")
    source = CredentialsFile(path)

    assert source.of("Vejle") == ClientCredentials(client_id="v", client_secret="s2")
    with pytest.raises(CredentialsError, match="no line for VEN 'Odense'"):
        source.of("Odense")
    ClientCredentialsByVen(source=source, endpoint=FakeEndpoint()).check(  # type: ignore[arg-type]
        ["Odense", "Vejle"]
    )


@pytest.mark.parametrize("content", ["Aarhus,a\n", "Aarhus,a,\n", 'Aarhus,"a\n'])
def test_a_broken_line_of_the_file_is_refused_without_its_secret(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "credentials.csv"
    path.write_text("Vejle,v,hunter2\n" + content)

    with pytest.raises(CredentialsError, match=str(path)) as caught:
        CredentialsFile(path).of("Vejle")

    assert "hunter2" not in str(caught.value)


def test_secrets_stay_out_of_reprs() -> None:
    assert "hunter2" not in repr(ClientCredentials(client_id="c", client_secret="hunter2"))


def test_a_shared_token_signs_for_all_and_none_signs_nothing() -> None:
    assert authorization(SharedCredentials("t").auth("a")) == "Bearer t"
    assert SharedCredentials(None).auth("a").authorization() is None
