"""Parse documents in reused worker processes; what the services call.

A process per document would be the simplest isolation, but importing the office parsers takes 2 to 3 s against a
median of some 10 ms for a document. So a worker serves many documents and is replaced when it dies, is killed,
has served its number or keeps too much memory; one bad document costs at most one worker and never the run.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.domain.identity import Digest, digest
from kbm.errors import ParseFailed
from kbm.parsing import media_types, wire
from kbm.parsing.limits import MEGABYTE, Limits
from kbm.parsing.processes import Worker, WorkerDied, WorkerSpawning, WorkerTooLarge, WorkerTooSlow
from kbm.parsing.tools import LANGUAGES_VARIABLE, SECONDS_VARIABLE, CallsTools
from kbm.ports import Parser


class ParsingPool:
    """Parsers by name, run in at most *workers* processes. Any number of threads may use one pool.

    A parser is named to its worker by module and class, so it must be importable there and need no arguments.
    Where two parsers read a media type, an installed plug-in comes before kbm's own, then the first by name.
    """

    def __init__(
        self,
        parsers: Mapping[str, Parser],
        limits: Limits | None = None,
        workers: int = 1,
        languages: Sequence[str] = ("de", "en", "fr"),
    ) -> None:
        """Take *parsers*; *languages* are those that text recognition looks for."""
        self._limits = limits or Limits()
        self._languages = tuple(languages)
        self._by_type = _by_media_type(parsers)
        self._places = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._closed = False

    def __enter__(self) -> ParsingPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def digest_for(self, blob: Blob, *, recognise: bool = False) -> Digest:
        """Name how *blob* would be parsed: the same digest gives the same elements. Starts no process.

        With *recognise*: how the parser would that also reads pictures of text, for kinds that have another for it.

        Raises:
            ParseFailed: no parser would take it.
        """
        return self._digest(*self._choose(blob, recognise=recognise))

    def digests(self) -> frozenset[Digest]:
        """Give every digest that :meth:`digest_for` can give now; others are of earlier or removed parsers."""
        return frozenset(self._digest(media_type, parser) for media_type, parser in self._by_type.items())

    def parse(self, blob: Blob, *, recognise: bool = False) -> ParsedDocument:
        """Parse *blob*; waits for a free worker. *recognise* as in :meth:`digest_for`.

        Raises:
            ParseFailed: with the reason under which the document is quarantined.
        """
        media_type, parser = self._choose(blob, recognise=recognise)
        with self._places:
            worker = self._take()
            healthy = False
            try:
                parsed = self._exchange(worker, blob, media_type, parser)
                healthy = True
                return parsed
            except _Refused as refusal:
                healthy = refusal.healthy
                raise refusal.failure from None
            finally:
                self._give_back(worker, healthy=healthy)

    def close(self) -> None:
        """End all workers; a parse that is running fails with ``CRASHED``."""
        with self._lock:
            self._closed = True
            workers, self._all, self._idle = list(self._all), set(), []
        for worker in workers:
            worker.kill()

    def _choose(self, blob: Blob, *, recognise: bool) -> tuple[str, Parser]:
        size = len(blob.data)
        if size > self._limits.document_bytes:
            allowed = self._limits.document_bytes // MEGABYTE
            raise ParseFailed(
                Reason.TOO_LARGE,
                f"The file has {size // MEGABYTE} MB, {allowed} are allowed: split it or leave it out.",
            )
        media_type = media_types.recognise(blob)
        if recognise:
            media_type = media_types.AS_SCAN.get(media_type, "")
        parser = self._by_type.get(media_type)
        if parser is None or (_recognises(parser) and not self._limits.recognition_s):
            raise ParseFailed(
                Reason.UNSUPPORTED,
                f"No parser for {media_type} is installed: save it as PDF, DOCX or text, or install a plug-in.",
            )
        return media_type, parser

    def _take(self) -> Worker:
        with self._lock:
            if self._closed:
                raise RuntimeError("the parsing pool is closed")
            if self._idle:
                return self._idle.pop()
            worker = Worker(self._limits, self._told())
            self._all.add(worker)
            return worker

    def _give_back(self, worker: Worker, *, healthy: bool) -> None:
        worker.documents += 1
        keep = (
            healthy
            and worker.documents < self._limits.recycle_documents
            and worker.memory() <= self._limits.recycle_memory_bytes
        )
        with self._lock:
            if keep and not self._closed:
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.kill()

    def _told(self) -> dict[str, str]:
        return {
            LANGUAGES_VARIABLE: ",".join(self._languages),
            SECONDS_VARIABLE: f"{self._limits.recognition_s:g}",
        }

    def _digest(self, media_type: str, parser: Parser) -> Digest:
        parts = [media_type, parser.name, parser.version]
        if isinstance(parser, CallsTools):
            parts.append(parser.tools(media_type, self._languages))
        return digest("parser", *parts)

    def _exchange(self, worker: Worker, blob: Blob, media_type: str, parser: Parser) -> ParsedDocument:
        limits = self._limits
        allowed_s = limits.recognition_s if _recognises(parser) else limits.wall_s
        kind = type(parser)
        head: wire.Head = {
            "parser": f"{kind.__module__}:{kind.__qualname__}",
            "media_type": media_type,
            "name": blob.name,
            "declared": blob.media_type,
        }
        try:
            start_by = time.monotonic() + limits.start_s
            if worker.documents == 0:
                worker.receive(start_by)
            worker.send(head, blob.data, start_by)
            answer, body = worker.receive(start_by)
            if "loaded" in answer:
                answer, body = worker.receive(time.monotonic() + allowed_s)
            if "failed" in answer:
                raise _refusal(answer)
            return wire.decode_document(answer, body)
        except WorkerTooSlow as error:
            raise _Refused(Reason.TIMEOUT, _too_slow(allowed_s)) from error
        except WorkerTooLarge as error:
            raise _Refused(Reason.OUT_OF_MEMORY, _too_large(limits)) from error
        except WorkerSpawning as error:
            message = f"The parser started more than {limits.processes} processes: leave the file out."
            raise _Refused(Reason.CRASHED, message) from error
        except WorkerDied as error:
            raise _death(error, worker, limits) from error
        except wire.BadFrame as error:
            raise _Refused(
                Reason.CRASHED, f"The parser answered nonsense ({error}): leave the file out."
            ) from error


def _recognises(parser: Parser) -> bool:
    """Tell whether a parser recognises text, which takes longer than reading it."""
    return bool(getattr(parser, "recognises_text", False))


class _Refused(Exception):
    """A document failed; ``healthy`` tells whether its worker may serve another."""

    def __init__(self, reason: Reason, message: str, *, healthy: bool = False) -> None:
        self.failure = ParseFailed(reason, message)
        self.healthy = healthy
        super().__init__(message)


def _refusal(answer: wire.Head) -> _Refused:
    """Turn a worker's own account of a failure into an error; unknown reasons count as a crash."""
    reason = Reason.CRASHED
    with contextlib.suppress(ValueError):
        reason = Reason(str(answer["failed"]))
    message = str(answer.get("message", ""))
    if reason is Reason.OUT_OF_MEMORY and not message:
        message = "Parsing needed too much memory: split the file, or raise the memory limit of parsing."
    if not message:
        detail = str(answer.get("detail", ""))
        message = f"The parser failed on this file ({detail}): open and save it again, or store it as PDF."
    return _Refused(reason, message, healthy=not answer.get("worn", False))


def _too_slow(allowed_s: float) -> str:
    return f"Parsing took longer than {allowed_s:g} s: split the file, or raise the time limit of parsing."


def _too_large(limits: Limits) -> str:
    allowed = limits.memory_bytes // MEGABYTE
    return f"Parsing needed more than {allowed} MB of memory: split the file, or raise the memory limit of parsing."


def _death(error: WorkerDied, worker: Worker, limits: Limits) -> _Refused:
    if error.status == -signal.SIGXCPU:
        return _Refused(Reason.TIMEOUT, _too_slow(limits.cpu_s))
    # C code answers a refused allocation with a crash; and the kernel's own guard kills with SIGKILL.
    starved = worker.peak_bytes > 0.7 * limits.memory_bytes or "MemoryError" in error.output
    if starved or "bad_alloc" in error.output:
        return _Refused(Reason.OUT_OF_MEMORY, _too_large(limits))
    how = _signal_name(-error.status) if error.status < 0 else f"exit status {error.status}"
    last = error.output.rsplit("\n", 1)[-1][:200]
    detail = f"{how}; last words: {last}" if last else how
    return _Refused(
        Reason.CRASHED, f"The parser died on this file ({detail}): open and save it again, or leave it out."
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _by_media_type(parsers: Mapping[str, Parser]) -> dict[str, Parser]:
    chosen: dict[str, Parser] = {}
    order = sorted(parsers.items(), key=lambda item: (type(item[1]).__module__.startswith("kbm."), item[0]))
    for _, parser in order:
        for media_type in sorted(parser.media_types):
            chosen.setdefault(media_type, parser)
    return chosen
