"""``kbm doctor --chatgpt`` against servers on this machine: plain, with TLS, and ones that are no kbm."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any  # JSON

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kbm.bootstrap import Kbm
from kbm.domain.access import Rights
from kbm.domain.gpt_actions import limits_broken
from kbm.entrypoints.actions import action_schema
from kbm.entrypoints.api.app import create_app
from kbm.providers.public_door import PublicDoor
from kbm.services.check_chatgpt import CheckChatGpt, State, Step, _address
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress


@pytest.fixture(scope="module")
def kbm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kbm]:
    source = FakeConnector(items={"leave.txt": "Employees get 30 days of leave a year."})
    with kbm_over(tmp_path_factory.mktemp("company"), source, clock=FakeClock()) as kbm:
        release(kbm)
        yield kbm


@pytest.fixture(scope="module")
def key(kbm: Kbm) -> str:
    return kbm.keys.create("chatgpt", Rights(gpts=frozenset({"helper"})), valid_for=None, who="anna").token


def release(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
    built = kbm.catalogue.releases.newest("helper")
    assert built
    kbm.publish.run("helper", str(built.version), who="anna", why="test")


@contextlib.contextmanager
def serving(app: Any, **tls: str) -> Iterator[int]:
    """Serve an application on a free port; Any: it is whatever ASGI takes."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", **tls))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()


@pytest.fixture(scope="module")
def url(kbm: Kbm) -> Iterator[str]:
    with serving(create_app(kbm)) as port:
        yield f"http://127.0.0.1:{port}"


def steps(kbm: Kbm, door: PublicDoor, key: str = "") -> dict[str, Step]:
    check = CheckChatGpt(
        door=door,
        releases=kbm.catalogue.releases,
        golden=kbm.catalogue.golden,
        audit=kbm.catalogue.audit,
        clock=kbm.clock,
    )
    return {one.name: one for one in check.run(["helper"], key=key)}


def test_all_that_works_on_this_machine_is_told_and_what_is_missing_for_the_world(
    kbm: Kbm, url: str, key: str
) -> None:
    found = steps(kbm, PublicDoor(url), key)

    assert {name: one.state for name, one in found.items() if name not in ("schema", "pack")} == {
        "address": State.TO_DO,
        "tls": State.TO_DO,
        "reachable": State.OK,
        "login": State.OK,
        "question": State.OK,
        "mcp": State.OK,
    }
    assert all(one.do for one in found.values() if one.state is State.TO_DO)
    assert found["login"].found == "without a key 401, with it 200"
    assert "from release 1.0.0" in found["question"].found


def test_a_schema_for_another_address_than_the_one_called_is_told(kbm: Kbm, url: str, key: str) -> None:
    schema = steps(kbm, PublicDoor(url), key)["schema"]

    assert schema.state is State.TO_DO
    assert "its server is http://127.0.0.1:8000, not http://127.0.0.1" in schema.found
    assert "public_url" in schema.do


def test_without_a_key_the_steps_that_need_one_are_not_tried(kbm: Kbm, url: str, key: str) -> None:
    assert key
    found = steps(kbm, PublicDoor(url))

    assert found["login"].state is State.OK
    assert {found[name].state for name in ("question", "mcp")} == {State.NOT_TRIED}
    assert "--key" in found["question"].do


def test_a_key_that_does_not_hold_is_told(kbm: Kbm, url: str, key: str) -> None:
    found = steps(kbm, PublicDoor(url), key[:-1])

    assert (found["login"].state, found["question"].state) == (State.TO_DO, State.TO_DO)
    assert "kbm keys create chatgpt --gpt helper" in found["login"].do


def test_nobody_at_the_address_ends_the_walk(kbm: Kbm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = steps(kbm, PublicDoor(f"http://127.0.0.1:{port}"))

    assert list(found) == ["address", "tls", "reachable"]
    assert (found["reachable"].state, "start kbm serve" in found["reachable"].do) == (State.TO_DO, True)


async def something_else(_: Any, __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"<html>a login page</html>"})


def test_a_login_page_in_front_of_it_is_told(kbm: Kbm) -> None:
    with serving(something_else) as port:
        found = steps(kbm, PublicDoor(f"http://127.0.0.1:{port}"))

    assert "not as kbm does" in found["reachable"].found


def certificate(folder: Path, host: str, days: int) -> tuple[str, str]:
    """Make a certificate that signs itself; gives the paths of it and of its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certfile, keyfile = folder / "cert.pem", folder / "key.pem"
    certfile.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    keyfile.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(certfile), str(keyfile)


def test_a_certificate_is_told_to_hold_to_end_soon_or_not_to_be_trusted(kbm: Kbm, tmp_path: Path) -> None:
    certfile, keyfile = certificate(tmp_path, "localhost", days=400)
    with serving(create_app(kbm), ssl_certfile=certfile, ssl_keyfile=keyfile) as port:
        trust = ssl.create_default_context(cafile=certfile)
        url = f"https://localhost:{port}"
        clock = kbm.clock
        assert isinstance(clock, FakeClock)
        before = clock.now()
        clock.jump(seconds=(datetime.now(UTC) - before).total_seconds())
        known = steps(kbm, PublicDoor(url, trust=trust))["tls"]
        clock.jump(days=395)
        late = steps(kbm, PublicDoor(url, trust=trust))["tls"]
        clock.jump(seconds=(before - clock.now()).total_seconds())
        unknown = steps(kbm, PublicDoor(url))
        other_name = steps(kbm, PublicDoor(f"https://127.0.0.1:{port}", trust=trust))["tls"]

    assert (known.state, known.found.startswith("TLSv1.")) == (State.OK, True)
    assert (late.state, late.do) == (State.TO_DO, "renew the certificate")
    assert "self-signed" in unknown["tls"].found
    assert unknown["reachable"].state is State.TO_DO
    assert "IP address mismatch" in other_name.found


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("https://kb.example.com", State.OK),
        ("https://kb.example.com/below", State.OK),
        ("http://kb.example.com", State.TO_DO),
        ("https://127.0.0.1", State.TO_DO),
        ("https://10.1.2.3", State.TO_DO),
        ("https://[::1]:8000", State.TO_DO),
        ("https://kb", State.TO_DO),
        ("https://kb.internal", State.TO_DO),
        ("https://1.1.1.1", State.OK),
    ],
)
def test_only_an_https_address_of_the_world_will_do(url: str, state: State) -> None:
    assert _address(url).state is state


def test_a_pack_is_behind_once_another_release_is_live(tmp_path: Path) -> None:
    source = FakeConnector(items={"leave.txt": "Employees get 30 days of leave a year."})
    with kbm_over(tmp_path / "company", source) as kbm:
        release(kbm)
        door = PublicDoor("http://127.0.0.1:9")
        for readers in (frozenset[str](), frozenset({"group:hr"})):
            kbm.make_pack.run("helper", tmp_path / "p", readers=readers, who="anna", progress=NoProgress())
        check = CheckChatGpt(
            door=door,
            releases=kbm.catalogue.releases,
            golden=kbm.catalogue.golden,
            audit=kbm.catalogue.audit,
            clock=kbm.clock,
        )
        fresh = list(check._packs("helper", "1.0.0"))
        behind = list(check._packs("helper", "1.0.1"))

    assert [one.state for one in fresh] == [State.OK, State.OK]
    assert [one.state for one in behind] == [State.TO_DO, State.TO_DO]
    assert "kbm pack helper DIR --as group:hr" in behind[1].do


def test_what_breaks_a_limit_is_named() -> None:
    url = "https://kb.example.com"
    good = action_schema("helper", "Helper", url, needs_key=True)
    bad = json.loads(json.dumps(good))
    ask = bad["paths"]["/gpts/helper/actions/ask"]["post"]
    ask["description"] = "x" * 301
    ask["x-openai-isConsequential"] = True
    ask["parameters"] = [{"name": "X-Key", "in": "header", "description": "y" * 701}]
    del bad["components"]["schemas"]["ActionHit"]

    assert limits_broken(good, url) == []
    said = limits_broken(bad, url)
    assert len(said) == 5
    for part in ("301 characters", "confirm", "X-Key", "700", "ActionHit"):
        assert any(part in one for one in said)
    assert limits_broken({}, url)
