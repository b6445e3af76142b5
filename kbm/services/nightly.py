"""Bring GPTs up to date, or leave what answers exactly as it was.

Sync every source the GPTs use, build what changed. With nothing live, the first release is published; after that a
candidate waits for a person: until there is a gate that can prove a release no worse, nothing moves by itself.
One source's or GPT's failure does not stop the next.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import structlog

from kbm.domain.releases import Release
from kbm.domain.sync import SyncPlan
from kbm.errors import KbmError
from kbm.ports import Progress
from kbm.services.build import Build, BuildResult, GptToBuild
from kbm.services.needs import Releases
from kbm.services.publish import Publish
from kbm.services.sync import SourceToSync, Sync, SyncResult

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class GptNight:
    """What became of a GPT."""

    gpt: str
    release: Release | None = None
    live: str | None = None
    build: BuildResult | None = None
    published: bool = False
    waits: bool = False
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
        held = bool(self.unlisted) or any(result.plan.held for result in self.synced.values())
        return 3 if held or any(one.waits for one in self.gpts) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nightly:
    """The use case with what it needs."""

    sync: Sync
    build: Build
    publish: Publish
    releases: Releases

    def run(
        self,
        sources: Sequence[SourceToSync],
        gpts: Sequence[GptToBuild],
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
        for gpt in gpts:
            night.gpts.append(self._one(gpt, progress, who))
        return night

    def _one(self, gpt: GptToBuild, progress: Progress, who: str) -> GptNight:
        name = gpt.name
        live = self.releases.live(name)
        try:
            built = self.build.run(gpt, progress)
            if live is None:
                first = self.publish.run(name, str(built.release.version), who=who, why="first release")
                return GptNight(gpt=name, release=first, live=str(first.version), build=built, published=True)
        except KbmError as error:
            log.warning("gpt_failed", gpt=name, why=error.code)
            return GptNight(gpt=name, live=str(live.version) if live else None, error=error)
        return GptNight(
            gpt=name,
            release=built.release,
            live=str(live.version),
            build=built,
            waits=built.release.seq != live.seq,
        )
