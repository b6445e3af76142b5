"""Let the command line do what only the builder may: an HTTP process never opens the store of vectors.

The command runs as a process of its own, with less right to the processors, and gives its result as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kbm.errors import Busy, KbmError, UsageError

NICENESS = 10
TIME_LIMIT_S = 900.0


def run_builder(config: Path, *arguments: str) -> dict[str, Any]:
    """Run a command with ``--json`` and give what it says; Any is JSON.

    Raises:
        Busy: another process builds.
        UsageError: the command refused.
        KbmError: it failed, or took too long.
    """
    command = [sys.executable, "-m", "kbm", "--config", str(config), *arguments, "--json"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
            preexec_fn=_politely,
        )
    except subprocess.TimeoutExpired:
        raise KbmError(
            f"it took longer than {TIME_LIMIT_S / 60:.0f} minutes and was ended; what was finished is kept",
            hint=f"run it at the command line: kbm {' '.join(arguments)}",
        ) from None
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = {}
    if done.returncode == 0:
        return said
    error = said.get("error", {})
    detail, hint = error.get("detail", "the work ended without a word"), error.get("hint", "")
    if done.returncode == Busy.exit_code:
        raise Busy(detail, hint=hint)
    if done.returncode == UsageError.exit_code:
        raise UsageError(detail, hint=hint)
    raise KbmError(detail, hint=hint)


def _politely() -> None:
    os.nice(NICENESS)
