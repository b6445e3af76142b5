"""Bring GPTs up to date, or leave what answers exactly as it was.

Sync every source the GPTs use, then build. With nothing live, the first release is published. After that two things
are kept apart: the **line** of the live release, its own rules and sources over the newest content, and the
**change set**, what kbm.toml asks for beyond that. A PATCH of the line that passes the gate is published where the
GPT's policy says so, even while a change set waits; a change set waits for a person or the release train, and a
canary under way is built again over the newest content. One source's or GPT's failure does not stop the next.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import structlog

from kbm.domain.calendar import frozen, train_leaves
from kbm.domain.canary import Canary
from kbm.domain.evaluation import GateReport
from kbm.domain.healing import Healed
from kbm.domain.internal import COMPANY
from kbm.domain.releases import Release, ReleaseState
from kbm.domain.sync import SyncPlan
from kbm.domain.versioning import Bump, between
from kbm.errors import DiskFull, KbmError, LeaseLost, StorageFailed
from kbm.ports import Clock, Progress
from kbm.services.build import Build, BuildResult, GptToBuild
from kbm.services.canary import RunCanary
from kbm.services.compact import Compact
from kbm.services.erase import Erase
from kbm.services.evaluate import Evaluate, may_publish
from kbm.services.forget_questions import ForgetQuestions
from kbm.services.needs import Canaries, Releases
from kbm.services.publish import Publish
from kbm.services.rebuild import Rebuild
from kbm.services.review import Reviewed
from kbm.services.sync import SourceToSync, Sync, SyncResult
from kbm.services.tend_overlays import Tend, Tended

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class NightPolicy:
    """What a nightly run may do with a GPT by itself.

    ``max_drop`` is the largest fall of hit@5 that passes, ``train`` the weekday on which a MINOR goes out too, and
    ``freeze`` the windows in which nothing does.
    """

    publish_patch: bool = True
    max_drop: float = 0.03
    train: str = ""
    freeze: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One candidate of a night, and why it does not answer if it does not."""

    build: BuildResult
    gate: GateReport | None = None
    published: bool = False
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GptNight:
    """What became of a GPT. ``change_set`` is what waits beside the line of the live release."""

    gpt: str
    live: str | None = None
    line: Step | None = None
    change_set: Step | None = None
    canary: str | None = None  # the release that the canary's audience gets
    error: KbmError | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Give what was built or looked at, the live line first."""
        return tuple(step for step in (self.line, self.change_set) if step is not None)

    @property
    def build(self) -> BuildResult | None:
        """Give what was built of the live line, or of the change set where there is no line."""
        return self.steps[0].build if self.steps else None

    @property
    def gate(self) -> GateReport | None:
        """Give the gate of the same."""
        return self.steps[0].gate if self.steps else None

    @property
    def published(self) -> bool:
        """Tell whether another release answers now than before."""
        return any(step.published for step in self.steps)

    @property
    def waits(self) -> bool:
        """Tell whether something waits for a person."""
        return any(step.held for step in self.steps)


@dataclass(slots=True, kw_only=True)
class Night:
    """What a night did."""

    synced: dict[str, SyncResult] = field(default_factory=dict)
    failed_sources: dict[str, KbmError] = field(default_factory=dict)
    unlisted: list[SyncPlan] = field(default_factory=list)
    gpts: list[GptNight] = field(default_factory=list)
    reviews: list[Reviewed] = field(default_factory=list)
    healed: list[Healed] = field(default_factory=list)
    tended: list[Tended] = field(default_factory=list)
    upkeep: list[KbmError] = field(default_factory=list)
    """What could not be tidied up; nothing that answers depends on it."""
    died: KbmError | None = None
    """What ended the night before its end; the rest tells how far it came."""

    def end_with(self, error: Exception) -> None:
        """Note what ended it."""
        if isinstance(error, KbmError):
            self.died = error
            return
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self.died = KbmError(
            f"the night ended before it was done: {type(error).__name__}: {told}",
            hint="what it finished is kept and live stays; mend that, then run kbm nightly again",
        )

    @property
    def exit_code(self) -> int:
        """Give 1 if something failed, 3 if something waits for a person, else 0; one that died has its error's."""
        if self.died:
            return self.died.exit_code
        if self.failed_sources or self.upkeep or any(one.error for one in self.gpts):
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
    canary: RunCanary
    releases: Releases
    canaries: Canaries
    rebuild: Rebuild
    compact: Compact
    forget: ForgetQuestions
    erase: Erase
    clock: Clock
    review: Callable[[str, Progress], Reviewed] | None = None
    """Lets agents look at a GPT after it was brought up to date; nothing that answers depends on it."""
    tend: Tend | None = None
    """Withdraws what was written here and is past its day."""
    heal: Callable[[str, Progress], list[Healed]] | None = None
    """Mends what its owner allowed to be mended without asking."""

    def run(
        self,
        sources: Sequence[SourceToSync],
        gpts: Sequence[tuple[GptToBuild, NightPolicy]],
        progress: Progress,
        *,
        configured: Collection[str],
        who: str,
        night: Night | None = None,
    ) -> Night:
        """Sync, build, and publish what may go out by itself. *configured* names every source of kbm.toml.

        What is done is noted in *night* as it goes, for who wants to tell of one that does not come to its end.

        Raises:
            LeaseLost: another process took the work over.
        """
        night = night or Night()
        self._tidy(night, lambda: self.erase.resume(progress))
        for source in sources:
            try:
                night.synced[source.name] = self.sync.run(source, progress)
            except LeaseLost:
                raise
            except KbmError as error:
                night.failed_sources[source.name] = error
                log.warning("source_failed", source=source.name, why=error.code)
        night.unlisted = self.sync.hold_unlisted(configured)
        for gpt, _ in gpts:
            # Before building: what is past its day must not be in the next release.
            self._tidy(night, partial(self._tend, night, gpt.name))
        for gpt, policy in gpts:
            night.gpts.append(self._one(gpt, policy, progress, who))
            self._tidy(night, partial(self._compact, night, gpt.name, progress))
        # Before agents look: what is to be forgotten is not looked at any more.
        self._tidy(night, self.forget.run)
        for gpt, _ in gpts:
            self._tidy(night, partial(self._review, night, gpt.name, progress))
        for gpt, _ in gpts:
            self._tidy(night, partial(self._heal, night, gpt.name, progress))
        if self.review is not None:
            self._tidy(night, partial(self._compact, night, COMPANY, progress))
        return night

    def _review(self, night: Night, gpt: str, progress: Progress) -> None:
        if self.review is not None and self.releases.live(gpt) is not None:
            night.reviews.append(self.review(gpt, progress))

    def _tend(self, night: Night, gpt: str) -> None:
        if self.tend is not None:
            night.tended.append(self.tend(gpt))

    def _heal(self, night: Night, gpt: str, progress: Progress) -> None:
        if self.heal is not None:
            night.healed += self.heal(gpt, progress)

    def _compact(self, night: Night, gpt: str, progress: Progress) -> None:
        night.upkeep += self.compact.after_publish(gpt, progress).problems

    def _tidy(self, night: Night, do: Callable[[], object]) -> None:
        """Do what keeps the data folder small or finishes what was begun; the night goes on without it."""
        try:
            do()
        except LeaseLost:
            raise
        except KbmError as error:
            log.warning("upkeep_failed", why=error.code)
            night.upkeep.append(error)

    def _one(self, gpt: GptToBuild, policy: NightPolicy, progress: Progress, who: str) -> GptNight:
        """Do one GPT; what goes wrong in it is told and ends with it."""
        try:
            self.rebuild.mend_live(gpt.name, progress)
            return self._steps(gpt, policy, progress, who)
        except LeaseLost:
            raise
        except KbmError as error:
            log.warning("gpt_failed", gpt=gpt.name, why=error.code)
            failed = self._if_full(gpt.name, error) or error
        except Exception as error:
            # A fault nobody foresaw in one GPT must not cost the others their night.
            log.exception("gpt_failed", gpt=gpt.name)
            failed = self._if_full(gpt.name, error) or KbmError(
                f"{gpt.name} failed in a way kbm does not know: {type(error).__name__}: {error}; live stays",
                hint="the log has the details (KBM_LOG=INFO); the other GPTs went on",
            )
        live = self.releases.live(gpt.name)
        return GptNight(gpt=gpt.name, live=str(live.version) if live else None, error=failed)

    def _if_full(self, gpt: str, error: Exception) -> KbmError | None:
        """Say in figures that the disk is full, if that is what stopped a GPT."""
        out_of_room = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if not out_of_room and type(error) is not StorageFailed:
            return None
        try:
            self.build.room.need(0, f"bring {gpt} up to date")
        except DiskFull as full:
            return full
        if not out_of_room:
            return None
        return StorageFailed(
            f"the disk was full while {gpt} was brought up to date, and has room again by now; live stays",
            hint="run the same command again; what was finished is kept",
        )

    def _steps(self, gpt: GptToBuild, policy: NightPolicy, progress: Progress, who: str) -> GptNight:
        live = self.releases.live(gpt.name)
        if live is None:
            built = self.build.run(gpt, progress)
            first = self.publish.run(
                gpt.name, str(built.release.version), who=who, why="first release", expected_live=None
            )
            return GptNight(gpt=gpt.name, live=str(first.version), line=Step(build=built, published=True))
        canary = self.canaries.running(gpt.name)
        line = _line_of(live, gpt)
        change_set = None
        found = None
        if line == gpt and canary is None:
            found = self._candidate(gpt, live, policy, progress, who)
        else:
            if line is not None and line != gpt:
                found = self._candidate(line, live, policy, progress, who)
                live = self.releases.live(gpt.name) or live
            if canary is None:
                change_set = self._candidate(gpt, live, policy, progress, who)
        if canary is not None:
            change_set, now = self._rebase(gpt, canary, policy, progress)
            return GptNight(gpt=gpt.name, live=self._live(gpt), line=found, change_set=change_set, canary=now)
        return GptNight(gpt=gpt.name, live=self._live(gpt), line=found, change_set=change_set)

    def _live(self, gpt: GptToBuild) -> str | None:
        live = self.releases.live(gpt.name)
        return str(live.version) if live else None

    def _candidate(
        self, gpt: GptToBuild, live: Release, policy: NightPolicy, progress: Progress, who: str
    ) -> Step:
        """Build; publish what passes the gate and may go out today without a person."""
        built = self.build.run(gpt, progress)
        made = built.release
        if made.seq == live.seq:
            return Step(build=built)
        gate = self.evaluate.gate(gpt.name, made, max_drop=policy.max_drop, progress=progress)
        held = self._why_held(made, live, built, gate, policy)
        if held:
            return Step(build=built, gate=gate, held=held)
        word = between(live.version, made.version).word
        why = f"nightly {word}, gate: {gate.verdict}"
        self.publish.run(gpt.name, str(made.version), who=who, why=why, expected_live=live.digest)
        return Step(build=built, gate=gate, published=True)

    def _why_held(
        self, made: Release, live: Release, built: BuildResult, gate: GateReport, policy: NightPolicy
    ) -> tuple[str, ...]:
        """Say all that keeps a candidate from going out by itself."""
        held = [] if may_publish(gate) else [*gate.reasons] or [f"the gate says {gate.verdict}"]
        today = self._today()
        bump = between(live.version, made.version)
        window = frozen(today, policy.freeze)
        rolled_back = self.releases.rolled_back(made.gpt)
        if rolled_back:
            held.append(f"{rolled_back}: what goes live next is a person's decision")
        elif made.state is ReleaseState.RETIRED:
            held.append(f"{made.version} answered before and was taken back")
        if window:
            held.append(f"no release goes out by itself in {window}")
        if bump is Bump.PATCH and not policy.publish_patch:
            held.append('release.nightly is "hold"')
        if bump is Bump.MINOR and not train_leaves(today, policy.train):
            train = (
                f"the release train leaves on {policy.train}"
                if policy.train
                else "a MINOR waits for a person"
            )
            held += [*built.because, train]
        if bump is Bump.MAJOR:
            held += [*built.because, "a MAJOR waits for a person"]
        return tuple(dict.fromkeys(held))

    def _rebase(
        self, gpt: GptToBuild, canary: Canary, policy: NightPolicy, progress: Progress
    ) -> tuple[Step, str]:
        """Build the canary again over the newest content."""
        now, against = self.canary.rebase(gpt, canary, policy.max_drop, progress)
        step = Step(
            build=BuildResult(release=now, built=now.seq != canary.seq),
            held=(against,) if against else (),
        )
        return step, str(now.version)

    def _today(self) -> date:
        return self.clock.now().astimezone().date()


def _line_of(live: Release, gpt: GptToBuild) -> GptToBuild | None:
    """Give the GPT as the live release has it; None where passages or vectors are made by other rules now."""
    if live.index_spec != gpt.index_spec:
        return None
    configured = live.approved.configured(live.answer_spec)
    if configured == gpt.answer_spec and set(live.sources) <= {*gpt.sources, *gpt.approved.sources}:
        return gpt
    return replace(gpt, answer_spec=configured, sources=live.sources)
