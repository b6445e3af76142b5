"""Write the morning report of a night, keep it and send it.

Nothing here can change how the night ended: what goes wrong becomes a line of the report and of the night's output.
A report names a document only if everyone may read it, because mail and webhooks leave the house; others are counted.
Sending is claimed before it begins. After a crash in between, nobody gets it twice, and the file is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import structlog

from kbm.domain.documents import EVERYONE
from kbm.domain.report import (
    Delivery,
    Expiry,
    Findings,
    GptNews,
    Report,
    SourceNews,
    StepNews,
    Unreadable,
    Waiting,
)
from kbm.errors import KbmError
from kbm.faults import fault_point
from kbm.ports import Clock, Notifier
from kbm.services.needs import Ages, Documents, Plans, Reports
from kbm.services.nightly import GptNight, Night
from kbm.services.publish import publish_command
from kbm.services.report_knowledge import KnowledgeReport
from kbm.services.report_pages import make_report, pages_of
from kbm.services.sync import SyncResult

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSource:
    """What a report needs to know of a configured source."""

    steward: str
    open_to_all: bool
    max_age_hours: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedGpt:
    """What a report needs to know of a configured GPT."""

    title: str
    owner: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Where the report is, if it could be written, and how sending it ended; ``problems`` are for the output."""

    path: Path | None = None
    deliveries: tuple[Delivery, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MorningReport:
    """The use case with what it needs. *notifiers* are made when they are used: a broken one stops no other."""

    company: str
    language: str
    sources: Mapping[str, ReportedSource]
    gpts: Mapping[str, ReportedGpt]
    documents: Documents
    plans: Plans
    ages: Ages
    knowledge: KnowledgeReport
    kept: Reports
    notifiers: Mapping[str, Callable[[], Notifier]]
    clock: Clock

    def run(self, night: Night, job: int) -> Reported:
        """Report a night; *job* is its number, and a second report of it is not sent. Raises nothing on purpose."""
        try:
            found = self.find(night, job)
        except (KbmError, OSError) as error:
            if night.died is None:
                return Reported(problems=(f"the report could not be made: {error}",))
            # What ended the night is in the way of its report as well: tell at least that.
            found = self._only_the_end(night, job)
        report = make_report(found, self.language)
        path, problem = self._keep(report)
        problems = [problem] if problem else []
        deliveries = self._send(report)
        if deliveries:
            told = make_report(replace(found, deliveries=deliveries), self.language)
            path, problem = self._keep(told)
            problems += [problem] if problem and problem not in problems else []
        problems += [f"{one.by}: {one.why}" for one in deliveries if not one.ok]
        log.info("night_reported", report=report.id, problems=len(problems))
        return Reported(path=path, deliveries=deliveries, problems=tuple(problems))

    def _only_the_end(self, night: Night, job: int) -> Findings:
        now = self.clock.now()
        return Findings(
            company=self.company,
            job=job,
            at=now,
            day=now.astimezone().date(),
            exit_code=night.exit_code,
            died=str(night.died or ""),
        )

    def find(self, night: Night, job: int) -> Findings:
        """Gather what there is to tell."""
        now = self.clock.now()
        expiry, n_expired = self._expiries()
        unreadable = self.documents.quarantine()
        return Findings(
            company=self.company,
            job=job,
            at=now,
            day=now.astimezone().date(),
            exit_code=night.exit_code,
            sources=tuple(self._source_news(night)),
            gpts=tuple(self._gpt_news(one) for one in night.gpts),
            knowledge=tuple(self.knowledge.news(night)),
            waiting=tuple(self._waiting(night)),
            next_expiry=expiry,
            n_expired=n_expired,
            upkeep=tuple(str(one) for one in night.upkeep),
            died=str(night.died or ""),
            ages_watched=expiry is not None or any(one.max_age_hours for one in self.sources.values()),
            unreadable=tuple(
                Unreadable(
                    source=one.source,
                    item_id=one.item_id,
                    reason=one.reason or "",
                    detail=one.reason_text or "",
                )
                for one in unreadable
                if EVERYONE in one.readers
            ),
            n_unreadable=len(unreadable),
        )

    def _keep(self, report: Report) -> tuple[Path | None, str]:
        try:
            path = self.kept.put(report.id, pages_of(report))
            self.kept.prune()
        except OSError as error:
            log.warning("report_not_kept", report=report.id, why=error.strerror)
            return None, f"the report could not be written: {error}"
        return path, ""

    def _send(self, report: Report) -> tuple[Delivery, ...]:
        if not self.notifiers:
            return ()
        try:
            if not self.kept.claim(report.id):
                return ()
        except OSError as error:
            # A full disk is what people must hear of, and no other run sends this job's report.
            log.warning("report_not_claimed", report=report.id, why=error.strerror)
        return tuple(self._send_by(name, make, report) for name, make in self.notifiers.items())

    def _send_by(self, name: str, make: Callable[[], Notifier], report: Report) -> Delivery:
        try:
            with fault_point("report.send"):
                make().send(report)
        except KbmError as error:
            log.warning("report_not_sent", by=name, why=error.code)
            return Delivery(by=name, why=f"{error}; {error.hint}" if error.hint else str(error))
        except Exception as error:  # whatever a foreign notifier raises, the others must have their turn
            log.warning("report_not_sent", by=name, why=type(error).__name__)
            return Delivery(by=name, why=f"{type(error).__name__}: {error}")
        return Delivery(by=name)

    def _expiries(self) -> tuple[Expiry | None, int]:
        now, first, n_expired = self.clock.now(), self.knowledge.next_expiry(), 0
        for name, source in self.sources.items():
            if source.max_age_hours is None:
                continue
            found, n = self.ages.expiries(name, timedelta(hours=source.max_age_hours), now)
            n_expired += n
            if found and (first is None or found.at < first.at):
                first = found
        return first, n_expired

    def _source_news(self, night: Night) -> Iterator[SourceNews]:
        for name, result in night.synced.items():
            yield _news_of(name, result, open_to_all=self._open(name))
        for name, error in night.failed_sources.items():
            failures = (str(error),) if self._open(name) else ()
            yield SourceNews(source=name, failures=failures, n_failures=1)

    def _open(self, source: str) -> bool:
        return source in self.sources and self.sources[source].open_to_all

    def _gpt_news(self, one: GptNight) -> GptNews:
        return GptNews(
            gpt=one.gpt,
            title=self.gpts[one.gpt].title if one.gpt in self.gpts else one.gpt,
            live=one.live,
            steps=tuple(
                StepNews(
                    version=str(step.build.release.version),
                    built=step.build.built,
                    published=step.published,
                    verdict=str(step.gate.verdict) if step.gate else "",
                    reasons=step.gate.reasons if step.gate else (),
                    held=step.held,
                )
                for step in one.steps
            ),
            canary=one.canary,
            error=str(one.error) if one.error else "",
        )

    def _waiting(self, night: Night) -> Iterator[Waiting]:
        """Everything that waits, not only since tonight: a plan that nobody decides must not be forgotten."""
        for record in self.plans.held():
            yield Waiting(
                subject=record.plan.source,
                why=record.plan.held_because,
                people=self._people_of(record.plan.source),
                command=f"kbm plans approve {record.id}",
            )
        for one in night.gpts:
            owner = (self.gpts[one.gpt].owner,) if one.gpt in self.gpts else ()
            for step in one.steps:
                if step.held:
                    version = step.build.release.version
                    yield Waiting(
                        subject=f"{one.gpt} {version}",
                        why=step.held,
                        people=owner,
                        command=publish_command(one.gpt, version, step.gate.verdict if step.gate else None),
                    )

    def _people_of(self, source: str) -> tuple[str, ...]:
        """Name a source's steward, else the owners of the GPTs that answer from it."""
        if source in self.sources and self.sources[source].steward:
            return (self.sources[source].steward,)
        return tuple(dict.fromkeys(one.owner for one in self.gpts.values() if source in one.sources))


def _news_of(name: str, result: SyncResult, *, open_to_all: bool) -> SourceNews:
    plan = result.plan
    todo = {*plan.added, *plan.taken}
    missing = {_id_in(line, todo): line for line in result.not_fetched}
    unusable = {id for id, _ in result.quarantined} | set(missing)
    shown = list(plan.failures) if open_to_all else []
    for id, line in missing.items():
        ref = plan.refs.get(id)
        readers = ref.readers if ref else None
        if EVERYONE in readers if readers is not None else open_to_all:
            shown.append(line)
    return SourceNews(
        source=name,
        added=len(set(plan.added) - unusable),
        changed=len(plan.taken - unusable),
        removed=len(set(plan.removed) - plan.held),
        readers_changed=len(set(plan.readers_changed) - plan.held),
        unchanged=plan.unchanged,
        quarantined=len(result.quarantined),
        failures=tuple(shown),
        n_failures=len(plan.failures) + len(result.not_fetched),
    )


def _id_in(line: str, known: set[str]) -> str:
    """Find the item id that a line of a sync begins with; ids may hold colons themselves."""
    at = line.find(": ")
    while at >= 0:
        if line[:at] in known:
            return line[:at]
        at = line.find(": ", at + 1)
    return line
