"""What may be mended without asking: a closed list, allowed by the owner kind by kind, and tried ever more rarely.

None of it can change who reads what, remove, erase or publish: it is work on what is stored that is safe to repeat.
What it brings goes through the next build, gate and publish like anything that a source brings.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from kbm.domain.fixes import Fix, FixKind, RebuildIndex, RefreshSource, Reparse
from kbm.domain.identity import Digest, digest

HEALER = "agent:healing"
"""Who mends by itself, in the audit log."""

HEALABLE = (FixKind.REFRESH_SOURCE, FixKind.REPARSE, FixKind.REBUILD_INDEX)
"""The whole list. There is no setting that makes it longer."""

SafeFix = RefreshSource | Reparse | RebuildIndex

FIRST_PAUSE = timedelta(days=1)
LONGEST_PAUSE = timedelta(days=32)
SLACK = timedelta(hours=1)
"""A night does not begin to the minute: what is due within the hour is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """The last try at one thing. ``n`` counts tries in a row; ``problem`` is a short code, empty where it worked.

    ``subject`` is a hash: which document was in trouble is nobody's business once it is erased.
    """

    subject: Digest
    n: int
    at: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """What was tried for a suggestion, and how it ended; ``problem`` is empty where it worked."""

    gpt: str
    suggestion: str
    kind: FixKind
    source: str = ""
    n: int = 1  # things it was tried for
    problem: str = ""


def healable(fix: Fix, allowed: Collection[str]) -> SafeFix | None:
    """Give a fix that may be carried out without asking; None for any other, whatever is allowed."""
    if not isinstance(fix, RefreshSource | Reparse | RebuildIndex) or fix.kind not in allowed:
        return None
    return fix


def subjects_of(gpt: str, fix: SafeFix) -> dict[Digest, str]:
    """Name each thing a fix is for; one source is the same for all GPTs."""
    match fix:
        case RefreshSource(source=source):
            return {digest("heal", fix.kind, source): source}
        case Reparse(items=items):
            return {digest("heal", fix.kind, item): item for item in items}
        case RebuildIndex():
            return {digest("heal", fix.kind, gpt): gpt}


def narrowed_to(fix: SafeFix, things: Collection[str]) -> SafeFix:
    """Leave of a fix what is for some of its things; only documents can be taken one by one."""
    if isinstance(fix, Reparse):
        return Reparse(items=tuple(item for item in fix.items if item in things))
    return fix


def pause_after(n: int) -> timedelta:
    """Say how long to wait after the *n*-th try in a row: one day, two, four, up to 32."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(n - 1, 10)))


def is_due(last: Try | None, now: datetime) -> bool:
    """Tell whether a thing may be tried (again)."""
    return last is None or now - last.at >= pause_after(last.n) - SLACK


def next_try(last: Try | None, subject: Digest, now: datetime, problem: str) -> Try:
    """Count a try; what was well for longer than twice its pause begins anew."""
    in_a_row = last is not None and now - last.at <= 2 * pause_after(last.n)
    return Try(subject=subject, n=last.n + 1 if last and in_a_row else 1, at=now, problem=problem)
