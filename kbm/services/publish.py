"""Let a release answer: move one pointer."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from kbm.domain.releases import Release
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
