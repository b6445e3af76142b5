"""Install the real servers that ``make test-live`` lacks; a line per server that cannot be, and never a failure.

Debian packages are installed where this is root and apt-get is there, the others into ``.venv-live``. Nothing is
removed, no service is started, now or at the next boot: the tests start what they need, on loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.live.packages import SERVERS, VENV, Server, missing

POLICY = Path("/usr/sbin/policy-rc.d")
OURS = "# of kbm's make test-live, while it installs\n"
FORBIDDEN = 101  # what invoke-rc.d takes as "do not start it"
APT = (
    *("apt-get", "-y", "-q", "--no-install-recommends", "--no-remove"),
    *("-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"),
)
INSTALLED_WITHIN_S = 900


class NotInstalled(Exception):
    """A server cannot be installed here, for the reason given."""


def main() -> None:
    lacking = [name for name in SERVERS if missing(name)]
    for name in lacking:
        server = SERVERS[name]
        try:
            _install(server)
        except (NotInstalled, OSError) as reason:
            _say(f"{name} is missing, its tests are skipped: {reason}")
        else:
            for file in missing(name):
                _say(f"{name} was installed, but {file} is not there; its tests are skipped")
    here = [name for name in SERVERS if not missing(name)]
    _say(f"{len(here)} of {len(SERVERS)} servers are here: {', '.join(here)}")


def _say(text: str) -> None:
    print(f"test-live: {text}", flush=True)  # noqa: T201 - whoever called make reads it


def _install(server: Server) -> None:
    if server.debian:
        _with_apt(server)
    if server.python:
        _with_uv(server)
    if server.npm:
        _with_npm(server)


def _with_apt(server: Server) -> None:
    by_hand = f"apt-get install --no-install-recommends {' '.join(server.debian)}"
    if shutil.which("apt-get") is None:
        raise NotInstalled(f"this is no Debian; there it would be: {by_hand}")
    if os.geteuid() != 0:
        raise NotInstalled(f"only root may: {by_hand}")
    _say(f"installing {' '.join(server.debian)}")
    before = {unit for unit in server.units if _starts_at_boot(unit)}
    with _nothing_starts():
        _update()
        _run([*APT, "install", *server.debian])
    for unit in server.units:
        if unit not in before and _starts_at_boot(unit):
            _run(["systemctl", "disable", "--quiet", unit])


@cache
def _update() -> None:
    """Fetch the lists of packages, once; where that fails, those that are here may still do."""
    subprocess.run([*APT, "update"], capture_output=True, timeout=INSTALLED_WITHIN_S, check=False)


def _starts_at_boot(unit: str) -> bool:
    if shutil.which("systemctl") is None:
        return False
    command = ["systemctl", "is-enabled", "--quiet", unit]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """Have packages start no service while they are installed."""
    if POLICY.exists() and OURS not in POLICY.read_text(
        errors="replace"
    ):  # ours is left by a run that was killed
        asked = subprocess.run([str(POLICY), "smbd", "start"], capture_output=True, check=False)
        if asked.returncode != FORBIDDEN:
            raise NotInstalled(f"{POLICY} of this machine would let its services start")
        yield
        return
    POLICY.write_text(f"#!/bin/sh\n{OURS}exit {FORBIDDEN}\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _with_uv(server: Server) -> None:
    _say(f"installing {' '.join(server.python)} into {VENV.name}")
    python = VENV / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
    uv = Path(sys.executable).with_name("uv")
    _run([str(uv), "pip", "install", "--quiet", "--python", str(python), *server.python])


def _with_npm(server: Server) -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise NotInstalled(f"npm is not installed; with it, it would be: npm install {' '.join(server.npm)}")
    _say(f"installing {' '.join(server.npm)} into {VENV.name}")
    folder = VENV / server.npm[0].partition("@")[0]
    folder.mkdir(parents=True, exist_ok=True)
    _run(["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(folder), *server.npm])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=environment,
            timeout=INSTALLED_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{command[0]} took longer than {INSTALLED_WITHIN_S} s") from None
    if done.returncode:
        said = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        raise NotInstalled(f"{command[0]} failed: {' / '.join(said[-3:])}")


if __name__ == "__main__":
    main()
