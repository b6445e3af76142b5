"""Who may read an item of SharePoint, from the permissions Graph lists for it.

Each permission lets somebody in, so the readers are all of them together. People are named by their mail address,
groups of the directory by their id and their address, groups of the site by their name. A link is worth what the
source says it is: without ``organisation`` or ``anonymous`` in its settings it lets nobody in. What is not
understood - a kind of link, a role, an identity - lets nobody in either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

READING = frozenset({"read", "write", "owner"})
_NO_END = "0001-01-01"
_MEMBER = "i:0#.f|membership|"
_EVERYBODY = {
    "c:0(.s|true": "anonymous",  # "Everyone": guests of the organisation too
    "c:0-.f|rolemanager|spo-grid-all-users": "organisation",  # "Everyone except external users"
}

_KINDS = {
    "user": "user",
    "siteUser": "user",
    "group": "group",
    "siteGroup": "group",
    "sharePointGroup": "group",
}

Permission = Mapping[str, Any]
"""A permission as Graph writes it; Any because its facets differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderWords:
    """What the source's settings say: whom links stand for, and other names for readers."""

    organisation: frozenset[str]
    anonymous: frozenset[str]
    names: Mapping[str, str]


def readers_of(permissions: Iterable[Permission], words: ReaderWords, now: datetime) -> frozenset[str]:
    """Give everybody whom *permissions* let read; nobody when none does."""
    found: set[str] = set()
    for one in permissions:
        if READING & set(one.get("roles") or ()) and not _has_ended(one, now) and not one.get("hasPassword"):
            found |= _let_in(one, words)
    return frozenset(found)


def _let_in(permission: Permission, words: ReaderWords) -> set[str]:
    link = permission.get("link")
    if not isinstance(link, dict):
        return set(_identity(_newest(permission, "grantedTo"), words))
    match link.get("scope"):
        case "organization":
            return set(words.organisation)
        case "anonymous":
            return set(words.anonymous)
        case "users":
            people = _newest(permission, "grantedToIdentities")
            return {name for one in people or () for name in _identity(one, words)}
    return set()


def _newest(permission: Permission, key: str) -> Any:  # Any: an identity, or a list of them
    """Give a facet in its newer form, or in the older one where Graph wrote only that."""
    return permission.get(f"{key}V2") or permission.get(key)


def _identity(identity: object, words: ReaderWords) -> Iterator[str]:
    if not isinstance(identity, dict):
        return
    for kind in _KINDS:
        one = identity.get(kind)
        if isinstance(one, dict):
            yield from _named(kind, one, words)


def _named(kind: str, one: Mapping[str, Any], words: ReaderWords) -> Iterator[str]:
    login = str(one.get("loginName") or "").lower()
    for prefix, word in _EVERYBODY.items():
        if login.startswith(prefix):
            yield from words.anonymous if word == "anonymous" else words.organisation
            return
    mail = str(one.get("email") or one.get("userPrincipalName") or "").lower()
    match kind:
        case "user":
            names = [mail or str(one.get("id") or "")]
        case "siteUser":
            # i:0#.f|membership|anna@keller.example; others are claims, which a user's mail address does not name.
            names = [login.rpartition("|")[2] if login.startswith(_MEMBER) else ""]
        case "group":
            names = [str(one.get("id") or ""), mail]
        case _:
            names = [str(one.get("displayName") or one.get("title") or "")]
    for name in names:
        bare = "_".join(name.split())  # a reader's name holds no white space
        if bare:
            yield words.names.get(name, f"{_KINDS[kind]}:{bare}")


def _has_ended(permission: Permission, now: datetime) -> bool:
    text = str(permission.get("expirationDateTime") or _NO_END)
    if text.startswith(_NO_END):
        return False
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")) <= now
    except (ValueError, TypeError):
        return True  # an end that cannot be read may have passed
