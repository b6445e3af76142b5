"""What ``/openapi.json`` shows beside each route: an answer of the sample company, and one body for each error.

The examples are made of the shapes themselves, so the type checker compares them with what is really sent. They
are put in after FastAPI has made its description, because it leaves ``null`` out of examples, and because it
describes errors as ``application/json``, which is not what they are sent as.
"""

from __future__ import annotations

import http
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from kbm import __version__
from kbm.domain.receipts import Level
from kbm.entrypoints.api.agent_examples import AGENT_ANSWERS
from kbm.entrypoints.api.receipt_schemas import QuoteOut, ReceiptOut, VerificationOut
from kbm.entrypoints.api.schemas import (
    AnswerOut,
    CitationOut,
    DocumentOut,
    GptOut,
    GptsOut,
    Health,
    HitOut,
    Noted,
    Problem,
    SearchOut,
    SentenceOut,
)
from kbm.entrypoints.api.source_schemas import DelayOut, SourceOut, SourcesOut

PROBLEM_TYPE = "application/problem+json"

DOCUMENT_ID = "4d025cdf464fd2eb00876b7957a06c41"
ANSWER_ID = "d89abcbe6713ba4292b1af6a"

_ITEM = "manuals/kb40/Betriebsanleitung_KB40.pdf"
_TITLE = "Betriebsanleitung Rohrbiegemaschine KB 40"
_PAGE = f"http://127.0.0.1:8000/documents/{DOCUMENT_ID}?gpt=offers&release=1.0.0"
_URL = f"{_PAGE}&start=117&end=153#quote"
_QUOTE = "Der Referenzlauf dauert 40 Sekunden."
_BEGINNING = "Beim Einschalten fährt die Maschine in die Grundstellung."
_MODIFIED = datetime(2026, 2, 16, 8, 30, tzinfo=UTC)
_PUBLISHED = datetime(2026, 11, 24, 5, 42, 40, tzinfo=UTC)

ANSWER = AnswerOut(
    answer_id=ANSWER_ID,
    gpt="offers",
    release="1.0.0",
    outcome="answered",
    cause=None,
    confidence=0.9682,
    answer=f"{_QUOTE} [1]",
    sentences=[SentenceOut(text=_QUOTE, citations=[1])],
    citations=[
        CitationOut(
            n=1,
            quote=_QUOTE,
            chunk_id="f1d53e5330ab6de9085072236a89184d",
            document_id=DOCUMENT_ID,
            item_id=_ITEM,
            title=_TITLE,
            url=_URL,
            source="service",
            section="3 Bedienung",
            page=1,
            modified_at=_MODIFIED,
            stale=False,
        )
    ],
    notice="Automatisch zusammengestellt von „Offer assistant“; die Sätze sind wörtliche Zitate aus den genannten "
    "Quellen.",
    degraded=[],
    took_ms=14,
)
SEARCH = SearchOut(
    release="1.0.0",
    hits=[
        HitOut(
            chunk_id="d901519734ab3016f7eb1c00c656492c",
            document_id=DOCUMENT_ID,
            item_id=_ITEM,
            source="service",
            title=_TITLE,
            url=_URL,
            section="4 Werkzeugwechsel",
            page=2,
            text="3 Biegerolle abnehmen. Sie wiegt höchstens 9 kg.\n\n"
            "4 Neues Werkzeug aufsetzen, Schrauben mit 110 Nm anziehen.",
            score=0.75,
        )
    ],
    degraded=[],
)
DOCUMENT = DocumentOut(
    document_id=DOCUMENT_ID,
    source="service",
    item_id=_ITEM,
    title=_TITLE,
    url=_PAGE,
    original_url="",
    author="Lukas Brandt",
    modified_at=_MODIFIED,
    text=f"{_TITLE}\n\n3 Bedienung\n\n{_BEGINNING} {_QUOTE}",
    releases={"offers": "1.0.0"},
)
RECEIPT = ReceiptOut(
    answer_id=ANSWER_ID,
    gpt="offers",
    release="1.0.0",
    release_digest="07b1a92a1a08a08c1f0d2a55cf4e9fcd8f2a3c7be1a0b3c0f6a1d2f95c1e7b44",
    canary=False,
    epoch=74,
    readers=["everyone"],
    k=3,
    asked_at=datetime(2026, 11, 24, 6, 3, 11, tzinfo=UTC),
    question_mac="5d0e1b8d0a1f1e5b9f6c57b0a6a4c3f6b9d3e0f1a27c4d58e9b60a7c8d1f2e33",
    outcome="answered",
    cause=None,
    confidence=0.9682,
    hits=["f1d53e5330ab6de9085072236a89184d", "d901519734ab3016f7eb1c00c656492c"],
    quotes=[
        QuoteOut(
            n=1,
            chunk_id="f1d53e5330ab6de9085072236a89184d",
            start=58,
            end=94,
            hash="c2b7f0e4a9d16358bb0c7d2e5f3a4961d8e7c0b2a3f4958617d2c3b4a5e6f708",
        )
    ],
    degraded=[],
    made_with=__version__,
    seal="9a4e3d2c1b0f5e6d7c8b9a0f1e2d3c4b5a6f7e8d9c0b1a2f3e4d5c6b7a8f9e0d",
    verification=VerificationOut(
        level=Level.EXACT, quotes_checked=1, quotes_erased=0, differences=[], notes=[]
    ),
)
SOURCES = SourcesOut(
    sources=[
        SourceOut(
            source="manuals",
            kind="files",
            proven_live=True,
            documents=42,
            quarantined=1,
            quarantined_because={"encrypted": 1},
            poorly_read=0,
            held_plans=0,
            synced_at=datetime(2026, 11, 24, 2, 0, 41, tzinfo=UTC),
            tried_at=datetime(2026, 11, 24, 2, 0, 41, tzinfo=UTC),
            next_sync_at=datetime(2026, 11, 25, 2, 0, tzinfo=UTC),
            failed_scopes=["kb40/intern"],
            last_error=None,
            delay_s={"changed": DelayOut(n=7, median=28_800, worst=61_200)},
        )
    ]
)
ANSWERS: dict[str, BaseModel] = {
    "ask": ANSWER,
    "search": SEARCH,
    "feedback": Noted(),
    "getReceipt": RECEIPT,
    "listGpts": GptsOut(
        gpts=[
            GptOut(gpt="offers", title="Offer assistant", release="1.0.0", published_at=_PUBLISHED),
            GptOut(gpt="hr", title="HR assistant", release=None, published_at=None),
        ]
    ),
    "listSources": SOURCES,
    "getDocument": DOCUMENT,
    "health": Health(status="ok", version=__version__, releases={"offers": "1.0.0", "hr": None}),
    **AGENT_ANSWERS,
}
"""By operation id."""

_SEE_DOCS = "see /docs for the form of the request"
ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("bad_request", "There was an error parsing the body", "see /docs for what there is"),
    401: (
        "key_refused",
        "this door needs a key: Authorization: Bearer kbm_…",
        "make one with `kbm keys create NAME`; a key that is expired or revoked opens nothing",
    ),
    403: (
        "not_allowed",
        "this key does not allow 'release'; it allows: ask, feedback, read, search",
        "ask for a key that does: kbm keys create NAME --allow ACTION",
    ),
    404: ("not_found", "no GPT named 'ofers'; there is: hr, offers", "did you mean 'offers'?"),
    409: ("not_sealed", "offers 1.1.0 did not pass its probe and cannot be asked", ""),
    413: ("body_too_large", "the body is larger than 64,000 bytes", "send one short question"),
    422: ("bad_question", "the question is empty", "ask in words"),
    429: ("too_many_requests", "more than 120 requests a minute", ""),
    503: (
        "storage",
        "the database in the data folder cannot be written: the disk is full",
        "what was finished is kept; make room or mend the rights, then run the same command again",
    ),
}
"""Code, detail and hint by status."""

ERRORS_OF: dict[tuple[str, int], tuple[str, str, str]] = {
    ("search", 422): (
        "bad_request",
        "k: Input should be less than or equal to 100",
        _SEE_DOCS,
    ),
    ("feedback", 404): ("not_found", f"no answer named '{ANSWER_ID}'", ""),
    ("getReceipt", 404): ("not_found", f"no answer named '{ANSWER_ID}'", ""),
    ("getReceipt", 422): (
        "bad_request",
        "verify: Input should be a valid boolean, unable to interpret input",
        _SEE_DOCS,
    ),
    ("feedback", 422): ("bad_request", "verdict: Field required", _SEE_DOCS),
    ("getDocument", 404): ("not_found", f"no document named '{DOCUMENT_ID}'", ""),
    ("getDocument", 422): ("usage", "a release belongs to a GPT", "name both: ?gpt=…&release=…"),
}
"""Where an operation has its own."""


def with_examples(described: dict[str, Any]) -> dict[str, Any]:
    """Complete what FastAPI made; Any, since OpenAPI has no types of its own here."""
    for path in described["paths"].values():
        for operation in path.values():
            name = operation["operationId"]
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if not status.startswith(("4", "5")):
                    if name in ANSWERS and "application/json" in content:
                        content["application/json"]["example"] = ANSWERS[name].model_dump(mode="json")
                    continue
                # FastAPI describes them in the form of the answer; a 422 that it added by itself has a shape of its
                # own, which is never sent.
                problem = {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": _problem(name, int(status)).model_dump(mode="json"),
                }
                response["content"] = {PROBLEM_TYPE: problem}
    return described


def _problem(operation: str, status: int) -> Problem:
    code, detail, hint = ERRORS_OF.get((operation, status), ERRORS[status])
    return Problem(title=http.HTTPStatus(status).phrase, status=status, code=code, detail=detail, hint=hint)
