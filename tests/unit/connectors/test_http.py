"""How connectors speak HTTP: what is waited for, what is refused, and where credentials go."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kbm_connectors.http import HttpClient, HttpSettings, Reply
from kbm_connectors.reach import Pace, address_of, is_public
from kbm_connectors.secret_refs import SecretRef

from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.fake_web import LOGIN_PAGE, MAINTENANCE_PAGE, Answer, Asked, FakeWeb


@dataclass
class Web(FakeWeb):
    """Answers what is in ``answers``, the last one for ever."""

    root: Path
    answers: list[Answer] = field(default_factory=lambda: [Answer(b'{"ok": 1}')])
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def answer(self, asked: Asked) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def client(self, *, basic: bool = False, **settings: object) -> HttpClient:
        (self.root / "password").write_text("pa55word")
        all_settings = {
            "url": self.url,
            "user": "bert",
            "password": "file:password",
            "allow_private": True,
            "timeout_s": 2,
            "max_requests_per_second": 10_000,
            **settings,
        }
        made = HttpSettings.model_validate(all_settings)
        return HttpClient("wiki", made, self.root, basic=basic, pause=self.pauses.append)

    def get(self, path: str = "/api", **settings: object) -> Reply:
        return self.client(basic=False, **settings).get(self.url + path, {})


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    web = Web(tmp_path)
    yield web
    web.close()


def test_a_server_that_is_busy_is_asked_again_with_growing_pauses(web: Web) -> None:
    web.answers = [Answer(b"", status=503), Answer(b"", status=500), Answer(b"fine")]

    assert web.get().body == b"fine"
    assert [pause for pause in web.pauses if pause >= 0.1] == [0.5, 1.0]


def test_retry_after_is_honoured_up_to_a_minute(web: Web) -> None:
    web.answers = [Answer(b"", status=429, headers={"Retry-After": "7"}), Answer(b"fine")]
    assert web.get().body == b"fine"
    assert 7.0 in web.pauses

    web.answers = [Answer(b"", status=429, headers={"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"})]
    with pytest.raises(ConnectorUnavailable, match="come back in"):
        web.get()
    assert max(web.pauses) == 7.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_only_a_person_can_change_is_not_asked_again(web: Web, status: int) -> None:
    web.answers = [Answer(b"", status=status)]

    with pytest.raises(ConnectorRefused, match=str(status)):
        web.get()
    assert len(web.asked) == 1


def test_a_server_that_is_down_is_asked_again(web: Web) -> None:
    client = web.client()
    web.close()

    with pytest.raises(ConnectorUnavailable, match="no connection"):
        client.get(web.url, {})
    assert len(web.pauses) == 3


def test_a_server_that_never_ends_is_left(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(ConnectorUnavailable, match="no answer within 0 seconds"):
            web.client(url=url, timeout_s=0.05).get(url, {})


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/x",
        "https://sso.example.com/login?to=wiki",
        "http://localhost/x",
        "file:///etc/passwd",
    ],
)
def test_no_redirect_leads_to_another_host(web: Web, target: str) -> None:
    web.answers = [Answer(b"", status=302, headers={"Location": target})]

    with pytest.raises(ConnectorRefused, match="where kbm's account does not go"):
        web.client(basic=True).get(web.url, {})
    assert len(web.asked) == 1


def test_redirects_on_the_same_host_are_followed_a_few_times(web: Web) -> None:
    web.answers = [Answer(b"", status=301, headers={"Location": "/w/api"}), Answer(b"fine")]
    assert web.get().body == b"fine"
    assert web.asked[-1].path == "/w/api"

    web.answers = [Answer(b"", status=301, headers={"Location": "/again"})]
    with pytest.raises(ConnectorUnavailable, match="circles"):
        web.get()


def test_a_form_is_never_sent_on_by_a_redirect(web: Web) -> None:
    web.answers = [Answer(b"", status=307, headers={"Location": "/other"})]

    with pytest.raises(ConnectorRefused):
        web.client().post(web.url, form={"password": "x"})
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("body", "media_type", "error", "said"),
    [
        (LOGIN_PAGE, "text/html", ConnectorRefused, "a login page answered"),
        (LOGIN_PAGE, "application/json", ConnectorRefused, "'Anmelden'"),
        (MAINTENANCE_PAGE, "text/html", ConnectorUnavailable, "'Wartung'"),
        (b"", "application/json", ConnectorUnavailable, "empty"),
        (b" \n", "application/json", ConnectorUnavailable, "empty"),
        (b'{"a": [1', "application/json", ConnectorUnavailable, "no whole JSON"),
        (b'{"a": 1}', "text/plain", ConnectorUnavailable, "not JSON"),
        (b"[" * 100_000, "application/json", ConnectorUnavailable, "no whole JSON"),
    ],
)
def test_only_what_was_asked_for_counts_as_an_answer(
    web: Web, body: bytes, media_type: str, error: type[ConnectorError], said: str
) -> None:
    web.answers = [Answer(body, media_type)]

    with pytest.raises(error, match=said):
        web.client().json(web.get())


def test_an_answer_that_breaks_off_is_none(web: Web) -> None:
    web.answers = [Answer(b'{"pages": []}            ', cut=12)]

    with pytest.raises(ConnectorUnavailable, match="broke off"):
        web.get()


def test_an_answer_that_grows_without_end_is_refused(web: Web) -> None:
    packed = gzip.compress(b"0" * 3_000_000)
    web.answers = [Answer(packed, headers={"Content-Encoding": "gzip"})]

    with pytest.raises(ConnectorRefused, match="larger than 1 MB"):
        web.get(max_answer_mb=1)


def test_an_address_inside_this_network_must_be_allowed(web: Web) -> None:
    with pytest.raises(ConnectorRefused, match="inside this network") as told:
        web.get(allow_private=False)

    assert "allow_private = true" in told.value.hint
    assert web.asked == []


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),  # noqa: S104
        *("::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "ff02::1", "255.255.255.255"),
    ],
)
def test_addresses_of_this_network_are_known_in_every_spelling(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
def test_other_spellings_of_loopback_are_resolved_before_they_are_judged(host: str) -> None:
    with pytest.raises((ConnectorRefused, ConnectorUnavailable)):
        address_of("wiki", host, 80, allow_private=False)


def test_credentials_go_into_the_header_and_nowhere_else(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client = web.client(basic=True)
    client.get(web.url, {})
    web.answers = [Answer(b"bert:pa55word is wrong", status=401)]
    with pytest.raises(ConnectorRefused) as told:
        client.get(web.url, {})

    assert web.asked[0].headers["Authorization"] == "Basic YmVydDpwYTU1d29yZA=="
    shown = f"{told.value}{told.value.hint}{client!r}{client.password!r}{vars(client)}{caplog.text}"
    assert "pa55word" not in shown
    assert "YmVydDpwYTU1d29yZA" not in shown


def test_cookies_are_kept_for_the_name_that_was_asked(web: Web) -> None:
    web.answers = [Answer(b"1", headers={"Set-Cookie": "session=s1; path=/"}), Answer(b"2")]
    url = web.url.replace("127.0.0.1", "localhost")
    client = web.client(url=url)
    client.get(url, {})
    client.get(url, {})

    assert web.asked[1].headers["Cookie"] == "session=s1"
    assert {name.lower(): value for name, value in web.asked[1].headers.items()}["host"] == url.removeprefix(
        "http://"
    )
    client.forget_session()
    client.get(url, {})
    assert "Cookie" not in web.asked[2].headers


def test_requests_to_one_host_keep_their_distance() -> None:
    pauses: list[float] = []
    first, second = (Pace("pace.example.com", 2.0, pauses.append) for _ in range(2))
    for pace in (first, second, first):
        pace.wait()

    assert pauses == pytest.approx([0.5, 1.0], abs=0.1)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:KBM_TEST_NOT_SET", "the variable KBM_TEST_NOT_SET is not set"),
        ("file:missing", "cannot be read"),
        ("file:empty", "is empty"),
        ("file:binary", "is not text"),
        ("file:huge", "larger than a secret"),
    ],
)
def test_a_secret_that_is_not_there_is_told(tmp_path: Path, reference: str, said: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "huge").write_text("x" * 100_000)

    with pytest.raises(ConfigError, match=said):
        SecretRef(key="sources.wiki.password", reference=reference, root=tmp_path).read()


def test_certificates_that_are_none_are_told(web: Web) -> None:
    (web.root / "ca.pem").write_text("no certificate")

    with pytest.raises(ConfigError, match=r"sources\.wiki\.ca_file cannot be read"):
        web.client(url="https://127.0.0.1:1", ca_file="ca.pem").get("https://127.0.0.1:1/", {})
