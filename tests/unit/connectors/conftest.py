"""Folders to read from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def dms(tmp_path: Path) -> Path:
    folder = tmp_path / "dms"
    folder.mkdir()
    return folder


@pytest.fixture
def open_dms() -> Iterator[Path]:
    """A folder that another user may enter; pytest's own is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="kbm-files-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
