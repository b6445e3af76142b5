"""One index over all documents of the company, for looking things up: causes, drafts, and shadows of releases.

It is a line of releases like any other, so that building, erasing and compacting treat it alike; it never answers,
and of it only the newest is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from kbm.domain.internal import COMPANY, drafts_of, overlays_of
from kbm.domain.releases import AnswerSpec, IndexSpec, Release, ReleaseContent
from kbm.errors import NothingLive
from kbm.ports import Progress
from kbm.services.build import Build, GptToBuild
from kbm.services.needs import Releases


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyIndex:
    """The use case with what it needs. ``sources`` are those of kbm.toml, ``gpts`` those whose drafts are in it."""

    build: Build
    releases: Releases
    sources: Collection[str]
    gpts: Collection[str]
    index_spec: Callable[[], IndexSpec]

    def described(self) -> GptToBuild:
        """Say what it is made of: all sources, what people approved here, and what agents drafted."""
        written = [name for gpt in self.gpts for name in (overlays_of(gpt), drafts_of(gpt))]
        return GptToBuild(
            name=COMPANY,
            sources=(*sorted(self.sources), *sorted(written)),
            index_spec=self.index_spec(),
            answer_spec=AnswerSpec(),
            tools={},
        )

    def refresh(self, progress: Progress) -> Release:
        """Bring it up to what is stored; nothing changed costs nothing.

        Raises:
            KbmError: no document is stored.
            Busy: another process builds it.
        """
        return self.build.run(self.described(), progress, measured=False).release

    def newest(self) -> Release:
        """Give it as it is.

        Raises:
            NothingLive: it was never made.
        """
        for one in self.releases.all(COMPANY):
            if one.content is ReleaseContent.INDEXED:
                return one
        raise NothingLive("nothing was reviewed yet", hint="kbm review")
