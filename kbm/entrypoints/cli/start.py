"""Where ``kbm`` begins: Ctrl-C ends it in one line from its first moment on.

Importing the commands takes half a second, in which an interruption would show where in whose library it came.
Raising is no help there: some libraries turn any exception of an import into one of their own. Nothing is open
yet, so the process just ends.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def run() -> None:
    """Import the command line and run it."""
    # A shell lets what it starts in the background ignore Ctrl-C; that stays so.
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, _end)
    from kbm.entrypoints.cli.main import app

    try:
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _end(_: int, __: FrameType | None) -> None:
    os.write(2, b"interrupted: nothing was begun\n")
    os._exit(INTERRUPTED)
