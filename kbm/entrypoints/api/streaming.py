"""Answers that arrive while they are made, as server-sent events.

They have an address of their own beside ``/ask``, rather than another form of the same response chosen by ``Accept``:
each address then gives one form, which is what a description, a generated client and a cache can rely on.

Searching is done before the first byte, so that whatever is wrong with a question is a normal problem. What fails
later comes as ``event: problem``. Work goes on in a thread; when the client leaves, it ends at the next sentence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Depends
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Send

from kbm.domain.access import Action
from kbm.domain.answers import Answer, AnswerSentence
from kbm.entrypoints.api.access import Allowed, KbmDep, SubjectDep
from kbm.entrypoints.api.examples import ANSWER
from kbm.entrypoints.api.problems import body_of
from kbm.entrypoints.api.routes import ASKED, GptName
from kbm.entrypoints.api.schemas import AnswerOut, AskIn, SentenceOut
from kbm.errors import KbmError
from kbm.services.ask import PASSAGES_READ
from kbm.services.retrieve import Caller

log = structlog.get_logger()
T = TypeVar("T")

router = APIRouter()
_DONE = object()
_EXAMPLE = "".join(
    format_sse_event(event=event, data_str=body.model_dump_json()).decode()
    for event, body in (("sentence", ANSWER.sentences[0]), ("answer", ANSWER))
)


class Streamed(StreamingResponse):
    """Server-sent events that end their source whatever becomes of the client."""

    media_type = "text/event-stream"

    def __init__(self, parts: AsyncGenerator[bytes]) -> None:
        super().__init__(parts, headers={"X-Accel-Buffering": "no"})
        self._parts = parts

    async def stream_response(self, send: Send) -> None:
        """Send the parts as they come."""
        async with aclosing(self._parts):
            await super().stream_response(send)


async def in_thread(made: Iterator[T]) -> AsyncGenerator[T]:
    """Give what an iterator gives, each step in a thread; closing this closes it."""
    try:
        while (part := await anyio.to_thread.run_sync(next, made, _DONE)) is not _DONE:
            yield part  # type: ignore[misc]
    finally:
        if isinstance(made, Generator):
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(made.close)


@router.post(
    "/v1/gpts/{gpt}/ask/stream",
    operation_id="askInParts",
    status_code=200,
    response_class=Streamed,
    response_model=None,
    responses={
        200: {"description": "Events.", "content": {"text/event-stream": {"example": _EXAMPLE}}},
        **ASKED,
    },
    tags=["answers"],
)
def post_ask_stream(
    gpt: GptName,
    body: AskIn,
    kbm: KbmDep,
    subject: SubjectDep,
    caller: Annotated[Caller, Depends(Allowed(Action.ASK))],
) -> Streamed:
    """Answer a question in parts: `event: sentence` for each one, then `event: answer` with the whole answer."""
    if body.release is not None:
        kbm.access.allow(subject, Action.RELEASE, gpt)
    made = kbm.ask.stream(
        gpt,
        body.question,
        caller,
        release=body.release,
        user=body.user,
        k=body.k or PASSAGES_READ,
        filters=body.filters.read(),
    )
    return Streamed(events_of(made))


async def events_of(made: Iterator[AnswerSentence | Answer]) -> AsyncGenerator[bytes]:
    """Give an answer in parts as events; what fails in between is the last one."""
    try:
        async with aclosing(in_thread(made)) as parts:
            async for part in parts:
                yield event_of(part)
    except KbmError as error:
        yield _problem(error.http_status, error.code, error.told, error.hint)
    except Exception:
        log.exception("answer_broke_off")
        yield _problem(500, "fault", "kbm failed on this answer", "the log says why")


def event_of(part: AnswerSentence | Answer) -> bytes:
    """Say a sentence or the whole answer as an event."""
    if isinstance(part, Answer):
        return format_sse_event(event="answer", data_str=AnswerOut.of(part).model_dump_json())
    said = SentenceOut(text=part.text, citations=list(part.citations))
    return format_sse_event(event="sentence", data_str=said.model_dump_json())


def _problem(status: int, code: str, detail: str, hint: str) -> bytes:
    return format_sse_event(event="problem", data_str=body_of(status, code, detail, hint).model_dump_json())
