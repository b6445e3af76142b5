"""Bring GPTs up to date, or leave what answers exactly as it was.

Sync every source the GPTs use, build what changed. With nothing live, the first release is published. After that a
candidate goes through the gate: a PATCH that passes is published where the GPT's policy says so; anything else waits
for a person. One source's or GPT's failure does not stop the next.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import structlog

from kbm.domain.evaluation import GateReport
from kbm.domain.releases import is_patch
from kbm.domain.sync import SyncPlan
from kbm.errors import KbmError
from kbm.ports import Progress
from kbm.services.build import Build, BuildResult, GptToBuild
from kbm.services.evaluate import Evaluate, may_publish
from kbm.services.needs import Releases
from kbm.services.publish import Publish
from kbm.services.sync import SourceToSync, Sync, SyncResult

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class NightPolicy:
    """What a nightly run may do with a GPT by itself; ``max_drop`` is the largest fall of hit@5 that passes."""

    publish_patch: bool = True
    max_drop: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class GptNight:
    """What became of a GPT."""

    gpt: str
    live: str | None = None
    build: BuildResult | None = None
    published: bool = False
    waits: bool = False
    gate: GateReport | None = None
    error: KbmError | None = None


@dataclass(slots=True, kw_only=True)
class Night:
    """What a night did."""

    synced: dict[str, SyncResult] = field(default_factory=dict)
    failed_sources: dict[str, KbmError] = field(default_factory=dict)
    unlisted: list[SyncPlan] = field(default_factory=list)
    gpts: list[GptNight] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Give 1 if something failed, 3 if something waits for a person, else 0."""
        if self.failed_sources or any(one.error for one in self.gpts):
            return 1
        if any(result.incomplete for result in self.synced.values()):
            return 1
        held = bool(self.unlisted) or any(result.plan.held for result in self.synced.values())
        return 3 if held or any(one.waits for one in self.gpts) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nightly:
    """The use case with what it needs."""

    sync: Sync
    build: Build
    evaluate: Evaluate
    publish: Publish
    releases: Releases

    def run(
        self,
        sources: Sequence[SourceToSync],
        gpts: Sequence[tuple[GptToBuild, NightPolicy]],
        progress: Progress,
        *,
        configured: Collection[str],
        who: str,
    ) -> Night:
        """Sync, build, and publish what is first of its line. *configured* names every source of kbm.toml."""
        night = Night()
        for source in sources:
            try:
                night.synced[source.name] = self.sync.run(source, progress)
            except KbmError as error:
                night.failed_sources[source.name] = error
                log.warning("source_failed", source=source.name, why=error.code)
        night.unlisted = self.sync.hold_unlisted(configured)
        for gpt, policy in gpts:
            night.gpts.append(self._one(gpt, policy, progress, who))
        return night

    def _one(self, gpt: GptToBuild, policy: NightPolicy, progress: Progress, who: str) -> GptNight:
        name = gpt.name
        live = self.releases.live(name)
        try:
            built = self.build.run(gpt, progress)
            made = built.release
            if live is None:
                first = self.publish.run(name, str(made.version), who=who, why="first release")
                return GptNight(gpt=name, live=str(first.version), build=built, published=True)
            if made.seq <= live.seq:
                return GptNight(gpt=name, live=str(live.version), build=built)
            report = self.evaluate.gate(name, made, max_drop=policy.max_drop, progress=progress)
            if policy.publish_patch and is_patch(live.version, made.version) and may_publish(report):
                why = f"nightly patch, gate: {report.verdict}"
                self.publish.run(name, str(made.version), who=who, why=why)
                return GptNight(gpt=name, live=str(made.version), build=built, published=True, gate=report)
        except KbmError as error:
            log.warning("gpt_failed", gpt=name, why=error.code)
            return GptNight(gpt=name, live=str(live.version) if live else None, error=error)
        return GptNight(gpt=name, live=str(live.version), build=built, waits=True, gate=report)
