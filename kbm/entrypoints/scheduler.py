"""The night inside ``kbm serve --with-scheduler``.

The night runs as a process of its own, with less right to the processors: answers neither slow down nor end with it.
A day has one night. The day is noted before its night starts, in a file that two services over one data folder share,
so a restart, a clock that is set back or the hour that comes twice in autumn starts no second one. The moment is the
wall clock's; the hour that is left out in spring moves the night behind it. Looking every few seconds, not sleeping
until then, is what makes a laptop that was asleep at that hour catch up when it wakes.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path

import structlog

from kbm.errors import Busy
from kbm.ports import Clock

log = structlog.get_logger()

LOOK_EVERY_S = 5.0
RETRY_AFTER_S = 15 * 60
END_WITHIN_S = 20.0
NICENESS = 10
_ENDINGS = {0: "done", 1: "failed", 2: "refused", 3: "held", Busy.exit_code: "busy"}


def night_command(config: Path) -> list[str]:
    """Give the command that runs one night."""
    return [sys.executable, "-m", "kbm", "--config", str(config), "nightly"]


class Scheduler:
    """Starts *command* once a day at *at*. *zone* is this machine's when it is not given."""

    def __init__(
        self,
        command: Sequence[str],
        at: time,
        noted: Path,
        clock: Clock,
        *,
        zone: tzinfo | None = None,
        end_within_s: float = END_WITHIN_S,
    ) -> None:
        self._command, self._at, self._noted, self._clock = list(command), at, noted, clock
        self._zone, self._end_within_s = zone, end_within_s
        self._night: subprocess.Popen[bytes] | None = None
        self._again_at: float | None = None
        self._is_retry = False
        self._stopped = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look at the clock in a thread while the block runs; a night under way then is ended with it."""
        thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            self.end_night()

    def tick(self) -> None:
        """Do what is due now: see whether the night ended, or start it."""
        if self._night is not None:
            code = self._night.poll()
            if code is not None:
                self._night = None
                self._ended(code)
        elif self._again_at is not None:
            if self._clock.monotonic() >= self._again_at:
                self._again_at, self._is_retry = None, True
                self._start()
        elif self._day_begins():
            self._is_retry = False
            self._start()

    def end_night(self) -> None:
        """End a night under way: ask its processes, then kill them. What it finished is kept."""
        if self._night is None:
            return
        night, self._night = self._night, None
        _signal(night, signal.SIGTERM)
        try:
            night.wait(self._end_within_s)
        except subprocess.TimeoutExpired:
            _signal(night, signal.SIGKILL)
            night.wait()
        log.warning("night_ended_early", pid=night.pid, exit_code=night.returncode)

    def _loop(self) -> None:
        while not self._stopped.is_set():
            try:
                self.tick()
            except OSError as error:  # a full disk, no processes left: the next look may find it mended
                log.warning("scheduler_failed", why=error.strerror)
            self._stopped.wait(LOOK_EVERY_S)

    def _start(self) -> None:
        # A session of its own: Ctrl-C at the service's terminal does not reach it, and its group can be ended whole.
        night = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        with suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, night.pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        self._night = night
        log.info("night_started", pid=night.pid, retry=self._is_retry)

    def _ended(self, code: int) -> None:
        again = code == Busy.exit_code and not self._is_retry
        if again:
            self._again_at = self._clock.monotonic() + RETRY_AFTER_S
        say = log.info if code in {0, 3} else log.warning
        say("night_ended", exit_code=code, outcome=_ENDINGS.get(code, "killed"), again=again)

    def _day_begins(self) -> bool:
        """Tell whether today's night is due, and note the day if it is."""
        now = self._clock.now()
        today = now.astimezone(self._zone).date()
        due = now >= self._moment(today)
        if not due and self._noted.exists():
            return False
        self._noted.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._noted, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            last = _read_day(os.pread(handle, 10, 0))
            if last is None or last > today + timedelta(days=1):
                # The first start, or a clock that was wrong for a while: count from here, and run nothing now.
                _write_day(handle, today if due else today - timedelta(days=1))
                return False
            if not due or last >= today:
                return False
            _write_day(handle, today)
            return True
        finally:
            os.close(handle)

    def _moment(self, day: date) -> datetime:
        """Give the moment of a day's night; of an hour that comes twice the first, of one left out the hour after."""
        local = datetime.combine(day, self._at)
        aware = local.astimezone() if self._zone is None else local.replace(tzinfo=self._zone)
        return aware.astimezone(UTC)


def _signal(night: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(night.pid, number)


def _read_day(stored: bytes) -> date | None:
    try:
        return date.fromisoformat(stored.decode("ascii"))
    except ValueError:  # nothing, or the rest of a write that was cut short
        return None


def _write_day(handle: int, day: date) -> None:
    os.pwrite(handle, day.isoformat().encode("ascii"), 0)
    os.fsync(handle)
