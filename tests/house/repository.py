"""What the house tests look at: the files of the checkout, and the commands in its documents."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kbm", "connectors/kbm_connectors", "indexes/kbm_indexes", "agents/kbm_agents")

_SKIPPED = {".git", ".venv", "kbm-demo", "build", "dist", ".kbm", "__pycache__"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(kbm(?: [^`\n]+)?)`(?!`)")


@cache
def project() -> dict[str, Any]:
    """Read pyproject.toml; Any because TOML holds anything."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def files() -> list[Path]:
    """List every file that is or may become part of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked archive
        found = [path for path in ROOT.rglob("*") if not _SKIPPED.intersection(path.relative_to(ROOT).parts)]
    return sorted(path for path in found if path.is_file())


def shipped() -> list[Path]:
    """List the Python files of the packages that are installed."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def documents() -> list[Path]:
    """List the Markdown files that tell people how to use or change kbm."""
    return [path for path in files() if path.suffix == ".md" and "content" not in path.parts]


def blocks(text: str, *languages: str) -> list[str]:
    """Give the fenced blocks of a document that are in one of *languages*."""
    return [body for language, body in _FENCE.findall(text) if language in languages]


def commands_in(text: str) -> Iterator[str]:
    """Give every call of kbm that a document shows, in blocks or inside sentences."""
    for block in blocks(text, "sh", "bash", "console", ""):
        for line in block.replace("\\\n", " ").splitlines():
            call = line.removeprefix("$ ").removeprefix(".venv/bin/").strip()
            if call == "kbm" or call.startswith("kbm "):
                yield call
    for call in _INLINE.findall(_FENCE.sub("", text)):
        yield " ".join(call.split())
