"""How Paperless-ngx is logged in to, and by what its address is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kbm_connectors.paperless import PaperlessConnector

from kbm.errors import ConfigError, ConnectorRefused
from tests.unit.connectors.fake_paperless import FakePaperless


@pytest.fixture
def dms(tmp_path: Path) -> Iterator[FakePaperless]:
    fake = FakePaperless(tmp_path)
    yield fake
    fake.close()


@pytest.fixture
def five(dms: FakePaperless) -> FakePaperless:
    for number in range(1, 6):
        dms.add(number, f"Text von Dokument {number}.")
    return dms


# --- logging in


def test_a_token_is_asked_for_once_for_all_sources_of_the_process(five: FakePaperless) -> None:
    for _ in range(3):
        list(five.connect().scan(None))

    assert len([one for one in five.asked if one.path.endswith("/token/")]) == 1


def test_a_throttled_login_waits_as_long_as_it_is_told(five: FakePaperless) -> None:
    five.throttled = 2

    assert list(five.connect().scan(None))
    assert five.waited[:2] == [22, 22]


def test_a_token_that_was_withdrawn_is_asked_for_again(five: FakePaperless) -> None:
    connector = five.connect()
    list(connector.scan(None))
    five.tokens.clear()

    assert list(connector.scan(None))


def test_a_token_by_reference_needs_no_password(five: FakePaperless, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KBM_TEST_DMS", "token-by-hand")
    five.tokens.append("token-by-hand")
    connector = five.connect(user="", password="", token="env:KBM_TEST_DMS")
    listed = list(connector.scan(None))
    five.tokens.clear()

    assert listed
    with pytest.raises(ConnectorRefused, match="the token is not taken"):
        list(connector.scan(None))
    assert not [one for one in five.asked if one.path.endswith("/token/")]


def test_a_wrong_password_is_told_without_it(five: FakePaperless) -> None:
    (five.root / "password").write_text("wr0ng-password")

    with pytest.raises(ConnectorRefused, match="does not log bert in") as told:
        list(five.connect().scan(None))
    assert "wr0ng-password" not in f"{told.value}{told.value.hint}"


@pytest.mark.parametrize("keys", [{"user": "", "password": ""}, {"token": "env:X"}])
def test_a_way_to_log_in_is_needed_and_only_one(dms: FakePaperless, keys: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="give token, or user and password"):
        dms.connect(**keys)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://paperless.example/dashboard", "https://paperless.example"),
        ("https://host.example/paperless/api/", "https://host.example/paperless"),
        ("https://dms.example/x/documents/17/details", "https://dms.example/x"),
        ("https://dms.example/api/documents/17/", "https://dms.example"),
        ("https://dms.example/documents/", None),
        ("./paperless", None),
    ],
)
def test_an_address_is_told_by_its_look(url: str, server: str | None, tmp_path: Path) -> None:
    assert PaperlessConnector.recognises(url, tmp_path) == (server and {"url": server})
