"""What every command shares: which configuration, who calls, and how errors end."""

from __future__ import annotations

import errno
import getpass
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, TextIO, cast

import structlog
import typer

from kbm.bootstrap import Kbm
from kbm.config import find_config, load_settings
from kbm.entrypoints.cli.render import err, fail
from kbm.errors import KbmError, StorageFailed

Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]

_DISK_FAULTS = {
    errno.EEXIST,
    errno.ENOTDIR,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
}

_given: dict[str, Path | None] = {"config": None}


def set_config(path: Path | None) -> None:
    """Remember ``--config`` for the command that follows."""
    _given["config"] = path


def config_path() -> Path:
    """Tell which configuration file the command uses."""
    return find_config(_given["config"])


@contextmanager
def opened(*, as_json: bool = False, warn: bool = False) -> Iterator[Kbm]:
    """Open kbm for a command; a :class:`KbmError` inside ends it with its paragraph and exit code."""
    with told(as_json=as_json):
        settings = load_settings(config_path())
        if warn and not as_json:
            for line in settings.warnings():
                err.print(f"[yellow]note:[/yellow] {line}")
        with Kbm(settings) as kbm:
            yield kbm


@contextmanager
def told(*, as_json: bool = False) -> Iterator[None]:
    """Turn a :class:`KbmError`, a fault of the disk or an interruption into its paragraph and exit code."""
    try:
        yield
    except KbmError as error:
        raise fail(error, as_json=as_json) from None
    except KeyboardInterrupt:
        err.print("interrupted: what was finished is kept; run the same command again to go on")
        raise typer.Exit(130) from None
    except OSError as error:
        # A full disk or missing rights somewhere in the data folder; a bug would not be an OSError with a path.
        if error.errno not in _DISK_FAULTS:
            raise
        where = f" at {error.filename}" if error.filename else ""
        told = StorageFailed(
            f"the data folder cannot be written{where}: {error.strerror}",
            hint="what was finished is kept; make room or mend the rights, then run the same command again",
        )
        raise fail(told, as_json=as_json) from None


def who() -> str:
    """Name the person at the command line, for the log of decisions."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return f"uid {os.getuid()}"


def set_logging(level: str = "ERROR") -> None:
    """Send events to stderr: ``KBM_LOG=INFO`` shows them, ``KBM_LOG_FORMAT=json`` one JSON object a line."""
    chosen = os.environ.get("KBM_LOG", level).upper()
    as_json = os.environ.get("KBM_LOG_FORMAT") == "json"
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, chosen, logging.WARNING)),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _Log(sys.stderr))),
    )


class _Log:
    """A stream for events: one that cannot be written, as on a full disk, must not end what is logged there."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a line, if that is possible."""
        with suppress(OSError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        """Let it be read, if that is possible."""
        with suppress(OSError):
            self._stream.flush()
