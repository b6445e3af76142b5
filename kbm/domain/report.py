"""The morning report: what a night changed, what waits for whom, what was hidden, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from kbm.domain.sync import Json

KEPT_REPORTS = 90
"""How many nights' reports stay in the data folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNews:
    """What a night found in a source; counts of documents. ``failures`` may be fewer than ``n_failures``: a report
    names documents that everyone may read only.
    """

    source: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    readers_changed: int = 0
    unchanged: int = 0
    quarantined: int = 0
    failures: tuple[str, ...] = ()
    n_failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNews:
    """One release that a night built or looked at; ``held`` says what it waits for, ``verdict`` may be empty."""

    version: str
    built: bool = False
    published: bool = False
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GptNews:
    """What a night made of a GPT: the line of its live release, and a change set beside it."""

    gpt: str
    title: str
    live: str | None
    steps: tuple[StepNews, ...] = ()
    canary: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeNews:
    """How the knowledge of a GPT stands, as far as it may be told to everyone: numbers and names, no question.

    ``trend`` is by how much open gaps were asked about more often than a week before. ``new_*`` count suggestions of
    tonight by risk, ``n_waiting`` all that wait. ``healed`` and ``not_healed`` are kinds of fixes, with the source.
    """

    gpt: str
    title: str
    n_closed: int = 0
    n_open: int = 0
    trend: int = 0
    n_waiting: int = 0
    new_low: int = 0
    new_medium: int = 0
    new_high: int = 0
    alarms: tuple[str, ...] = ()
    failed_agents: tuple[str, ...] = ()
    healed: tuple[str, ...] = ()
    not_healed: tuple[str, ...] = ()
    n_withdrawn: int = 0  # overlays, past their day or without ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that goes on only when one of *people* decides; *command* is how."""

    subject: str
    why: tuple[str, ...]
    people: tuple[str, ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """A document and the moment from which it counts as stale; without item id it is not for every reader's eyes."""

    source: str
    at: datetime
    item_id: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A document in quarantine that everyone may know of."""

    source: str
    item_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How sending a report ended; *why* is empty when it arrived."""

    by: str
    why: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether it arrived."""
        return not self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything a report tells, before it is put into words.

    ``exit_code`` is that of the night: 0 done, 1 something failed, 3 something waits. ``ages_watched`` tells whether
    any source has a ``max_age``, or anything was written here.
    """

    company: str
    job: int
    at: datetime
    day: date
    exit_code: int
    sources: tuple[SourceNews, ...] = ()
    gpts: tuple[GptNews, ...] = ()
    knowledge: tuple[KnowledgeNews, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    next_expiry: Expiry | None = None
    n_expired: int = 0
    ages_watched: bool = False
    upkeep: tuple[str, ...] = ()  # what could not be tidied up
    died: str = ""  # what ended the night before its end
    unreadable: tuple[Unreadable, ...] = ()
    n_unreadable: int = 0
    deliveries: tuple[Delivery, ...] = ()

    @property
    def published(self) -> tuple[str, ...]:
        """Name the releases that answer since this night."""
        return tuple(f"{one.gpt} {step.version}" for one in self.gpts for step in one.steps if step.published)

    @property
    def n_failures(self) -> int:
        """Count what went wrong."""
        of_gpts = sum(bool(one.error) for one in self.gpts)
        return sum(one.n_failures for one in self.sources) + of_gpts + len(self.upkeep) + bool(self.died)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report in one language, ready to be kept and sent.

    ``lines`` are the five that come first, each a label and what is to say; ``data`` is the whole as JSON. ``id``
    begins with the date and is unique in a data folder, so a receiver can tell a repetition.
    """

    id: str
    language: str
    subject: str
    lines: tuple[tuple[str, str], ...]
    markdown: str
    html: str
    data: Mapping[str, Json]

    @property
    def text(self) -> str:
        """Give the five lines as plain text."""
        return "\n".join(f"{label}: {said}" for label, said in self.lines)


def report_id(day: date, job: int) -> str:
    """Name the report of a job: ``2026-11-02-17``."""
    return f"{day.isoformat()}-{job}"


def outdated(ids: set[str], keep: int = KEPT_REPORTS) -> set[str]:
    """Tell which reports go, oldest first by date and then job, when *keep* stay."""
    ordered = sorted(ids, key=lambda id: (id[:10], int(id[11:])))
    return set(ordered[: max(len(ordered) - keep, 0)])
