"""Real servers on loopback; a test is skipped with the reason where one is not installed or does not start."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.live.packages import SERVERS, missing

STARTED_WITHIN_S = 20.0


def needs(*servers: str) -> None:
    """Skip the test where a server that ``make test-live`` installs is not here."""
    for name in servers:
        for file in missing(name):
            server = SERVERS[name]
            packages = " ".join((*server.debian, *server.python, *server.npm))
            pytest.skip(f"{name} is not installed ({packages}): there is no {file}")


def needs_files(*files: str) -> None:
    """Skip the test where a file is missing that nobody installs for it."""
    for file in files:
        if not Path(file).exists():
            pytest.skip(f"{file} is not there")


def needs_root(why: str) -> None:
    """Skip the test where it does not run as root."""
    if os.geteuid() != 0:
        pytest.skip(f"only root {why}")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that other accounts may enter: pytest's own are closed by every run that begins."""
    with tempfile.TemporaryDirectory(prefix="kbm-live-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def end_children(process: subprocess.Popen[bytes]) -> None:
    """End the processes that a server started, one per connection, and then the server, at once."""
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.wait(10)


def free_port() -> int:
    """Give a port of loopback that nobody listens at."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start(
    command: list[str], port: int, folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it listens; its log is ``folder/log``."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=dict(env) if env else None,
            start_new_session=True,
        )
    end = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with closing(socket.socket()) as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    stop(process)
    pytest.skip(f"{command[0]} did not start: {(folder / 'log').read_text(errors='replace')[-300:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that was started here."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
