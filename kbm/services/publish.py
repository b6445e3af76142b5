"""Let a release answer, or an earlier one again: move one pointer."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from kbm.domain.releases import Release
from kbm.errors import UsageError
from kbm.services.needs import Indexes, Releases

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """The use case with what it needs."""

    releases: Releases
    indexes: Indexes

    def run(self, gpt: str, version: str, *, who: str, why: str) -> Release:
        """Publish a sealed release; the one before becomes ``previous``. Publishing the live one changes nothing.

        Raises:
            NotFound: no such release.
            ReleaseNotSealed: it failed its probe.
            IndexDamaged: its files are not what was sealed; live stays as it is.
        """
        made = self.releases.get(gpt, version)
        self.indexes.probe(gpt, made.index_spec, made.seq)
        published = self.releases.publish(gpt, version, who=who, why=why)
        log.info("release_published", gpt=gpt, release=version, digest=published.digest)
        return published

    def roll_back(self, gpt: str, *, to: str | None, who: str, reason: str) -> Release:
        """Let an earlier release answer again: the one before, or the one named. Nothing is built.

        Raises:
            UsageError: no reason is given, nothing was live before, or the release named never answered.
            NotFound: no such release.
        """
        if not reason.strip():
            raise UsageError("a rollback needs its reason", hint='say it with --reason "…"')
        earlier = self.releases.get(gpt, to) if to else self.releases.previous(gpt)
        if earlier is None:
            raise UsageError(f"no other release of {gpt} was live before", hint=f"see kbm releases {gpt}")
        if earlier.published_at is None:
            raise UsageError(
                f"{gpt} {earlier.version} never answered, so there is nothing to go back to",
                hint=f"kbm publish {gpt} {earlier.version}",
            )
        self.indexes.open(gpt, earlier.index_spec, earlier.seq)
        back = self.releases.publish(gpt, str(earlier.version), who=who, why=reason)
        log.info("release_rolled_back", gpt=gpt, release=str(back.version))
        return back
