"""The door of GPT actions: three operations, and the description that ChatGPT's editor reads.

Actions live within limits that other callers do not have: 45 seconds, 100,000 characters a response, 300 characters
a description, 700 a parameter, no headers of one's own. So this door has routes of its own, whose responses are cut
to fit and say so, and shapes without null, which the editor does not always take.

The editor fetches the description without any key. Where keys are needed, whoever comes without one gets the same
description for every name, whether or not there is such a GPT, and without its title: nothing is told that was not
in the question, so its address needs to be no secret. A caller with a key gets the title; where no key is needed,
everybody does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Self, TypeVar

from fastapi import APIRouter, Depends, Path, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from kbm import __version__
from kbm.domain.access import Action
from kbm.domain.answers import Answer, Verdict
from kbm.domain.questions import MAX_QUESTION_CHARS
from kbm.entrypoints.api.access import Allowed, KbmDep
from kbm.entrypoints.api.schemas import Problem
from kbm.errors import KeyRefused
from kbm.services.retrieve import Caller, Retrieved

MAX_DESCRIPTION_CHARS = 300
MAX_PARAMETER_CHARS = 700
MAX_RESPONSE_BYTES = 90_000
"""ChatGPT takes less than 100,000 characters; no text has more characters than bytes."""
MOST_HITS = 10
_TITLE_CHARS = 80
_LABEL_CHARS = 300
_LONG = frozenset({"text", "quote", "answer"})
_DOOR = "action"
_CONVERSATION = "openai-conversation-id"
"""ChatGPT sends it with each call: questions asked again in one conversation are seen to belong together."""
_USER_CHARS = 200

GptInPath = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$", examples=["offers"])]

router = APIRouter(prefix="/gpts/{gpt}")
operations = APIRouter(prefix="/gpts/{gpt}/actions")

_HARMLESS = {"x-openai-isConsequential": False}
_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "It could not be done; `detail` and `hint` say why.",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
}


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ActionQuestion(_In):
    """A question."""

    question: str = Field(
        min_length=1,
        max_length=MAX_QUESTION_CHARS,
        description="The user's question in German, English or French, at most 4,000 characters.",
    )


class ActionQuery(_In):
    """A search."""

    query: str = Field(
        min_length=1,
        max_length=MAX_QUESTION_CHARS,
        description="Words or a question, in German, English or French.",
    )
    k: int = Field(default=5, ge=1, le=MOST_HITS, description="How many passages to give.")


class ActionFeedback(_In):
    """What the user thought of an answer."""

    answer_id: str = Field(max_length=64, description="The answer_id of the answer that is meant.")
    verdict: Verdict = Field(description="helpful, unhelpful, or problem if something in it is wrong.")
    comment: str = Field(default="", max_length=4000, description="What the user said about it.")


class ActionCitation(BaseModel):
    """A verbatim quote and where it stands."""

    n: int = Field(description="Its number in the answer.")
    quote: str
    title: str
    url: str = Field(description="Shows the quote in its document.")
    section: str
    page: int | None
    modified_at: datetime | None
    stale: bool = Field(description="Whether the document is older than its owner allows.")


class ActionAnswer(BaseModel):
    """An answer with its citations."""

    answer_id: str
    outcome: str = Field(
        description="answered, uncertain (say so), or unanswered (say that it is not known)."
    )
    answer: str = Field(description="Sentences with [n] for their citations; empty if unanswered.")
    citations: list[ActionCitation]
    confidence: float
    notice: str = Field(description="To be shown to the user.")
    release: str = Field(description="The release of the knowledge that answered.")
    ai_generated: bool = True
    truncated: bool = Field(default=False, description="Whether texts were cut to fit; the url shows all.")

    @classmethod
    def of(cls, made: Answer) -> Self:
        """Say an answer in few words."""
        return cls(
            answer_id=made.id,
            outcome=made.outcome,
            answer=made.text,
            citations=[
                ActionCitation(
                    n=one.n,
                    quote=one.quote,
                    title=one.passage.title[:_LABEL_CHARS],
                    url=one.url,
                    section=" › ".join(one.passage.section)[:_LABEL_CHARS],
                    page=one.passage.page,
                    modified_at=one.passage.modified,
                    stale=one.passage.stale,
                )
                for one in made.citations
            ],
            confidence=made.confidence,
            notice=made.notice,
            release=made.release,
        )


class ActionHit(BaseModel):
    """A passage that was found."""

    text: str = Field(description="The passage as it stands in the document.")
    title: str
    url: str = Field(description="Shows the passage in its document.")
    section: str
    page: int | None
    modified_at: datetime | None
    stale: bool = Field(description="Whether the document is older than its owner allows.")


class ActionHits(BaseModel):
    """Passages, best first."""

    hits: list[ActionHit]
    release: str = Field(description="The release of the knowledge that was searched.")
    truncated: bool = Field(default=False, description="Whether texts were cut to fit; the url shows all.")

    @classmethod
    def of(cls, found: Retrieved) -> Self:
        """Say a search in few words."""
        return cls(
            release=str(found.release.version),
            hits=[
                ActionHit(
                    text=one.text,
                    title=one.title[:_LABEL_CHARS],
                    url=one.url,
                    section=" › ".join(one.section)[:_LABEL_CHARS],
                    page=one.page,
                    modified_at=one.modified,
                    stale=one.stale,
                )
                for one in found.passages
            ],
        )


_Shape = TypeVar("_Shape", ActionAnswer, ActionHits)


class ActionNoted(BaseModel):
    """That feedback was written down."""

    status: str = "noted"


@operations.post(
    "/ask",
    operation_id="ask",
    responses=_PROBLEM,
    openapi_extra=_HARMLESS,
    response_model_exclude_none=True,
)
def post_ask(
    gpt: GptInPath,
    body: ActionQuestion,
    request: Request,
    kbm: KbmDep,
    caller: Annotated[Caller, Depends(Allowed(Action.ASK, _DOOR))],
) -> ActionAnswer:
    """Answer a question from the company's documents, in cited sentences. Use it first. Show the answer with its
    quotes, titles and urls, and its notice; when it is unanswered, say so and add nothing of your own.
    """
    label = request.headers.get(_CONVERSATION, "")[:_USER_CHARS] or None
    made = ActionAnswer.of(kbm.ask.run(gpt, body.question, caller, user=label))
    return fitted(made, [made, *made.citations])


@operations.post(
    "/search",
    operation_id="search",
    responses=_PROBLEM,
    openapi_extra=_HARMLESS,
    response_model_exclude_none=True,
)
def post_search(
    gpt: GptInPath,
    body: ActionQuery,
    kbm: KbmDep,
    caller: Annotated[Caller, Depends(Allowed(Action.SEARCH, _DOOR))],
) -> ActionHits:
    """Give the passages of the company's documents that are nearest to a query, best first, to read for yourself.
    Name title and url of each passage you use.
    """
    found = ActionHits.of(kbm.retrieve.run(gpt, body.query, caller, k=body.k))
    return fitted(found, found.hits)


@operations.post(
    "/feedback",
    operation_id="feedback",
    responses=_PROBLEM,
    openapi_extra=_HARMLESS,
    response_model_exclude_none=True,
)
def post_feedback(
    gpt: GptInPath,
    body: ActionFeedback,
    kbm: KbmDep,
    caller: Annotated[Caller, Depends(Allowed(Action.FEEDBACK, _DOOR))],
) -> ActionNoted:
    """Note what the user thought of an answer, when the user says so."""
    of_this_gpt = replace(caller, gpts=frozenset({gpt}))
    kbm.ask.feedback(body.answer_id, body.verdict, body.comment or None, of_this_gpt)
    return ActionNoted()


def fitted(made: _Shape, holders: Sequence[BaseModel]) -> _Shape:
    """Cut the longest texts of *holders* until the response is small enough."""
    while (n_bytes := len(made.model_dump_json().encode())) > MAX_RESPONSE_BYTES:
        held = [
            (len(getattr(one, name)), one, name)
            for one in holders
            for name in _LONG.intersection(type(one).model_fields)
        ]
        n, holder, name = max(held, key=lambda one: one[0])
        if n == 0:
            break
        kept = max(n // 2, n - (n_bytes - MAX_RESPONSE_BYTES)) if n > 1 else 0
        setattr(holder, name, getattr(holder, name)[:kept])
        made.truncated = True
    return made


@router.get("/openapi.json", include_in_schema=False)
def get_action_schema(gpt: GptInPath, request: Request, kbm: KbmDep) -> JSONResponse:
    """Describe the three operations for one GPT, inside the limits of GPT actions."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else ""
    try:
        subject = kbm.access.subject_of(token or None, gpt)
    except KeyRefused:
        if token:
            raise
        return JSONResponse(action_schema(gpt, "", kbm.settings.kbm.public_url, needs_key=True))
    kbm.access.count(subject)
    kbm.access.allow(subject, Action.ASK, gpt)
    title = kbm.settings.gpts[gpt].title
    return JSONResponse(action_schema(gpt, title, kbm.settings.kbm.public_url, needs_key=bool(token)))


def action_schema(gpt: str, title: str, public_url: str, *, needs_key: bool) -> dict[str, Any]:
    """Write the description for one GPT; an empty *title* is left out. Any, since OpenAPI has no types of its own."""
    name = f"“{title[:_TITLE_CHARS]}” ({gpt})" if title else gpt
    made = get_openapi(
        title=f"Knowledge of {title[:_TITLE_CHARS] or gpt}",
        version=__version__,
        openapi_version="3.1.0",
        description=f"Answers of {name} from the company's released documents, each sentence with a verbatim quote.",
        routes=operations.routes,
        servers=[{"url": public_url.rstrip("/")}],
    )
    made["paths"] = {path.replace("{gpt}", gpt): found for path, found in made["paths"].items()}
    schemes = made.get("components", {}).get("securitySchemes", {})
    for path in made["paths"].values():
        for operation in path.values():
            operation.pop("parameters", None)
            operation["description"] = " ".join(operation["description"].split())
            if not needs_key:
                operation.pop("security", None)
    if not needs_key:
        schemes.clear()
        made["components"].pop("securitySchemes", None)
    _without_null(made)
    return made


def _without_null(node: Any) -> None:
    """Say of a field that may be missing only what it is when it is there; nulls are never sent."""
    if isinstance(node, list):
        for one in node:
            _without_null(one)
    elif isinstance(node, dict):
        for name, one in list(node.items()):
            _without_null(one)
            if name == "properties":
                node["required"] = [
                    key for key in node.get("required", []) if not one[key].pop("_null", False)
                ]
        options = [one for one in node.get("anyOf", []) if one != {"type": "null"}]
        if len(options) == 1 and len(options) != len(node["anyOf"]):
            node.pop("anyOf")
            node.update(options[0], _null=True)
