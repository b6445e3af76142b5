"""Who may read a page of Confluence, from its own restrictions and those of every page above it.

A restriction names users and groups; a reader must be named by each one on the way up. kbm does not know who is in a
group, so somebody who is named once by name and once through a group is left out: fewer people read than in
Confluence, never more. Where no page on the way is restricted the space decides, and its permissions cannot be read
with an ordinary account: then the readers configured for the source hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """Whom one page's own restriction lets read. ``n_cut`` entries came where there may be more."""

    readers: frozenset[str] = frozenset()
    is_set: bool = False
    n_cut: int = 0


def restriction_of(answer: Mapping[str, Any] | None) -> Restriction | None:
    """Read the restriction of the operation ``read``; None where users or groups did not come with it."""
    parts = (answer or {}).get("restrictions")
    if not isinstance(parts, dict):
        return None
    users, groups = (_results(parts.get(kind)) for kind in ("user", "group"))
    if users is None or groups is None:
        return None
    readers = {name for one in users if (name := _user(one))} | {
        name for one in groups if (name := _group(one))
    }
    cut = max(_n_cut(parts["user"]), _n_cut(parts["group"]))
    return Restriction(readers=frozenset(readers), is_set=bool(users or groups), n_cut=cut)


def readers_by(restrictions: Iterable[Restriction]) -> frozenset[str] | None:
    """Give who may read by all of *restrictions*; None when none of them is set, nobody when they share no name."""
    readers: frozenset[str] | None = None
    for one in restrictions:
        if one.is_set:
            readers = one.readers if readers is None else readers & one.readers
    return readers


def _results(part: object) -> list[dict[str, Any]] | None:
    results = part.get("results") if isinstance(part, dict) else None
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        return None
    return results


def _n_cut(part: Mapping[str, Any]) -> int:
    """Count the entries of a list that is as long as an answer can hold."""
    limit, n = part.get("limit"), len(part["results"])
    return n if isinstance(limit, int) and 0 < limit <= n else 0


def _user(one: Mapping[str, Any]) -> str:
    """Name a user: by mail address where the site tells it, else by user name or account."""
    mail = str(one.get("email") or "").strip().lower()
    return _reader("user", mail or str(one.get("username") or one.get("accountId") or ""))


def _group(one: Mapping[str, Any]) -> str:
    return _reader("group", str(one.get("name") or ""))


def _reader(kind: str, name: str) -> str:
    # A reader's name holds no white space.
    bare = "_".join(name.split())
    return f"{kind}:{bare}" if bare else ""
