"""What tests of the connector ``files`` share: putting files, listing them, and reading as another user."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Failed, Ref


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"text of {path}")


def connector(folder: Path, **settings: object) -> FilesConnector:
    return FilesConnector("quality", {"url": str(folder), **settings}, folder.parent)


def listed(one: FilesConnector) -> list[str]:
    return [event.id for event in one.scan(None) if isinstance(event, Ref)]


def failures(one: FilesConnector) -> list[Failed]:
    return [event for event in one.scan(None) if isinstance(event, Failed)]


def as_nobody(folder: Path, **settings: object) -> tuple[list[list[object]], list[str]]:
    """Scan and check *folder* as a user without special rights; root could read everything."""
    script = """
import json, os, sys
from pathlib import Path
from kbm_connectors.files import FilesConnector
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
one = FilesConnector("quality", json.loads(sys.argv[1]), Path("/"))
events = [[type(e).__name__, getattr(e, "id", None), getattr(e, "scope", None)] for e in one.scan(None)]
print(json.dumps([events, one.check()]))
"""
    given_settings = json.dumps({"url": str(folder), **settings})
    run = subprocess.run(
        [sys.executable, "-c", script, given_settings], capture_output=True, check=True, timeout=60, cwd="/"
    )
    events, problems = json.loads(run.stdout)
    return events, problems
