"""The REST routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from kbm import __version__
from kbm.bootstrap import Kbm
from kbm.entrypoints.api.schemas import (
    AnswerOut,
    AskIn,
    DocumentOut,
    FeedbackIn,
    GptOut,
    GptsOut,
    Health,
    Problem,
    SearchIn,
    SearchOut,
)
from kbm.services.ask import PASSAGES_READ
from kbm.services.retrieve import Caller

router = APIRouter()


def kbm_of(request: Request) -> Kbm:
    """Give the kbm that the application was made over."""
    kbm: Kbm = request.app.state.kbm
    return kbm


def caller_of() -> Caller:
    """Say who asks: without keys, everybody is ``everyone``."""
    return Caller()


KbmDep = Annotated[Kbm, Depends(kbm_of)]
CallerDep = Annotated[Caller, Depends(caller_of)]
GptName = Annotated[str, Path(description="Name of the assistant.", examples=["offers"], max_length=64)]

_PROBLEM = {"model": Problem, "content": {"application/problem+json": {}}}
ERRORS: dict[int | str, dict[str, Any]] = {  # Any: FastAPI's own type
    404: {**_PROBLEM, "description": "No such assistant, release, document or answer."},
    413: {**_PROBLEM, "description": "The body is too large."},
    422: {**_PROBLEM, "description": "The question or the body cannot be used."},
    503: {**_PROBLEM, "description": "Something is not ready; try again."},
}


@router.post("/v1/gpts/{gpt}/ask", operation_id="ask", responses=ERRORS, tags=["answers"])
def post_ask(gpt: GptName, body: AskIn, kbm: KbmDep, caller: CallerDep) -> AnswerOut:
    """Answer a question with cited sentences, or say that the knowledge does not hold it."""
    made = kbm.ask.run(
        gpt, body.question, caller, release=body.release, user=body.user, k=body.k or PASSAGES_READ
    )
    return AnswerOut.of(made)


@router.post("/v1/gpts/{gpt}/search", operation_id="search", responses=ERRORS, tags=["answers"])
def post_search(gpt: GptName, body: SearchIn, kbm: KbmDep, caller: CallerDep) -> SearchOut:
    """Give the passages nearest to a query, best first."""
    return SearchOut.of(kbm.retrieve.run(gpt, body.query, caller, k=body.k))


@router.post("/v1/answers/{answer_id}/feedback", operation_id="feedback", responses=ERRORS, tags=["answers"])
def post_feedback(
    answer_id: Annotated[str, Path(max_length=64)], body: FeedbackIn, kbm: KbmDep
) -> dict[str, str]:
    """Say whether an answer helped."""
    kbm.ask.feedback(answer_id, body.verdict, body.comment)
    return {"status": "noted"}


@router.get("/v1/gpts", operation_id="listGpts", tags=["knowledge"])
def get_gpts(kbm: KbmDep) -> GptsOut:
    """List the assistants and the release that answers for each."""
    listed = []
    for name, section in kbm.settings.gpts.items():
        live = kbm.catalogue.releases.live(name)
        listed.append(
            GptOut(
                gpt=name,
                title=section.title,
                release=str(live.version) if live else None,
                published_at=live.published_at if live else None,
            )
        )
    return GptsOut(gpts=listed)


@router.get("/v1/documents/{document_id}", operation_id="getDocument", responses=ERRORS, tags=["knowledge"])
def get_document(
    document_id: Annotated[str, Path(max_length=64)],
    kbm: KbmDep,
    caller: CallerDep,
    gpt: Annotated[str | None, Query(max_length=64, description="Show it as this assistant has it.")] = None,
    release: Annotated[
        str | None, Query(max_length=40, description="In this release, not the live one.")
    ] = None,
) -> DocumentOut:
    """Show a document's stored text, if the caller may read it."""
    return DocumentOut.of(kbm.show_document.run(document_id, caller, gpt=gpt, release=release))


@router.get("/healthz", operation_id="health", tags=["operations"])
def get_health(kbm: KbmDep) -> Health:
    """Say that the service answers, and with which releases."""
    live = {name: kbm.catalogue.releases.live(name) for name in kbm.settings.gpts}
    releases = {name: str(one.version) if one else None for name, one in live.items()}
    return Health(status="ok", version=__version__, releases=releases)
