"""Bring changes of folders into a release while they happen.

What the system tells of files is a hint and nothing more: it drops events without a word when many come at once,
and tells nothing of what another machine does on a share. A hint only says *which* source to look at; what changed
is found by a sync, which lists the whole folder. The same is done when watching starts and every hour, in any case.

Changes come in bursts, so a source is looked at once it has been quiet for two seconds, after a minute at the latest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from kbm.errors import KbmError
from kbm.ports import Clock

log = structlog.get_logger()

TRY_AGAIN_S = 30.0
_CHANGES = {"created", "modified", "moved", "deleted", "closed", "attrib"}
"""Events after which a folder may be another; reading its files, as a sync does, causes none of them."""
_GLOB = set("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When a source is looked at, in seconds: after it was quiet, at the latest, and without any hint."""

    quiet_s: float = 2.0
    longest_s: float = 60.0
    reconcile_s: float = 3600.0


class Hints:
    """Which sources may have changed; filled by the threads of the observer."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock, self._pace = clock, pace
        self._since: dict[str, tuple[float, float]] = {}  # source: first and last hint
        self._lock = threading.Lock()
        self.arrived = threading.Event()

    def give(self, sources: Iterable[str]) -> None:
        """Note that these sources changed just now."""
        now = self._clock.monotonic()
        with self._lock:
            for source in sources:
                first, _ = self._since.get(source, (now, now))
                self._since[source] = first, now
        self.arrived.set()

    def due_in(self) -> float | None:
        """Give the seconds until a source is to be looked at; None while there is no hint."""
        now = self._clock.monotonic()
        with self._lock:
            moments = [
                min(last + self._pace.quiet_s, first + self._pace.longest_s)
                for first, last in self._since.values()
            ]
        return max(min(moments) - now, 0.0) if moments else None

    def take(self) -> set[str]:
        """Give all hinted sources and forget them: hints from now on count anew."""
        with self._lock:
            taken, self._since = set(self._since), {}
        return taken


class Watch:
    """Watches *folders* by source, and has *look* bring sources up to date.

    *look* gets the sources; it raises ``KbmError`` when it could do nothing now, and is asked again later. *say*
    tells a person. Paths under *ignored* are kbm's own.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        look: Callable[[set[str]], None],
        say: Callable[[str], None],
        clock: Clock,
        *,
        ignored: Path,
        pace: Pace | None = None,
        try_again_s: float = TRY_AGAIN_S,
    ) -> None:
        self._folders, self._look, self._say, self._clock = folders, look, say, clock
        self._ignored = ignored.resolve()
        self._pace = pace or Pace()
        self._try_again_s = try_again_s
        self.hints = Hints(clock, self._pace)

    def run(self, stop: threading.Event) -> None:
        """Watch until *stop* is set; an interruption passes through and ends the observer."""
        observer = Observer()
        observer.start()
        try:
            self._loop(observer, stop)
        finally:
            observer.stop()
            observer.join()

    def _loop(self, observer: BaseObserver, stop: threading.Event) -> None:
        reconcile_at = self._clock.monotonic()
        not_before = reconcile_at
        while not stop.is_set():
            now = self._clock.monotonic()
            if now >= reconcile_at:
                reconcile_at = now + self._pace.reconcile_s
                todo = self._everything(observer)
            elif self.hints.due_in() == 0.0 and now >= not_before:
                todo = self.hints.take()
            else:
                self._wait(now, reconcile_at, not_before, stop)
                continue
            if not self._brought(todo):
                not_before = self._clock.monotonic() + self._try_again_s
                self.hints.give(todo)

    def _everything(self, observer: BaseObserver) -> set[str]:
        # Watched before it is listed: what changes in between is a hint, and not lost. All is watched anew, because a
        # folder that was unmounted or replaced meanwhile would never be heard of again.
        observer.unschedule_all()
        for source, folder in self._folders.items():
            self._observe(observer, source, folder)
        self.hints.take()
        return set(self._folders)

    def _brought(self, sources: set[str]) -> bool:
        """Have sources looked at; False when it is worth trying again soon."""
        try:
            self._look(sources)
        except (KbmError, OSError) as error:
            again = isinstance(error, OSError) or error.retryable
            when = f"in {self._try_again_s:.0f} s" if again else "when something changes"
            self._say(f"{', '.join(sorted(sources))}: {error}; tried again {when}")
            return not again
        return True

    def _wait(self, now: float, reconcile_at: float, not_before: float, stop: threading.Event) -> None:
        due_in = self.hints.due_in()
        until = reconcile_at - now
        if due_in is not None:
            until = min(until, max(due_in, not_before - now))
        self.hints.arrived.wait(max(min(until, 1.0), 0.01))
        if self.hints.arrived.is_set():
            self.hints.arrived.clear()
            stop.wait(0.02)  # in a burst, look at the clock some fifty times a second and not at every event

    def _observe(self, observer: BaseObserver, source: str, folder: Path) -> None:
        try:
            observer.schedule(_Handler(source, self._ignored, self.hints), str(folder), recursive=True)
        except OSError as error:
            every = f"looking every {self._pace.reconcile_s / 60:.0f} minutes"
            self._say(f"{source}: {folder} cannot be watched ({error.strerror or error}); {every}")


class _Handler(FileSystemEventHandler):
    def __init__(self, source: str, ignored: Path, hints: Hints) -> None:
        self._source, self._ignored, self._hints = source, ignored, hints

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Turn an event into a hint."""
        if event.event_type in _CHANGES and not self._is_own(event):
            self._hints.give([self._source])

    def _is_own(self, event: FileSystemEvent) -> bool:
        places = [Path(_text(place)) for place in (event.src_path, event.dest_path) if place]
        if event.is_directory and event.event_type == "modified":
            # A folder is modified when something in it is; that something has an event of its own.
            return True
        return all(place.is_relative_to(self._ignored) for place in places)


def watched_folder(url: str, root: Path) -> Path | None:
    """Give the folder that a source's ``url`` lies in, relative to *root*; None for an address elsewhere.

    A pattern means the folder above it, a file the folder it is in.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        url = unquote(parts.path)
    elif "://" in url:
        return None
    path = (root / Path(url).expanduser()).resolve()
    patterns = [at for at, part in enumerate(path.parts) if _GLOB & set(part)]
    if patterns and not path.exists():
        path = Path(*path.parts[: patterns[0]])
    return path.parent if path.is_file() else path


def _text(path: bytes | str) -> str:
    return path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
