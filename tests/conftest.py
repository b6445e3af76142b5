"""What holds for the whole suite: no network beyond this machine, one numeric thread, no model downloads."""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.pop("KBM_CONFIG", None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A suite started in the background hands "ignored" down to every command that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the collector leave alone what was imported and collected: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Forget where a command run in this process sent its log: the stream is closed by then."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:  # Any: an address is whatever its family takes
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(
            ("127.", "::1", "localhost")
        ):
            raise RuntimeError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
