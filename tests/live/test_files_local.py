"""The connector ``files`` over a folder, an archive and a repository lists 5,000 files as fast as could be."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Mark, Ref

pytestmark = pytest.mark.live
BEST_LISTING_S = {"folder": 0.07, "zip": 0.08, "git": 0.24}
"""Seconds that listing 5,000 files in 100 folders takes at best with a client that only lists."""
NAMES = [f"Ordner {folder}/Prüfung {file}.txt" for folder in range(100) for file in range(50)]


def folder(root: Path) -> str:
    for name in NAMES:
        path = root / "dms" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return "dms"


def zipped(root: Path) -> str:
    with zipfile.ZipFile(root / "dms.zip", "w") as archive:
        for name in NAMES:
            archive.writestr(name, "x")
    return "dms.zip"


def repository(root: Path) -> str:
    folder(root)
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    who = ("-c", "user.name=Anna", "-c", "user.email=anna@example.com", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "x")):
        subprocess.run(["git", "-C", root / "dms", *who, *command], check=True, capture_output=True)  # noqa: S607
    return "dms"


def timed(connector: FilesConnector) -> Iterator[float]:
    """List some times, in seconds of this program and of git: others may have the processor meanwhile."""
    for _ in range(5):
        began = os.times()
        events = list(connector.scan(None))
        ended = os.times()
        yield sum(ended[:4]) - sum(began[:4])
        assert sum(isinstance(event, Ref) for event in events) == len(NAMES)
        assert isinstance(events[-1], Mark)


@pytest.mark.parametrize("kind", BEST_LISTING_S)
def test_five_thousand_files_are_listed_in_time(tmp_path: Path, kind: str) -> None:
    url = {"folder": folder, "zip": zipped, "git": repository}[kind](tmp_path)
    settings = {"url": url, "git": True} if kind == "git" else {"url": url}
    took = min(timed(FilesConnector("dms", settings, tmp_path)))
    print(f"{kind}: {took:.2f} s")  # noqa: T201 - the figure is the result

    assert took < 3 * BEST_LISTING_S[kind]
