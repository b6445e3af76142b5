"""Tokens of an identity provider that runs on this machine: its keys, and what is refused."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Rights
from kbm.errors import KeyRefused, NotAllowed, ProviderUnavailable
from kbm.providers.oidc import OidcTokens
from kbm.sections import AccessSection, OidcSection
from kbm.testing import builders
from kbm.testing.fakes import FakeClock, FakeConnector


class Issuer:
    """An identity provider: two documents over HTTP, and a key to sign with."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.n_asked = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.n_asked += 1
                about = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                keys = {"keys": [issuer.key.as_dict(private=False)]}
                body = json.dumps(keys if self.path == "/keys" else about).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, clock: FakeClock, *, key: Any = None, alg: str = "RS256", **claims: object) -> str:
        now = int(clock.now().timestamp())
        said = {"iss": self.url, "aud": "kbm", "sub": "u1", "iat": now, "exp": now + 300, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        signing = key or self.key
        return jwt.encode({"alg": alg, "kid": signing.kid or "one"}, said, signing, algorithms=[alg])


@pytest.fixture(scope="module")
def served() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


@pytest.fixture
def issuer(served: Issuer) -> Issuer:
    served.n_asked = 0
    return served


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kbm(tmp_path: Path, issuer: Issuer, clock: FakeClock) -> Iterator[Kbm]:
    access = AccessSection(oidc=OidcSection(issuer=issuer.url, audience="kbm"))
    settings = builders.settings(tmp_path).model_copy(update={"access": access})
    with Kbm(settings, clock=clock, connectors={"docs": FakeConnector()}) as kbm:
        yield kbm


def test_groups_and_address_become_readers(kbm: Kbm, issuer: Issuer, clock: FakeClock) -> None:
    token = issuer.token(clock, email="anna@keller.example", groups=["hr", "sales"])

    subject = kbm.access.subject_of(token)

    assert subject.rights.readers == {
        "everyone",
        "group:hr",
        "group:sales",
        "user:u1",
        "user:anna@keller.example",
    }
    assert "anna" not in subject.id


def test_people_may_ask_but_not_choose_a_release(kbm: Kbm, issuer: Issuer, clock: FakeClock) -> None:
    subject = kbm.access.subject_of(issuer.token(clock))

    kbm.access.allow(subject, Action.ASK, "helper")
    with pytest.raises(NotAllowed):
        kbm.access.allow(subject, Action.RELEASE, "helper")


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another"},
        {"iss": "https://another.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"nbf": 9_999_999_999},
    ],
    ids=str,
)
def test_a_token_for_somebody_else_or_another_time_is_refused(
    kbm: Kbm, issuer: Issuer, clock: FakeClock, wrong: dict[str, Any]
) -> None:
    with pytest.raises(KeyRefused, match="does not hold here"):
        kbm.access.subject_of(issuer.token(clock, **wrong))


def test_signatures_that_anybody_can_make_are_refused(kbm: Kbm, issuer: Issuer, clock: FakeClock) -> None:
    head, body, _ = issuer.token(clock).split(".")
    forged = [
        issuer.token(clock, key=RSAKey.generate_key(2048, {"kid": "one"})),
        issuer.token(clock, key=ECKey.generate_key("P-256", {"kid": "one"}), alg="ES256"),
        signed_with_the_public_key(issuer, body),
        f"eyJhbGciOiJub25lIn0.{body}.",
        f"{head}.{body}.AAAA",
    ]

    for token in forged:
        with pytest.raises(KeyRefused):
            kbm.access.subject_of(token)


def signed_with_the_public_key(issuer: Issuer, body: str) -> str:
    """Take what everybody knows of the issuer as a shared secret, as CVE-2015-9235 does."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=").decode()
    mac = hmac.digest(issuer.key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_forged_tokens_do_not_make_it_ask_the_issuer_each_time(issuer: Issuer, clock: FakeClock) -> None:
    tokens = OidcTokens(issuer.url, "kbm", clock)
    other = RSAKey.generate_key(2048, {"kid": "two"})
    for _ in range(20):
        with pytest.raises(KeyRefused):
            tokens.claims(issuer.token(clock, key=other))

    assert issuer.n_asked == 2  # both documents, once


def test_a_key_the_issuer_changed_to_is_found(issuer: Issuer, clock: FakeClock) -> None:
    tokens = OidcTokens(issuer.url, "kbm", clock)
    tokens.claims(issuer.token(clock))
    before, issuer.key = issuer.key, RSAKey.generate_key(2048, {"kid": "three"})
    try:
        clock.advance(seconds=31)
        assert tokens.claims(issuer.token(clock))["sub"] == "u1"
        with pytest.raises(KeyRefused):
            tokens.claims(issuer.token(clock, key=before))
    finally:
        issuer.key = before


def test_an_issuer_that_is_down_is_said_and_keys_go_on_working(tmp_path: Path, clock: FakeClock) -> None:
    access = AccessSection(oidc=OidcSection(issuer="http://127.0.0.1:9", audience="kbm"))
    settings = builders.settings(tmp_path).model_copy(update={"access": access})
    with Kbm(settings, clock=clock, connectors={"docs": FakeConnector()}) as kbm:
        made = kbm.keys.create("intranet", Rights(), valid_for=None, who="anna")

        with pytest.raises(ProviderUnavailable, match="cannot be fetched"):
            kbm.access.subject_of("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")
        assert kbm.access.subject_of(made.token).id == f"key:{made.key.id}"
        with pytest.raises(KeyRefused):
            kbm.access.subject_of(None)
