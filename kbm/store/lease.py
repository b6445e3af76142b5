"""One process at a time works on a data folder, and one that was taken for dead can write nothing more.

Two things are held together. An ``flock`` on ``work.lock``: the system gives it free when its holder dies, so there
is nothing to clean up after a ``kill -9``; the file's content names the holder for people. And a row in SQL with a
token, which each holder raises, and the time it is good for, which a thread renews: a process that was stopped or
hangs keeps its flock for ever, but not its lease.

**A lease that ran out is taken over.** The token is raised first: from then on every write transaction of the earlier
holder is refused (:class:`Fence`), whatever becomes of it. Then it is killed, because it may have the vectors and an
index folder open, and two writers of Chroma lose vectors without a word. Killed is only the very process that the
flock's file and the row both name, by a handle that a later process of the same number does not answer to.

**Time is CLOCK_MONOTONIC**, one for all processes since boot, so that setting the wall clock moves nothing. After a
restart and on another machine it says nothing; there the flock alone decides.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy import select as query
from sqlalchemy.exc import DBAPIError

from kbm.errors import Busy, LeaseLost, StorageFailed
from kbm.faults import fault_point
from kbm.ports import Clock
from kbm.store.engine import to_json, writing
from kbm.store.schema import lease

log = structlog.get_logger()

NAME = "work"
"""The one lease: sources, vectors and processor cores are shared by all GPTs."""

GOOD_FOR_S = 60.0
RENEW_EVERY_S = 10.0
TRY_AGAIN_S = 1.0
"""After a renewal that failed, for instance because the disk is full."""
NAMED_WITHIN_S = 2.0
END_WITHIN_S = 5.0
"""How long a killed process may take to go; one that waits for a disk that is away never does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that works; ``started`` in clock ticks since boot tells it from a later one of the same number."""

    pid: int
    started: int
    host: str
    boot: str
    work: str
    since: str

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.work}, process {self.pid} on {self.host} since {self.since}"

    @property
    def lives_here(self) -> bool:
        """Tell whether it is a running or stopped process of this machine, and not this one itself."""
        here = (self.host, self.boot) == (socket.gethostname(), _boot())
        return here and self.pid != os.getpid() and _started(self.pid) == self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    token: int = 0
    holder: Holder | None = None
    until: float = 0.0


class Fence:
    """Stands before every write transaction of a catalogue while its process holds the lease."""

    def __init__(self) -> None:
        self.token: int | None = None

    def check(self, connection: Connection) -> None:
        """Let the transaction begin; without a lease there is nothing to check.

        Raises:
            LeaseLost: another process raised the token.
        """
        if self.token is None:
            return
        found = _read(connection)
        if found.token != self.token:
            other = f": {found.holder}" if found.holder and found.holder.pid != os.getpid() else ""
            raise LeaseLost(
                f"this process gave no sign of life for {GOOD_FOR_S:.0f} s, so another one took its work over{other}",
                hint="what was finished before is kept, nothing was written since; "
                "once the other one is done, run the same command again",
            )


class Leases:
    """The catalogue's part about who works."""

    def __init__(
        self,
        engine: Engine,
        fence: Fence,
        clock: Clock,
        folder: Path,
        *,
        renew_every_s: float = RENEW_EVERY_S,
    ) -> None:
        self._reads, self._writes, self._fence, self._clock = engine, writing(engine), fence, clock
        self._folder, self._renew_every_s = folder, renew_every_s

    @contextmanager
    def hold(self, work: str) -> Iterator[None]:
        """Hold the data folder for a piece of work.

        Raises:
            Busy: another process holds it; it is named, and nothing was changed.
            LeaseLost: another one took over meanwhile, at the latest when the work ends.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / "work.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._lock(handle)
            holder = Holder(
                pid=os.getpid(),
                started=_started(os.getpid()) or 0,
                host=socket.gethostname(),
                boot=_boot(),
                work=work,
                since=self._clock.now().isoformat(timespec="seconds"),
            )
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(holder).encode(), 0)
            try:
                self._fence.token = self._take(holder)
                with self._renewed():
                    yield
            finally:
                self._fence.token = None
                # Whoever is named in the file holds the lock: a row that could not be cleared must not
                # make the next one kill a process that has long gone on to other things.
                os.ftruncate(handle, 0)
        finally:
            os.close(handle)

    # -- the flock -------------------------------------------------------------------------------------------

    def _lock(self, handle: int) -> None:
        """Take the flock, from a holder whose lease ran out by ending it."""
        if _locked(handle):
            found = self._found()
            if found.holder and found.holder.lives_here and not self._ran_out(found):
                raise self._busy(str(found.holder), "its work.lock was removed; wait until it is done")
            return
        named = _named(handle)
        found = self._found()
        if found.holder is None or not self._ran_out(found):
            raise self._busy(named, "wait until it is done and run the command again")
        self._end(found, found.holder, named)
        for _ in range(int(END_WITHIN_S / 0.05)):
            if _locked(handle):
                return
            time.sleep(0.05)
        raise self._busy(_named(handle), "wait until it is done, or end it, and run the command again")

    def _end(self, found: _Row, holder: Holder, named: str) -> None:
        """Fence a holder that was stopped or hangs, then kill it."""
        hint = f"it gave no sign of life for {GOOD_FOR_S:.0f} s; end it where it runs, then run the command again"
        if str(holder) != named or not holder.lives_here:
            raise self._busy(named, hint)
        try:
            process = os.pidfd_open(holder.pid)
        except OSError as error:
            raise self._busy(named, hint) from error
        try:
            if not holder.lives_here:  # the handle may be that of a later process
                raise self._busy(named, hint)
            try:
                signal.pidfd_send_signal(process, 0)
            except OSError as error:
                raise self._busy(named, hint) from error
            if not self._raise_token(found):
                raise self._busy(named, "wait until it is done and run the command again")
            signal.pidfd_send_signal(process, signal.SIGKILL)
            gone = select.poll()
            gone.register(process, select.POLLIN)
            gone.poll(END_WITHIN_S * 1000)
        finally:
            os.close(process)
        log.warning("lease_taken_over", pid=holder.pid, work=holder.work, since=holder.since)

    def _busy(self, named: str, hint: str) -> Busy:
        return Busy(
            f"another process works on {self._folder}: {named or 'unknown'}",
            hint=f"{hint}; nothing was changed",
        )

    # -- the row ---------------------------------------------------------------------------------------------

    def _found(self) -> _Row:
        with self._reads.connect() as connection:
            return _read(connection)

    def _ran_out(self, found: _Row) -> bool:
        return self._clock.monotonic() > found.until

    def _raise_token(self, found: _Row) -> bool:
        """Refuse all further writes of the holder; the row goes on naming it until it is gone.

        False says that there is nothing to refuse: it came back to life, or a third one was faster.
        """
        try:
            with fault_point("lease.fence"), self._writes.begin() as connection:
                raised = connection.execute(
                    update(lease)
                    .where(lease.c.name == NAME, lease.c.token == found.token, lease.c.until == found.until)
                    .values(token=found.token + 1)
                )
            return raised.rowcount > 0
        except Busy:
            # It was stopped in the middle of a transaction, so nobody can write until it is gone. It cannot
            # either: killed, it leaves nothing of the transaction, and whoever comes next raises the token.
            return self._found() == found

    def _take(self, holder: Holder) -> int:
        """Write the holder's name under a token of its own; the caller has the flock."""
        values = {"holder": to_json(asdict(holder)), "until": self._clock.monotonic() + GOOD_FOR_S}
        with fault_point("lease.take"), self._writes.begin() as connection:
            token = _read(connection).token + 1
            changed = connection.execute(
                update(lease).where(lease.c.name == NAME).values(token=token, **values)
            )
            if changed.rowcount == 0:
                connection.execute(insert(lease).values(name=NAME, token=token, **values))
        return token

    @contextmanager
    def _renewed(self) -> Iterator[None]:
        """Renew the lease until the work ends, then give it free."""
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew_until, args=(ended,), name="lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
            self._release()

    def _renew_until(self, ended: threading.Event) -> None:
        wait_s = self._renew_every_s
        while not ended.wait(wait_s):
            wait_s = self._renew_every_s
            try:
                self._renew()
            except LeaseLost:
                log.warning("lease_lost")
                return  # the work finds out by its next write
            except (Busy, StorageFailed, DBAPIError, OSError) as error:
                # The work goes on: whether it can write is its own affair, and the lease is good for a while yet.
                log.warning("lease_not_renewed", why=type(error).__name__)
                wait_s = min(TRY_AGAIN_S, self._renew_every_s)

    def _renew(self) -> None:
        until = self._clock.monotonic() + GOOD_FOR_S
        with fault_point("lease.renew"), self._writes.begin() as connection:
            connection.execute(update(lease).where(lease.c.name == NAME).values(until=until))

    def _release(self) -> None:
        with fault_point("lease.release"), self._writes.begin() as connection:
            connection.execute(update(lease).where(lease.c.name == NAME).values(holder=None, until=None))


def _read(connection: Connection) -> _Row:
    row = connection.execute(query(lease).where(lease.c.name == NAME)).first()
    if row is None:
        return _Row()
    holder = Holder(**json.loads(row.holder)) if row.holder else None
    return _Row(token=row.token, holder=holder, until=row.until or 0.0)


def _named(handle: int) -> str:
    """Read who holds the flock; one that took it a moment ago is given the time to write its name."""
    for _ in range(int(NAMED_WITHIN_S / 0.05)):
        named = os.pread(handle, 1000, 0).decode("utf-8", "replace").strip()
        if named:
            return named
        time.sleep(0.05)
    return ""


def _locked(handle: int) -> bool:
    """Take the flock if nobody has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _boot() -> str:
    """Name this run of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _started(pid: int) -> int | None:
    """Tell when a process started, in clock ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name in brackets may hold anything; what follows is the state, and the start 19 fields later.
    fields = told.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
