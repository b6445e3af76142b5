"""What Confluence's answers say: spaces, pages and files, in either version of its interface.

Whatever was asked for must be there: an answer that lacks a version or a time is no page that never changes, it is a
fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kbm.errors import ConnectorUnavailable

Answer = dict[str, Any]
"""An object of the interface; Any because each kind has its own shape."""


Ancestor = tuple[str, str]
"""Id and kind of what a page lies under: ``page``, ``folder``…"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A space; Data Center names it by its key alone."""

    id: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as it is listed, without its body. ``ancestors`` is None where the listing does not tell them."""

    id: str
    title: str
    space: str
    version: int
    modified: datetime
    author: str = ""
    parent: str | None = None  # empty at the top; None where the listing does not tell
    is_current: bool = True
    ancestors: tuple[Ancestor, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file at a page."""

    id: str
    title: str
    version: int
    media_type: str
    size: int | None
    modified: datetime | None


def v2_page(one: Answer, space: Space) -> Page:
    """Read a page as version 2 lists it."""
    return Page(
        id=text_of(one, "id"),
        title=text_of(one, "title"),
        space=space.key,
        version=version_of(one),
        modified=_needed((one.get("version") or {}).get("createdAt")),
        parent=str(one.get("parentId") or ""),
        is_current=one.get("status") == "current",
    )


def v1_page(one: Answer) -> Page:
    """Read a page as version 1 lists it, with ``version`` and ``space``."""
    version, ancestors = one.get("version") or {}, one.get("ancestors")
    return Page(
        id=text_of(one, "id"),
        title=text_of(one, "title"),
        space=text_of(one.get("space") or {}, "key"),
        version=version_of(one),
        modified=_needed(version.get("when")),
        author=str((version.get("by") or {}).get("displayName") or ""),
        is_current=one.get("status") == "current",
        ancestors=ancestors_of(ancestors) if isinstance(ancestors, list) else None,
    )


def text_of(one: Mapping[str, Any], key: str) -> str:
    value = one.get(key)
    if not isinstance(value, (str, int)) or value == "":
        raise ConnectorUnavailable(f"the site's answer holds an entry without {key}")
    return str(value)


def version_of(one: Answer) -> int:
    number = (one.get("version") or {}).get("number")
    if not isinstance(number, int):
        raise ConnectorUnavailable(f"{one.get('id')} came without its version")
    return number


def ancestors_of(listed: Iterable[Answer]) -> tuple[Ancestor, ...]:
    """Read what a page lies under."""
    return tuple((text_of(one, "id"), str(one.get("type") or "page")) for one in listed)


def attachment_of(one: Answer) -> Attachment:
    """Read a file as either version lists it."""
    extensions, version = one.get("extensions") or {}, one.get("version") or {}
    return Attachment(
        id=text_of(one, "id"),
        title=text_of(one, "title"),
        version=version_of(one),
        media_type=str(one.get("mediaType") or extensions.get("mediaType") or ""),
        size=_size(one.get("fileSize", extensions.get("fileSize"))),
        modified=_moment(version.get("createdAt") or version.get("when")),
    )


def _size(size: object) -> int | None:
    return size if isinstance(size, int) and size >= 0 else None


def body_of(answer: Answer, form: str) -> str:
    value = ((answer.get("body") or {}).get(form) or {}).get("value")
    return value if isinstance(value, str) else ""


def _needed(text: object) -> datetime:
    moment = _moment(text)
    if moment is None:
        raise ConnectorUnavailable("the site's answer holds a version without its time")
    return moment


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConnectorUnavailable(f"the site wrote {text[:40]!r} for a time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
