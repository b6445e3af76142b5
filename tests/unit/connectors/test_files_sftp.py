"""Whom the connector ``files`` over SFTP trusts, and its settings."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Ref
from kbm.errors import ConfigError
from tests.unit.connectors.sftp_server import CLIENT_KEY, HOST_KEY, PASSWORD, USER, Server, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "tree").mkdir()
    with serving(tmp_path / "tree") as stub:
        yield Server(stub, tmp_path)


def full(server: Server) -> None:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt", "it/d.txt"):
        server.make(id, f"text of {id}")


def test_a_server_that_is_not_known_is_refused_before_the_password_is_sent(server: Server) -> None:
    (server.root / "known").write_text("other.example ssh-ed25519 AAAA\n")
    [problem] = server.connect(host_key="", known_hosts="known").check()

    assert "its key is not known" in problem
    assert "ssh-keyscan" in problem
    assert not server.stub.n_logins


def test_a_server_with_another_key_is_refused_before_the_password_is_sent(server: Server) -> None:
    server.stub.fault = "other key"
    [problem] = server.connect().check()

    assert "another one than expected" in problem
    assert server.stub.other_key.fingerprint in problem
    assert not server.stub.n_logins


def test_a_server_is_known_by_its_fingerprint_or_a_file(server: Server) -> None:
    full(server)
    line = f"[127.0.0.1]:{server.stub.port} {HOST_KEY.get_name()} {HOST_KEY.get_base64()}\n"
    (server.root / "known").write_text(line)

    assert server.connect(host_key=HOST_KEY.fingerprint).check() == []
    assert server.connect(host_key="", known_hosts="known").check() == []


@pytest.mark.parametrize("protected", [False, True])
def test_a_private_key_opens_the_door_as_well(server: Server, protected: bool) -> None:
    full(server)
    text = io.StringIO()
    CLIENT_KEY.write_private_key(text, password=PASSWORD if protected else None)
    (server.root / "key").write_text(text.getvalue())
    keys = {"password": "", "private_key": "file:key"}
    (server.root / "password").write_text(PASSWORD)

    if protected:
        with pytest.raises(ConfigError, match="protected by a password"):
            list(server.connect(**keys).scan(None))
        keys["key_password"] = "file:password"
    assert server.connect(**keys).check() == []


def test_a_key_that_is_none_is_told_without_it(server: Server) -> None:
    (server.root / "key").write_text(f"no key, but {PASSWORD}")
    [problem] = server.connect(password="", private_key="file:key").check()

    assert "no private key" in problem
    assert PASSWORD not in problem


# --- settings


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"url": f"sftp://kbm:{PASSWORD}@127.0.0.1/x"}, "holds no password"),
        ({"password": ""}, "password or private_key"),
        ({"private_key": f"-----BEGIN {PASSWORD}"}, "never written here"),
        ({"key_password": PASSWORD}, "never written here"),
        ({"private_key": "file:key"}, "password or private_key"),
        ({"host_key": "AAAA"}, "ssh-keyscan"),
        ({"known_hosts": "known"}, "host_key or known_hosts"),
        ({"url": "sftp://127.0.0.1/x"}, "user"),
    ],
)
def test_wrong_settings_are_told_without_a_password(server: Server, keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        server.connect(**keys)

    assert told in str(error.value)
    assert PASSWORD not in f"{error.value} {error.value.hint}"


def test_private_addresses_need_a_word_from_a_person(server: Server) -> None:
    [problem] = server.connect(allow_private=False).check()

    assert "allow_private" in problem
    assert not server.stub.transports


def test_a_folder_below_the_account_s_own_is_named_with_a_tilde(server: Server) -> None:
    full(server)
    made = server.connect(url=f"sftp://{USER}@127.0.0.1:{server.stub.port}/~/hr")
    refs = [one for one in made.scan(None) if isinstance(one, Ref)]

    assert [one.id for one in refs] == ["b.txt", "secret/c.txt"]
    assert made.fetch(refs[1]).data == b"text of hr/secret/c.txt"


def test_an_address_is_recognised_without_its_password(tmp_path: Path) -> None:
    proposed = FilesConnector.recognises(f"sftp://bert:{PASSWORD}@files.example/srv/dms", tmp_path)

    assert proposed == {"url": "sftp://files.example/srv/dms", "user": "bert"}


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    program = (
        "import sys; sys.modules['paramiko'] = None\n"
        "from pathlib import Path\n"
        "from kbm_connectors.files import FilesConnector\n"
        "keys = {'url': 'sftp://kbm@127.0.0.1:9/x', 'password': 'file:password', 'allow_private': True}\n"
        f"print(FilesConnector('archive', keys, Path({str(tmp_path)!r})).check())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert "pip install 'kbm[sftp]'" in done.stdout, done.stderr
