"""A password of a source is in no line, error, row or file that kbm leaves, whatever the server does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.connectors.fake_mediawiki import PASSWORD, FakeMediaWiki
from tests.unit.connectors.fake_web import FAULTS, Answer
from tests.unit.connectors.left_behind import left_behind

TOML = """
[kbm]
name = "Firma"
embedder = "none"

[sources.wiki]
kind = "mediawiki"
url = "{url}/w"
user = "Bert@kbm"
password = "env:KBM_TEST_WIKI"
allow_private = true
max_requests_per_second = 10000
readers = ["everyone"]

[gpts.help]
title = "Hilfe"
sources = ["wiki"]
people = {{ owner = "owner@example.com" }}
"""


@pytest.mark.slow
def test_a_sync_that_works_and_syncs_that_do_not_leave_no_password(tmp_path: Path) -> None:
    wiki = FakeMediaWiki(tmp_path)
    (tmp_path / "kbm").mkdir()
    (tmp_path / "kbm" / "kbm.toml").write_text(TOML.format(url=wiki.url))
    for n in range(3):
        wiki.save(f"Seite {n}", f"Text der Seite {n}.")
    said = [_run(tmp_path, "sync")]
    assert "3" in said[0]
    wiki.save("Seite 1", "Anders.")
    no = f'"Failed", "reason": "Bert:{PASSWORD} is wrong"'.encode()
    wiki.fault = lambda answer: Answer(answer.body.replace(b'"Success"', no), answer.media_type)
    said.append(_run(tmp_path, "sync"))
    wiki.fault = FAULTS["login page"]
    said += [_run(tmp_path, command) for command in ("sync", "check", "sources", "backup")]
    wiki.close()

    assert "is wrong" in said[1]
    assert all(text.strip() for text in said)
    assert PASSWORD not in "".join(said)
    left = dict(left_behind(tmp_path / "kbm"))
    assert any(".tar.gz/" in name and name.endswith(".db") for name in left)
    assert not [name for name, data in left.items() if PASSWORD.encode() in data]


def _run(folder: Path, command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from kbm.entrypoints.cli.start import run; run()", command],
        cwd=folder / "kbm",
        env=os.environ | {"KBM_TEST_WIKI": PASSWORD, "KBM_LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr
