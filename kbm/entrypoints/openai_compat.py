"""The door for programs that speak to OpenAI: ``/v1/chat/completions`` and ``/v1/models``; a model is a GPT.

The last message of the user is the question. Earlier ones and system messages are not read: an answer is a function
of release, readers and question, and a conversation is not part of it. Nothing is worded for this door: the text is
the answer's own sentences with ``[1]``, the list of sources, and the notice that every answer carries. What else an
answer knows of itself comes in the field ``kbm``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from kbm.bootstrap import Kbm
from kbm.domain.access import Action
from kbm.domain.answers import Answer, AnswerSentence, Citation
from kbm.domain.language import guess_language
from kbm.entrypoints.api.access import Allowed, KbmDep, SubjectDep
from kbm.entrypoints.api.problems import COMPLETIONS, MODELS, openai_error
from kbm.entrypoints.api.schemas import AnswerOut
from kbm.entrypoints.api.streaming import Streamed, in_thread
from kbm.errors import KbmError, NotFound, UsageError
from kbm.services.retrieve import Caller

log = structlog.get_logger()

DOOR = "openai"
MAX_BODY_BYTES = 1_000_000
"""Programs send the whole conversation each time, though only its last question is read."""
CHARS_PER_TOKEN = 4
"""By which usage is estimated: no model need be at work, so there are no tokens to count."""
_SAID_IN_TEXT = {"answer", "sentences"}
_SOURCES = {"de": "Quellen", "en": "Sources", "fr": "Sources"}
_UNSUPPORTED = {
    "tools": "tools",
    "functions": "functions",
    "response_format": "response formats",
    "modalities": "modalities",
    "audio": "audio",
}

_USER_CHARS = 200

Json = dict[str, Any]  # Any: JSON
router = APIRouter(include_in_schema=False)
MayAsk = Annotated[Caller, Depends(Allowed(Action.ASK, door=DOOR))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    text: str = ""


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(BaseModel):
    include_usage: bool = False


class CompletionIn(BaseModel):
    """What is read of a request; temperature and the like are taken and ignored."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(max_length=200)
    messages: list[_Message] = Field(min_length=1, max_length=500)
    stream: bool = False
    stream_options: _StreamOptions | None = None
    user: str | None = None
    n: int | None = None

    def question(self) -> str:
        """Give the last message of the user.

        Raises:
            UsageError: there is none, or it asks for what this door has not.
        """
        extra = self.model_extra or {}
        for name, said in _UNSUPPORTED.items():
            if extra.get(name) and extra[name] not in ({"type": "text"}, ["text"]):
                raise UsageError(f"{said} are not supported: an answer is text with its sources")
        if self.n not in (None, 1):
            raise UsageError("n must be 1: the same question always gets the same answer")
        asked = [one.content for one in self.messages if one.role == "user"]
        if not asked:
            raise UsageError("no message of role 'user': the last one is the question")
        content = asked[-1] or ""
        if isinstance(content, str):
            return content
        if any(part.type != "text" for part in content):
            raise UsageError("a question is text: images, audio and files are not supported")
        return "\n".join(part.text for part in content)


@router.post(COMPLETIONS)
def post_completion(body: CompletionIn, kbm: KbmDep, subject: SubjectDep, caller: MayAsk) -> Response:
    """Answer the last message of the user."""
    gpt, _, release = body.model.partition("@")
    kbm.access.allow(subject, Action.ASK, gpt)
    if release:
        kbm.access.allow(subject, Action.RELEASE, gpt)
    question = body.question()
    head = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "created": int(kbm.clock.now().timestamp()),
        "model": body.model,
    }
    user = body.user[:_USER_CHARS] if body.user else None
    if body.stream:
        made = kbm.ask.stream(gpt, question, caller, release=release or None, user=user)
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        return Streamed(_chunks(head, question, made, with_usage=with_usage))
    answer = kbm.ask.run(gpt, question, caller, release=release or None, user=user)
    text = (answer.text + tail_of(answer, question)).strip()
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    return JSONResponse(
        {
            **head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": _usage(question, text),
            "kbm": _about(answer),
        }
    )


@router.get(MODELS)
def get_models(kbm: KbmDep, caller: MayAsk) -> Json:
    """List the GPTs that the caller may ask and that have a release to answer from."""
    mine = [_model(kbm, name) for name in kbm.settings.gpts if caller.may_ask(name)]
    return {"object": "list", "data": [one for one in mine if one is not None]}


@router.get(MODELS + "/{gpt}", dependencies=[Depends(Allowed(Action.ASK, door=DOOR))])
def get_model(gpt: str, kbm: KbmDep) -> Json:
    """Show one of them."""
    shown = _model(kbm, gpt)
    if shown is None:
        raise NotFound("GPT", gpt)
    return shown


def _model(kbm: Kbm, gpt: str) -> Json | None:
    live = kbm.catalogue.releases.live(gpt)
    if live is None:
        return None
    at = live.published_at or live.created_at
    return {"id": gpt, "object": "model", "created": int(at.timestamp()), "owned_by": kbm.settings.kbm.name}


async def _chunks(
    head: Json, question: str, made: Iterator[AnswerSentence | Answer], *, with_usage: bool
) -> AsyncGenerator[bytes]:
    """Give the events of a stream; the last one with a choice also has the field ``kbm``."""
    head = {**head, "object": "chat.completion.chunk"}

    def chunk(delta: Json, finish: str | None = None, **more: Any) -> bytes:  # Any: JSON
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**head, "choices": [choice], **more})

    text = ""
    try:
        yield chunk({"role": "assistant", "content": ""})
        async with aclosing(in_thread(made)) as parts:
            async for part in parts:
                said = tail_of(part, question) if isinstance(part, Answer) else part.marked
                said = said.lstrip() if not text else said if isinstance(part, Answer) else f" {said}"
                text += said
                yield chunk({"content": said})
                if isinstance(part, Answer):
                    yield chunk({}, "stop", kbm=_about(part))
        if with_usage:
            yield _event({**head, "choices": [], "usage": _usage(question, text)})
    except KbmError as error:
        yield _event(openai_error(error.http_status, error.code, error.told, error.hint))
    except Exception:
        log.exception("answer_broke_off")
        yield _event(openai_error(500, "fault", "kbm failed on this answer", "the log says why"))
    yield b"data: [DONE]\n\n"


def tail_of(answer: Answer, question: str) -> str:
    """Give what follows the sentences: the sources by number, and the notice with the release."""
    notice = f"{answer.notice} ({answer.gpt} {answer.release})"
    if not answer.citations:
        return f"\n\n{notice}"
    title = _SOURCES.get(guess_language(question), _SOURCES["en"])
    return "\n".join(("", "", f"{title}:", *(_source(one) for one in answer.citations), "", notice))


def _source(citation: Citation) -> str:
    passage = citation.passage
    place = " › ".join((passage.title, *(one for one in passage.section if one != passage.title)))
    page = f", p. {passage.page}" if passage.page else ""
    return f"[{citation.n}] {place}{page}: {citation.url}"


def _about(answer: Answer) -> Json:
    return AnswerOut.of(answer).model_dump(mode="json", exclude=_SAID_IN_TEXT)


def _usage(question: str, text: str) -> Json:
    asked, said = (-(-len(one) // CHARS_PER_TOKEN) for one in (question, text))
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _event(body: Json) -> bytes:
    return format_sse_event(data_str=json.dumps(body, ensure_ascii=False))
