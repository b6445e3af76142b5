"""The REST routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from kbm import __version__
from kbm.domain.access import Action
from kbm.entrypoints.api.access import Allowed, KbmDep, SubjectDep
from kbm.entrypoints.api.examples import ANSWER_ID, DOCUMENT_ID
from kbm.entrypoints.api.receipt_schemas import ReceiptOut
from kbm.entrypoints.api.schemas import (
    AnswerOut,
    AskIn,
    DocumentOut,
    FeedbackIn,
    GptOut,
    GptsOut,
    Health,
    Noted,
    Problem,
    SearchIn,
    SearchOut,
)
from kbm.services.ask import PASSAGES_READ
from kbm.services.retrieve import Caller

router = APIRouter()


GptName = Annotated[str, Path(description="Name of the assistant.", examples=["offers"], max_length=64)]

_NOT_READY: dict[str, Any] = {  # Any: FastAPI's own type
    "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
}
_ERRORS: dict[int, str] = {
    400: "The body is no JSON text.",
    401: "No key was sent, or one that does not hold.",
    403: "The key does not allow that.",
    404: "No such assistant, release, document or answer.",
    409: "The release named cannot be asked: it failed its probe.",
    413: "The body is too large.",
    422: "The question, the body or a parameter cannot be used.",
    429: "A limit of the key is reached, or the service is full; Retry-After says when to come back.",
    503: "Something is not ready; try again.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route as FastAPI takes them."""
    return {
        status: {
            "model": Problem,
            "description": _ERRORS[status],
            **(_NOT_READY if status in (429, 503) else {}),
        }
        for status in statuses
    }


ASKED = errors(400, 401, 403, 404, 409, 413, 422, 429, 503)
SENT = errors(400, 401, 403, 404, 413, 422, 429, 503)
SHOWN = errors(401, 403, 404, 422, 429, 503)

MayAsk = Annotated[Caller, Depends(Allowed(Action.ASK))]
MaySearch = Annotated[Caller, Depends(Allowed(Action.SEARCH))]
MayRead = Annotated[Caller, Depends(Allowed(Action.READ))]
MaySay = Annotated[Caller, Depends(Allowed(Action.FEEDBACK))]


@router.post("/v1/gpts/{gpt}/ask", operation_id="ask", responses=ASKED, tags=["answers"])
def post_ask(gpt: GptName, body: AskIn, kbm: KbmDep, subject: SubjectDep, caller: MayAsk) -> AnswerOut:
    """Answer a question with cited sentences, or say that the knowledge does not hold it."""
    if body.release is not None:
        kbm.access.allow(subject, Action.RELEASE, gpt)
    made = kbm.ask.run(
        gpt,
        body.question,
        caller,
        release=body.release,
        user=body.user,
        k=body.k or PASSAGES_READ,
        filters=body.filters.read(),
    )
    return AnswerOut.of(made)


@router.post("/v1/gpts/{gpt}/search", operation_id="search", responses=SENT, tags=["answers"])
def post_search(gpt: GptName, body: SearchIn, kbm: KbmDep, caller: MaySearch) -> SearchOut:
    """Give the passages nearest to a query, best first."""
    return SearchOut.of(kbm.retrieve.run(gpt, body.query, caller, k=body.k, filters=body.filters.read()))


@router.post("/v1/answers/{answer_id}/feedback", operation_id="feedback", responses=SENT, tags=["answers"])
def post_feedback(
    answer_id: Annotated[str, Path(max_length=64, examples=[ANSWER_ID])],
    body: FeedbackIn,
    kbm: KbmDep,
    caller: MaySay,
) -> Noted:
    """Say whether an answer helped."""
    kbm.ask.feedback(answer_id, body.verdict, body.comment, caller)
    return Noted()


@router.get("/v1/answers/{answer_id}/receipt", operation_id="getReceipt", responses=SHOWN, tags=["answers"])
def get_receipt(
    answer_id: Annotated[str, Path(max_length=64, examples=[ANSWER_ID])],
    kbm: KbmDep,
    caller: MayRead,
    verify: Annotated[bool, Query(description="Also verify it; that takes as long as an answer.")] = False,
) -> ReceiptOut:
    """Show what an answer rested on, and with *verify* whether it still holds."""
    if verify:
        return ReceiptOut.of(*kbm.receipt.verify(answer_id, caller))
    return ReceiptOut.of(kbm.receipt.run(answer_id, caller))


@router.get("/v1/gpts", operation_id="listGpts", responses=errors(401, 429, 503), tags=["knowledge"])
def get_gpts(kbm: KbmDep, subject: SubjectDep) -> GptsOut:
    """List the assistants that the caller may ask, and the release that answers for each."""
    listed = []
    for name, section in kbm.settings.gpts.items():
        if subject.rights.gpts is not None and name not in subject.rights.gpts:
            continue
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


@router.get(
    "/v1/documents/{document_id}",
    operation_id="getDocument",
    responses=SHOWN,
    tags=["knowledge"],
)
def get_document(
    document_id: Annotated[str, Path(max_length=64, examples=[DOCUMENT_ID])],
    kbm: KbmDep,
    caller: MayRead,
    gpt: Annotated[str | None, Query(max_length=64, description="Show it as this assistant has it.")] = None,
    release: Annotated[
        str | None, Query(max_length=40, description="In this release, not the live one.")
    ] = None,
) -> DocumentOut:
    """Show a document's stored text, if the caller may read it."""
    return DocumentOut.of(kbm.show_document.run(document_id, caller, gpt=gpt, release=release))


@router.get("/healthz", operation_id="health", responses=errors(503), tags=["operations"])
def get_health(kbm: KbmDep) -> Health:
    """Say that the service answers, and with which releases where anybody may know."""
    shown = kbm.settings.gpts if kbm.access.is_open else ()
    live = {name: kbm.catalogue.releases.live(name) for name in shown}
    releases = {name: str(one.version) if one else None for name, one in live.items()}
    return Health(status="ok", version=__version__, releases=releases)
