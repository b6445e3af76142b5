"""Let some people get a release before all do; stop it when it harms, promote it when it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from kbm.domain.canary import Audience, Canary, CanaryState, ReplayReport
from kbm.domain.evaluation import GateVerdict
from kbm.domain.releases import Release, ReleaseState
from kbm.domain.versioning import between, number
from kbm.errors import HeldForPerson, NotFound, NothingLive, ReleaseNotSealed, UsageError
from kbm.ports import Progress
from kbm.services.build import Build, GptToBuild
from kbm.services.evaluate import Evaluate
from kbm.services.needs import Canaries, Indexes, Releases
from kbm.services.publish import Publish
from kbm.services.replay import Replay

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCanary:
    """The use case with what it needs."""

    releases: Releases
    canaries: Canaries
    indexes: Indexes
    build: Build
    evaluate: Evaluate
    replay: Replay
    publish: Publish

    def start(
        self,
        gpt: str,
        version: str,
        audience: Audience,
        *,
        max_drop: float,
        who: str,
        why: str,
        progress: Progress,
    ) -> tuple[Canary, ReplayReport]:
        """Let an audience get a candidate, if neither the gate nor the replay of the last weeks speaks against it.

        Raises:
            NotFound: no such release.
            NothingLive: nothing is live, so there is nothing to compare with.
            UsageError: it is no candidate, or a canary is under way.
            HeldForPerson: gate or replay speak against it; live and candidate stay as they are.
            IndexDamaged: its files are not what was sealed.
        """
        made = self.releases.get(gpt, version)
        live = self.releases.live(gpt)
        if live is None:
            raise NothingLive(
                f"{gpt} has no live release yet", hint=f"publish it to all: kbm publish {gpt} {version}"
            )
        if made.state is ReleaseState.FAILED:
            raise ReleaseNotSealed(f"{gpt} {version} did not pass its probe", hint=f"kbm build {gpt}")
        if made.state is not ReleaseState.CANDIDATE:
            raise UsageError(f"{gpt} {version} is {made.state}, and a canary needs a candidate")
        self.indexes.probe(gpt, made.index_spec, made.seq)
        self._pass_gate(gpt, made, max_drop, progress)
        report = self.replay.run(gpt, live, made, progress)
        if report.against:
            raise HeldForPerson(
                f"{gpt} {version} starts no canary: {report.against}; nothing was changed",
                hint=f"see what they found: kbm diff {gpt} {live.version} {version}",
            )
        started = self.canaries.start(gpt, made, audience, report, who=who, why=why)
        log.info("canary_started", gpt=gpt, release=version, audience=str(audience))
        return started, report

    def stop(self, gpt: str, *, who: str, why: str) -> Canary:
        """End a canary; everybody gets live.

        Raises:
            UsageError: no reason is given.
            NotFound: none is under way.
        """
        if not why.strip():
            raise UsageError("stopping a canary needs its reason", hint='say it with --reason "…"')
        found = self._running(gpt)
        self.canaries.end(found, CanaryState.STOPPED, who=who, why=why)
        log.info("canary_stopped", gpt=gpt, why=why)
        return found

    def promote(self, gpt: str, *, max_drop: float, who: str, why: str, progress: Progress) -> Release:
        """Let everybody get what the canary's audience gets: the same digest under the number it was to become.

        Raises:
            NotFound: none is under way.
            HeldForPerson: it does not pass the gate any more; the canary goes on.
            Busy: live moved meanwhile; the canary goes on.
            IndexDamaged: its files are not what was sealed; live stays as it is.
        """
        found = self._running(gpt)
        made = self.releases.at(gpt, found.seq)
        live = self.releases.live(gpt)
        if live is None or live.digest != made.digest:
            self._pass_gate(gpt, made, max_drop, progress)
            if made.version.rc is not None:
                made = self._final(gpt, made, found, progress)
            made = self.publish.run(
                gpt,
                str(made.version),
                who=who,
                why=why or "the canary was promoted",
                expected_live=live.digest if live else None,
            )
        self.canaries.end(found, CanaryState.PROMOTED, who=who, why=why)
        log.info("canary_promoted", gpt=gpt, release=str(made.version))
        return self.releases.at(gpt, made.seq)

    def rebase(
        self, gpt: GptToBuild, found: Canary, max_drop: float, progress: Progress
    ) -> tuple[Release, str]:
        """Build the canary's change set over the newest content, and let its audience get that.

        Returns the release its audience gets now, and why it is still the one before, if it is.

        Raises:
            KbmError: as :class:`~kbm.services.build.Build` raises.
        """
        now = self.releases.at(gpt.name, found.seq)
        live = self.releases.live(gpt.name)
        if live is None:
            raise NothingLive(f"{gpt.name} has a canary but no live release")
        taken = {one.version for one in self.releases.all(gpt.name)}
        target = number(live.version, between(live.version, found.target), taken)
        # One that was stopped and started again counts on after the forms it had before.
        forms = [one.rc or 0 for one in taken if replace(one, rc=None) == target]
        made = self.build.run(
            gpt,
            progress,
            at_least=between(live.version, found.target),
            rc=(target, max(found.rc, *forms, 0) + 1),
        ).release
        if made.seq == now.seq:
            return now, ""
        gate = self.evaluate.gate(gpt.name, made, max_drop=max_drop, progress=progress)
        if gate.verdict is GateVerdict.FAIL:
            return now, f"{made.version} does not pass the gate: {'; '.join(gate.reasons)}"
        self.canaries.rebase(found, made, target)
        log.info("canary_rebased", gpt=gpt.name, release=str(made.version))
        return made, ""

    def _pass_gate(self, gpt: str, made: Release, max_drop: float, progress: Progress) -> None:
        """Raise unless a candidate passes, is held for the person who decides here, or is unproved."""
        gate = self.evaluate.gate(gpt, made, max_drop=max_drop, progress=progress)
        if gate.verdict is GateVerdict.FAIL:
            raise HeldForPerson(
                f"{gpt} {made.version} does not pass the gate: {'; '.join(gate.reasons)}; nothing was changed",
                hint=f"mend the documents and build again: kbm build {gpt}",
            )

    def _final(self, gpt: str, made: Release, found: Canary, progress: Progress) -> Release:
        """Give the canary's content its number; after a crash the one already made is taken."""
        for one in self.releases.all(gpt):
            if (
                one.version == found.target
                and one.digest == made.digest
                and one.state is not ReleaseState.FAILED
            ):
                return one
        taken = {one.version for one in self.releases.all(gpt)}
        target = found.target
        while target in taken:
            target = target.next_patch()
        return self.build.reissue(gpt, made, target, progress)

    def _running(self, gpt: str) -> Canary:
        found = self.canaries.running(gpt)
        if found is None:
            raise NotFound("canary of", gpt, hint=f"start one: kbm publish {gpt} VERSION --canary 10%")
        return found
