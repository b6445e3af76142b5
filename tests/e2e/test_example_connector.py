"""A connector in a package of its own: installed, held against the contract, recognised, synced."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kbm.testing.builders import ONE_FOLDER_TOML

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_connector"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a copy of the package into a folder of its own; nothing comes from an index."""
    folder = tmp_path_factory.mktemp("example")
    package = folder / "package"
    package.mkdir()
    for name in ("pyproject.toml", "kbm_helpdesk.py"):
        (package / name).write_text((EXAMPLE / name).read_text())
    target = folder / "target"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    run(sys.executable, "-m", "pip", "install", *quiet, "--target", str(target), str(package))
    return target


def run(*command: str, target: Path | None = None, cwd: Path = ROOT) -> str:
    env = {**os.environ, **({"PYTHONPATH": str(target)} if target else {})}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_keeps_the_contract(installed: Path) -> None:
    told = run(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "contract.py")),
        target=installed,
    )

    assert re.search(r"^\d\d passed", told, re.MULTILINE)


def test_the_package_is_recognised_and_synced_like_a_built_in(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML)
    article = {
        "id": 7,
        "title": "VPN",
        "text": "# VPN\n\nAsk the hotline.",
        "updated": "2026-11-24T08:00:00+00:00",
    }
    export = {"articles": [{**article, "public": False}]}
    (tmp_path / "all.helpdesk.json").write_text(json.dumps(export))
    *_, told = run(sys.executable, "-c", CONNECT_AND_SYNC, target=installed, cwd=tmp_path).splitlines()

    assert json.loads(told) == {"kind": "helpdesk", "readers": ["group:support"], "added": ["7"], "stored": 1}


CONNECT_AND_SYNC = """
import json
from pathlib import Path
from kbm.bootstrap import Kbm
from kbm.config import load_settings
from kbm.testing.fakes import NoProgress

config = Path("kbm.toml")
with Kbm(load_settings(config)) as kbm:
    made = kbm.connect.propose("all.helpdesk.json", name="desk")
    kbm.connect.write(made)
with Kbm(load_settings(config)) as kbm:
    done = kbm.sync.run(kbm.source_to_sync("desk"), NoProgress())
readers = sorted(made.samples[0].readers)
print(json.dumps({"kind": made.kind, "readers": readers, "added": done.plan.added, "stored": done.n_stored}))
"""


def test_the_example_is_short_and_the_documents_show_it_as_it_is() -> None:
    source = (EXAMPLE / "kbm_helpdesk.py").read_text()
    shown = (ROOT / "docs" / "connectors.md").read_text()

    assert len(source.splitlines()) < 60
    for name in ("kbm_helpdesk.py", "pyproject.toml", "contract.py"):
        text = (EXAMPLE / name).read_text().replace("  # type: ignore[import-not-found]", "")
        assert text.strip() in shown
