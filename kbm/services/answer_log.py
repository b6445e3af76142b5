"""Write every answer down without letting anybody wait for it, and tell who wants to know.

One thread writes, in order. What it still has to write is counted: a backlog that grows means a disk that is slow or
a journal that somebody holds.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

import structlog

from kbm.domain.answers import Answer
from kbm.domain.identity import ChunkId
from kbm.domain.questions import Asker
from kbm.services.needs import Journal
from kbm.services.retrieve import Caller

log = structlog.get_logger()

WAIT_S = 0.1
"""An answer never waits longer than this for its line in the journal."""

NOT_WRITTEN = "this answer could not be written down: it has no receipt, and nobody can give feedback on it"
"""What is said of an answer that was not, for instance because the disk is full."""

_KEY, _PERSON = "key:", "oidc:"

Listener = Callable[[Answer, Caller], None]
"""Is told of every answer that was given; must be quick, and must not raise."""


class AnswerLog:
    """Writes answers into the journal. Close it when done."""

    def __init__(self, journal: Journal) -> None:
        self.listeners: list[Listener] = []
        self._journal = journal
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._lock, self._n_waiting = threading.Lock(), 0

    @property
    def n_waiting(self) -> int:
        """Count the answers that were given and are not written down yet."""
        return self._n_waiting

    def put(
        self,
        made: Answer,
        question: str,
        hits: tuple[ChunkId, ...],
        caller: Caller,
        user: str | None,
        *,
        then: Callable[[], None] = lambda: None,
    ) -> bool:
        """Write an answer down, and do *then*; waits for that as long as an answer may wait.

        False says that it failed by then: this answer has no receipt.
        """
        for listener in self.listeners:
            listener(made, caller)
        with self._lock:
            self._n_waiting += 1
        context = contextvars.copy_context()  # the request's id, for what is logged
        writing = self._writer.submit(
            context.run, self._write, made, question, hits, asker_of(caller, user), then
        )
        # What failed is known before it is told: writing a traceback takes longer than an answer waits.
        writing.add_done_callback(lambda done: context.run(_tell, made, done))
        wait_for([writing], timeout=WAIT_S)
        return not writing.done() or writing.exception() is None

    def settle(self) -> None:
        """Wait until every answer given so far is in the journal."""
        self._writer.submit(lambda: None).result()

    def close(self) -> None:
        """Wait until every answer is in the journal."""
        self._writer.shutdown(wait=True)

    def _write(
        self, made: Answer, question: str, hits: tuple[ChunkId, ...], asker: Asker, then: Callable[[], None]
    ) -> None:
        try:
            self._journal.record(made, question, hits, asker)
        finally:
            with self._lock:
                self._n_waiting -= 1
            then()


def _tell(made: Answer, done: Future[None]) -> None:
    """Log that a line was lost: that must be seen, but must not cost the answer."""
    if done.exception() is not None:
        log.error("answer_not_logged", answer_id=made.id, gpt=made.gpt, exc_info=done.exception())


def asker_of(caller: Caller, user: str | None) -> Asker:
    """Say who asked: their label, else the person that the identity provider vouches for, and which key and door."""
    label = (user or "").strip() or (caller.subject if caller.subject.startswith(_PERSON) else "")
    key_id = caller.subject.removeprefix(_KEY) if caller.subject.startswith(_KEY) else ""
    return Asker(label=label, key_id=key_id, door=caller.door)
