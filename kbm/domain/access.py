"""Who may do what: keys, what they allow, and the one question every door asks."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from kbm.domain.documents import EVERYONE
from kbm.errors import NotAllowed, NotFound

KEY_PREFIX = "kbm_"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz"
_ID_CHARS, _SECRET_CHARS, _CHECK_CHARS = 8, 32, 6


class Action(StrEnum):
    """What a key may be allowed to do."""

    ASK = "ask"
    SEARCH = "search"
    READ = "read"  # documents behind citations, receipts
    FEEDBACK = "feedback"
    RELEASE = "release"  # name another release than the live one
    METRICS = "metrics"
    SOURCES = "sources"  # how all sources stand, with counts of documents whoever may read them
    REVIEW = "review"  # gaps and suggestions, with the questions people asked
    DECIDE = "decide"  # about suggestions; in the name of the key's person


USUAL_ACTIONS = frozenset({Action.ASK, Action.SEARCH, Action.READ, Action.FEEDBACK})
"""What an application needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a subject may do: *gpts* None means every one; *readers* are the names it reads as.

    ``person`` is the mail address of who alone uses it; decisions are made in that name, and by nobody without one.
    """

    actions: frozenset[Action] = USUAL_ACTIONS
    gpts: frozenset[str] | None = None
    readers: frozenset[str] = frozenset({EVERYONE})
    per_minute: int | None = None  # requests; None: no limit
    per_day: int | None = None
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as stored. ``id`` is the part of it that may be shown; ``hash`` is of the whole."""

    id: str
    name: str
    hash: str
    rights: Rights
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_on: str | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether it opens a door then."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who asks: a key, somebody known to the company's identity provider, or anybody where no key is configured."""

    id: str  # "key:…", "oidc:…", "public:GPT" or "open"
    rights: Rights


OPEN = Subject(id="open", rights=Rights(actions=frozenset(Action)))
"""Anybody on this machine, as long as no key was ever made and no identity provider is named."""

PUBLIC = "public"
"""Begins the id of anybody without a key at a GPT that is public; each such GPT has a limit of its own."""


def authorize(subject: Subject, action: Action, gpt: str | None = None, *, known: Collection[str]) -> None:
    """Let a subject act, on one GPT of the *known* ones if it is named; every door asks here.

    Raises:
        NotFound: there is no such GPT for this subject; whether it exists is not told.
        NotAllowed: the key does not allow that.
    """
    rights = subject.rights
    mine = [name for name in known if rights.gpts is None or name in rights.gpts]
    if gpt is not None and gpt not in mine:
        raise NotFound("GPT", gpt, mine)
    if action not in rights.actions:
        raise NotAllowed(
            f"this key does not allow {action!r}; it allows: {', '.join(sorted(rights.actions)) or 'nothing'}",
            hint="ask for a key that does: kbm keys create NAME --allow ACTION",
        )


def new_token() -> str:
    """Make a key: prefix, id, 165 random bits, checksum. It is shown once and never stored."""
    id, secret = ("".join(secrets.choice(_ALPHABET) for _ in range(n)) for n in (_ID_CHARS, _SECRET_CHARS))
    return f"{KEY_PREFIX}{id}{secret}{_checksum(id + secret)}"


def token_id(token: str) -> str | None:
    """Give the id of a key, or None where prefix, length or checksum show that it never was one."""
    body = token.removeprefix(KEY_PREFIX)
    if body == token or len(body) != _ID_CHARS + _SECRET_CHARS + _CHECK_CHARS or not body.isascii():
        return None
    rest, check = body[:-_CHECK_CHARS], body[-_CHECK_CHARS:]
    return rest[:_ID_CHARS] if _checksum(rest) == check else None


def is_credential(bearer: str) -> bool:
    """Tell whether it has the shape of a key or of an identity provider's token; else it is a mere placeholder.

    OpenAI-style programs insist on sending something, "none" or "sk-no-key-required", where none is needed.
    """
    return bearer.startswith(KEY_PREFIX) or bearer.count(".") == 2


def token_hash(token: str) -> str:
    """Hash a whole key; it is long and random, so a plain hash cannot be guessed back."""
    return sha256(token.encode()).hexdigest()


def _checksum(text: str) -> str:
    n = zlib.crc32(text.encode())
    digits = []
    for _ in range(_CHECK_CHARS):
        n, at = divmod(n, len(_ALPHABET))
        digits.append(_ALPHABET[at])
    return "".join(digits)
