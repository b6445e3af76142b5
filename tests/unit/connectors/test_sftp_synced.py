"""Syncs over SFTP that are killed, and that fail, by the command itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.connectors.left_behind import left_behind
from tests.unit.connectors.sftp_server import HOST_KEY, PASSWORD, USER, Server, serving

TOML = """
[kbm]
name = "Firma"
embedder = "none"

[sources.archive]
kind = "files"
url = "sftp://{user}@127.0.0.1:{port}{tree}"
password = "env:KBM_TEST_SFTP"
host_key = "{key}"
allow_private = true
readers = ["everyone"]

[gpts.help]
title = "Hilfe"
sources = ["archive"]
people = {{ owner = "owner@example.com" }}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "tree").mkdir()
    (tmp_path / "kbm").mkdir()
    with serving(tmp_path / "tree") as stub:
        key = f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}"
        toml = TOML.format(user=USER, port=stub.port, tree=stub.tree, key=key)
        (tmp_path / "kbm" / "kbm.toml").write_text(toml)
        yield Server(stub, tmp_path)


def run(server: Server, command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from kbm.entrypoints.cli.start import run; run()", command],
        cwd=server.root / "kbm",
        env=os.environ | {"KBM_TEST_SFTP": PASSWORD, "KBM_LOG": "DEBUG"} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def fetched(server: Server) -> list[str]:
    return [one.removeprefix("open ") for one in server.stub.asked if one.startswith("open ")]


@pytest.mark.slow
def test_after_a_kill_between_two_documents_nothing_is_fetched_twice_that_was_stored(server: Server) -> None:
    for n in range(6):
        server.make(f"{n}.txt", f"Der Text der Seite {n} über Urlaub und Reisekosten.")
    killed = run(server, "sync", KBM_FAULT="sync.store:after:kill")
    before = fetched(server)
    server.stub.asked.clear()
    done = run(server, "sync")
    after = fetched(server)
    server.stub.asked.clear()
    again = run(server, "sync")

    assert killed.returncode == -signal.SIGKILL
    assert (done.returncode, again.returncode) == (0, 0), done.stderr
    assert 0 < len(before) < 6
    assert sorted(set(before) | set(after)) == [f"{n}.txt" for n in range(6)]
    # What was under way when the process died may come again; what was stored does not.
    assert len(after) < 6
    assert not fetched(server)


@pytest.mark.slow
def test_syncs_that_work_and_syncs_that_do_not_leave_no_password(server: Server) -> None:
    for n in range(3):
        server.make(f"{n}.txt", f"Der Text der Seite {n} über Urlaub und Reisekosten.")
    said = [run(server, "sync")]
    for fault in ("denied", "cut"):
        server.stub.fault = fault
        said += [run(server, command) for command in ("sync", "check")]
    said += [run(server, command) for command in ("sources", "backup")]

    assert said[0].returncode == 0
    assert all(one.returncode for one in said[1:-2])
    assert "is not taken" in said[1].stdout + said[1].stderr
    assert not any(PASSWORD in one.stdout + one.stderr for one in said)
    assert not any("Traceback" in one.stdout + one.stderr for one in said)
    left = dict(left_behind(server.root / "kbm"))
    assert any(".tar.gz/" in name for name in left)
    assert not [name for name, data in left.items() if PASSWORD.encode() in data]
