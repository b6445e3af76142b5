"""Readers and settings of the connector ``files`` over SMB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Brake, Failed, Known, Ref, plan_sync
from kbm.errors import ConfigError
from tests.unit.connectors.fake_share import EVERYONE, NO_ACCESS, PASSWORD, Nas, ace, descriptor


@pytest.fixture
def nas(tmp_path: Path) -> Nas:
    return Nas(tmp_path)


def test_readers_come_from_the_access_lists_and_change_without_a_new_version(nas: Nas) -> None:
    hr, bert = "S-1-5-21-1-2-3-1105", "S-1-5-21-1-2-3-1106"
    keys = {"readers_from": "acl", "readers_map": {hr: "group:hr", bert.lower(): "user:bert"}}
    nas.share.put("a.txt", "text", descriptor(ace(0, EVERYONE)))
    nas.share.put("b.txt", "text", descriptor(ace(0, hr), ace(0, bert)))
    nas.share.put("c.txt", "text", descriptor(ace(0, "S-1-5-21-1-2-3-9")))
    before = {one.id: one for one in nas.connect(**keys).scan(None) if isinstance(one, Ref)}
    nas.share.files["a.txt"].descriptor = descriptor(ace(0, hr))
    after = {one.id: one for one in nas.connect(**keys).scan(None) if isinstance(one, Ref)}

    assert [one.readers for one in before.values()] == [
        frozenset({"everyone"}),
        frozenset({"group:hr", "user:bert"}),
        frozenset(),
    ]
    assert after["a.txt"].readers == frozenset({"group:hr"})
    assert after["a.txt"].version == before["a.txt"].version


def test_readers_that_cannot_be_read_leave_the_document_as_it_was(nas: Nas) -> None:
    nas.share.put("a.txt", "text", descriptor(ace(0, EVERYONE)))
    before = [one for one in nas.connect(readers_from="acl").scan(None) if isinstance(one, Ref)]
    known = {one.id: Known(version=one.version, readers=one.readers or frozenset()) for one in before}
    nas.share.at_folder["a.txt"] = NO_ACCESS
    events = list(nas.connect(readers_from="acl").scan(None))

    assert [one.id for one in events if isinstance(one, Failed)] == ["a.txt"]
    assert plan_sync("nas", events, known, default_readers=frozenset(), brake=Brake()).does_nothing


def test_check_names_whom_the_mapping_does_not_know(nas: Nas) -> None:
    nas.share.put("a.txt", "text", descriptor(ace(0, "S-1-5-21-1-2-3-1105")))
    [told] = nas.connect(readers_from="acl").check()

    assert "S-1-5-21-1-2-3-1105" in told
    assert "readers_map" in told


def test_without_readers_from_no_access_list_is_asked_for(nas: Nas) -> None:
    nas.share.put("a.txt", "text", descriptor(ace(0, EVERYONE)))
    [ref] = [one for one in nas.connect().scan(None) if isinstance(one, Ref)]

    assert ref.readers is None
    assert not any(one.startswith("descriptor") for one in nas.share.asked)


# --- settings


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"url": "smb://127.0.0.1"}, "name the share"),
        ({"url": f"smb://kbm:{PASSWORD}@127.0.0.1/dms"}, "holds no password"),
        ({"url": f"smb://kbm:{PASSWORD}#1@127.0.0.1/dms"}, "no address"),
        ({"url": "smb:///dms"}, "name the server"),
        ({"url": "smb://127.0.0.1/dms/../x"}, "'..'"),
        ({"user": ""}, "user"),
        ({"url": "smb://bert@127.0.0.1/dms"}, "two accounts"),
        ({"password": PASSWORD}, "never written here"),
        ({"readers_map": {EVERYONE: "group:hr"}}, "readers_from"),
        ({"readers_from": "acl", "readers_map": {"Personal": "group:hr"}}, "SID"),
        ({"readers_from": "acl", "readers_map": {EVERYONE: "hr"}}, "group:NAME"),
    ],
)
def test_wrong_settings_are_told_without_a_password(nas: Nas, keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        nas.connect(**keys)

    assert told in str(error.value)
    assert PASSWORD not in f"{error.value} {error.value.hint}"


def test_private_addresses_need_a_word_from_a_person(nas: Nas) -> None:
    [problem] = nas.connect(allow_private=False).check()

    assert "allow_private" in problem
    assert not nas.share.logins


def test_outside_this_network_the_server_must_encrypt(nas: Nas) -> None:
    list(nas.connect().scan(None))
    list(nas.connect(encrypt=True).scan(None))
    nas.share.fault = "unprotected"
    [problem] = nas.connect(url="smb://8.8.8.8/dms", allow_private=False).check()

    assert "encrypt" in problem
    assert [one.encrypt for one in nas.share.logins] == [False, True, True]


def test_the_account_is_what_was_written(nas: Nas) -> None:
    list(nas.connect().scan(None))
    list(nas.connect(url="smb://b%40x@127.0.0.1:4450/dms", user="").scan(None))

    assert [(one.user, one.port, one.share) for one in nas.share.logins] == [
        ("KELLER\\kbm", 445, "dms"),
        ("b@x", 4450, "dms"),
    ]
    assert PASSWORD not in repr(nas.share.logins)


def test_an_address_is_recognised_without_its_password(tmp_path: Path) -> None:
    proposed = FilesConnector.recognises(f"smb://bert:{PASSWORD}@nas.example:4450/dms/a", tmp_path)

    assert proposed == {"url": "smb://nas.example:4450/dms/a", "user": "bert"}


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    program = (
        "import sys; sys.modules['smbprotocol'] = None\n"
        "from pathlib import Path\n"
        "from kbm_connectors.files import FilesConnector\n"
        "keys = {'url': 'smb://127.0.0.1:9/dms', 'user': 'kbm', 'password': 'file:password', 'allow_private': True}\n"
        f"print(FilesConnector('nas', keys, Path({str(tmp_path)!r})).check())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert "pip install 'kbm[smb]'" in done.stdout, done.stderr
