"""Pages for people: the passage behind a citation, and what the HTTP doors are.

No script, no style but one file of this service, nothing from anywhere else: what a document says is text, and if
it were not, the policy below would still let nothing run or load.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kbm.bootstrap import Kbm
from kbm.domain.access import Action
from kbm.domain.documents import Span
from kbm.entrypoints.api.access import KbmDep, caller_as
from kbm.entrypoints.api.described import routes_of
from kbm.errors import KeyRefused, NotFound
from kbm.services.page_words import WORDS, day, language_for
from kbm.services.retrieve import Caller

POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_HEADERS = {"Content-Security-Policy": POLICY, "Vary": "Accept-Language, Authorization"}
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""Control characters, and those that turn the writing direction of what follows."""
_MOST_CHARS = 1_000_000_000

router = APIRouter(include_in_schema=False)


@router.get("/documents/{document_id}", response_class=HTMLResponse)
def get_document_page(
    document_id: Annotated[str, Path(max_length=64)],
    request: Request,
    kbm: KbmDep,
    gpt: Annotated[str | None, Query(max_length=64)] = None,
    release: Annotated[str | None, Query(max_length=40)] = None,
    start: Annotated[int, Query(ge=0, le=_MOST_CHARS)] = 0,
    end: Annotated[int, Query(ge=0, le=_MOST_CHARS)] = 0,
    t: Annotated[str, Query(max_length=500, description="What a citation's link carries.")] = "",
    accept_language: Annotated[str, Header(max_length=1000)] = "",
) -> HTMLResponse:
    """Show a passage in its document, to whoever a key or the link itself lets read it."""
    language = language_for(accept_language, kbm.settings.kbm.languages[0])
    shown = kbm.show_passage.run(
        document_id,
        _reader(request, kbm, gpt),
        token=t,
        gpt=gpt,
        release=release,
        span=Span(start, end) if end > start else None,
    )
    frame: dict[str, Any] = {  # a template takes whatever it names
        "language": language,
        "words": WORDS[language],
        "company": kbm.settings.kbm.name,
        "root": "../",
    }
    if shown is None:
        return _page("gone.html", frame, status=404)
    frame |= {
        "shown": shown,
        "has_mark": any(block.first_mark for block in shown.blocks),
        "modified": day(shown.modified, language) if shown.modified else "",
    }
    return _page("document.html", frame)


def _reader(request: Request, kbm: Kbm, gpt: str | None) -> Caller | None:
    """Say who asks, by their key or because none is needed; None for a browser that has only its link."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    bearer = bearer.strip() if scheme.lower() == "bearer" else ""
    try:
        subject = kbm.access.subject_of(bearer or None, gpt)
    except KeyRefused:
        if bearer:
            raise
        return None  # the token of the link decides
    kbm.access.count(subject)
    try:
        kbm.access.allow(subject, Action.READ, gpt)
    except NotFound:
        return None  # a GPT that is not there, or not theirs, is told as a document that is not
    return caller_as(subject, "page")


@router.get("/pages.css")
def get_style() -> Response:
    """Give the style of the pages."""
    return Response(_style(), media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/docs", response_class=HTMLResponse)
def get_docs(request: Request) -> HTMLResponse:
    """Show every door with its fields, an example and its errors, from ``/openapi.json``."""
    described = request.app.openapi()
    values = {"language": "en", "root": "", "described": described, "routes": routes_of(described)}
    return _page("docs.html", values)


@cache
def _style() -> str:
    return files("kbm.entrypoints.api").joinpath("templates/pages.css").read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("kbm.entrypoints.api"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: object) -> object:
    """Take out of a text what would steer its reader's eye; Jinja escapes what is left."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _STEERS.sub("\N{REPLACEMENT CHARACTER}", value.encode("utf-8", "replace").decode())
    return value


def _page(template: str, values: dict[str, Any], *, status: int = 200) -> HTMLResponse:
    """Fill a template; Any: a template takes whatever it names."""
    return HTMLResponse(_templates().get_template(template).render(values), status, headers=_HEADERS)
