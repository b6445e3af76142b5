"""Let a release answer, or an earlier one again: move one pointer.

A person publishes through the gate (:class:`GatedPublish`): its verdict is decided against what is live, and the
pointer moves only if that is live still. What fails needs the sponsor, what is held a reason; both are logged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from kbm.domain.evaluation import GateReport, GateVerdict, Override
from kbm.domain.releases import ExpectedLive, Release, ReleaseState
from kbm.domain.retention import ensure_indexed
from kbm.errors import HeldForPerson, UsageError
from kbm.faults import fault_point
from kbm.ports import Clock, Progress
from kbm.services.evaluate import Evaluate
from kbm.services.needs import Indexes, Releases

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """The use case with what it needs."""

    releases: Releases
    indexes: Indexes

    def run(
        self,
        gpt: str,
        version: str,
        *,
        who: str,
        why: str,
        expected_live: ExpectedLive = "any",
        override: Override | None = None,
    ) -> Release:
        """Publish a sealed release; the one before becomes ``previous``. Publishing the live one changes nothing.

        *expected_live* is the digest of the release the caller compared this one with (None: nothing was live).

        Raises:
            NotFound: no such release.
            ReleaseNotSealed: it failed its probe.
            ReleaseEvicted: its index was put away.
            IndexDamaged: its files are not what was sealed; live stays as it is.
            Busy: live moved meanwhile, so the comparison holds no longer; live stays as it is.
        """
        made = self.releases.get(gpt, version)
        ensure_indexed(made)
        self.indexes.probe(gpt, made.index_spec, made.seq)
        with fault_point("publish.pointer"):
            published = self.releases.publish(
                gpt, version, who=who, why=why, expected_live=expected_live, override=override
            )
        log.info("release_published", gpt=gpt, release=version, digest=published.digest)
        return published

    def roll_back(self, gpt: str, *, to: str | None, who: str, reason: str) -> Release:
        """Let an earlier release answer again: the one before, or the one named. Nothing is built.

        Raises:
            UsageError: no reason is given, nothing was live before, or the release named never answered.
            NotFound: no such release.
            Busy: none was named, and live moved meanwhile: the one before is another one now.
        """
        if not reason.strip():
            raise UsageError("a rollback needs its reason", hint='say it with --reason "…"')
        live = self.releases.live(gpt)
        earlier = self.releases.get(gpt, to) if to else self.releases.previous(gpt)
        if to is None and earlier is not None and live is not None and earlier.seq > live.seq:
            # "The one before" is what was taken back: repeating a rollback must never bring that in again.
            raise UsageError(
                f"{self.releases.rolled_back(gpt)} already; {gpt} {live.version} answers on",
                hint=f"name the release to go to: kbm rollback {gpt} --to VERSION --reason …",
            )
        if earlier is None:
            raise UsageError(f"no other release of {gpt} was live before", hint=f"see kbm releases {gpt}")
        if earlier.published_at is None:
            raise UsageError(
                f"{gpt} {earlier.version} never answered, so there is nothing to go back to",
                hint=f"kbm publish {gpt} {earlier.version}",
            )
        ensure_indexed(earlier)
        self.indexes.open(gpt, earlier.index_spec, earlier.seq, earlier.index_digest)
        # Who names a release wants that one, whatever else happens; "the one before" is a place that may move.
        expected: ExpectedLive = "any" if to or live is None else live.digest
        with fault_point("rollback.pointer"):
            back = self.releases.publish(
                gpt, str(earlier.version), who=who, why=reason, expected_live=expected, action="rollback"
            )
        log.info("release_rolled_back", gpt=gpt, release=str(back.version))
        return back


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """What kbm.toml says of a GPT's gate; *sponsor* is a mail address, or empty when nobody is named."""

    max_drop: float
    sponsor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideAsked:
    """What somebody gave to publish against the gate: a reason, and as whom."""

    reason: str
    sponsor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The release that answers now, and the gate it went through; none if it was live before."""

    release: Release
    gate: GateReport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedPublish:
    """The use case with what it needs."""

    releases: Releases
    evaluate: Evaluate
    publish: Publish
    clock: Clock

    def run(
        self,
        gpt: str,
        version: str,
        policy: GatePolicy,
        progress: Progress,
        *,
        who: str,
        why: str,
        override: OverrideAsked | None = None,
    ) -> Published:
        """Publish a release if its gate lets it, deciding the gate if that was not done against what is live.

        Raises:
            NotFound: no such release.
            ReleaseNotSealed: it failed its probe.
            HeldForPerson: the gate failed and nobody overrides it, or it holds and no reason is given.
            UsageError: it is a form of a canary, goes back behind live without a reason, or the override has none, or
                is not in the name of the sponsor.
            Busy: live moved while the gate was decided.
        """
        made, live = self.releases.get(gpt, version), self.releases.live(gpt)
        if live is not None and live.seq == made.seq:
            return Published(release=live, gate=None)
        if override is not None:
            _check(override, gpt, policy.sponsor)
        _ensure_final(made)
        if live is not None and made.state is ReleaseState.RETIRED and made.seq < live.seq:
            _ensure_meant(made, live, why or (override.reason if override else ""))
        report = None
        if made.state is not ReleaseState.FAILED:  # which is refused below, before anything is asked
            report = self.evaluate.standing(gpt, made, live, max_drop=policy.max_drop) or self.evaluate.gate(
                gpt, made, max_drop=policy.max_drop, progress=progress
            )
            _ask_a_person(report, made, live, policy, why=why, overridden=override is not None)
        published = self.publish.run(
            gpt,
            version,
            who=who,
            why=why or (override.reason if override else ""),
            expected_live=live.digest if live else None,
            override=self._granted(override, report, who),
        )
        return Published(release=published, gate=report)

    def _granted(self, asked: OverrideAsked | None, report: GateReport | None, who: str) -> Override | None:
        """Make the entry of an override; None where there is nothing to override."""
        if asked is None or report is None or report.verdict in (GateVerdict.PASS, GateVerdict.UNPROVED):
            return None
        return Override(
            who=who,
            sponsor=asked.sponsor,
            at=self.clock.now(),
            reason=asked.reason.strip(),
            verdict=report.verdict,
        )


def _ensure_final(made: Release) -> None:
    """Refuse to let everybody get a form of a canary under its provisional number."""
    if made.version.rc is None:
        return
    final = replace(made.version, rc=None)
    raise UsageError(
        f"{made.gpt} {made.version} is a form of a canary and answers its audience only; nothing was published",
        hint=f"kbm canary promote {made.gpt} gives it to all as {final}; if the canary was stopped, start it again: "
        f"kbm publish {made.gpt} {made.version} --canary 10%",
    )


def _ensure_meant(made: Release, live: Release, why: str) -> None:
    """Refuse to go back behind live by the way: that undoes all that came since."""
    if not why.strip():
        raise UsageError(
            f"{made.gpt} {made.version} answered before {live.version}, so publishing it is a rollback and needs its "
            "reason; nothing was changed",
            hint=f'say it: kbm rollback {made.gpt} --to {made.version} --reason "…"',
        )


def _check(asked: OverrideAsked, gpt: str, sponsor: str) -> None:
    """Refuse an override that the sponsor did not decide, or gave no reason for."""
    if not asked.reason.strip() or not asked.sponsor.strip():
        raise UsageError(
            "an override needs its reason and the sponsor who decides it",
            hint='say both: --override "…" --as MAIL',
        )
    if not sponsor:
        raise UsageError(
            f"{gpt} has no sponsor, so nobody may override its gate",
            hint=f'name one in kbm.toml: gpts.{gpt}.people.sponsor = "…"',
        )
    if asked.sponsor.strip().casefold() != sponsor.casefold():
        raise UsageError(
            f"{asked.sponsor} is not the sponsor of {gpt} and may not override its gate; nothing was published",
            hint=f"its sponsor is {sponsor}",
        )


def publish_command(gpt: str, version: object, verdict: GateVerdict | None) -> str:
    """Give the command by which a person lets a release answer, with what its gate then asks for."""
    match verdict:
        case GateVerdict.FAIL:
            asked = ' --override "…" --as SPONSOR'
        case GateVerdict.HOLD:
            asked = ' --why "…"'
        case _:
            asked = ""
    return f"kbm publish {gpt} {version}{asked}"


def _ask_a_person(
    report: GateReport,
    made: Release,
    live: Release | None,
    policy: GatePolicy,
    *,
    why: str,
    overridden: bool,
) -> None:
    """Stop where a person has to decide and did not."""
    stays = f"live stays {live.version}" if live else "nothing is live"
    reasons = "; ".join(report.reasons)
    command = f"kbm publish {made.gpt} {made.version}"
    if report.verdict is GateVerdict.FAIL and not overridden:
        sponsor = policy.sponsor or f"SPONSOR (name one first: gpts.{made.gpt}.people.sponsor in kbm.toml)"
        raise HeldForPerson(
            f"{made.gpt} {made.version} failed its gate, and {stays}: {reasons}",
            hint=f"mend the documents and build again, review the questions (kbm golden list {made.gpt}), "
            f'or let the sponsor decide: {command} --override "…" --as {sponsor}',
        )
    if report.verdict is GateVerdict.HOLD and not why.strip() and not overridden:
        raise HeldForPerson(
            f"the gate holds {made.gpt} {made.version}, and {stays}: {reasons}",
            hint=f'if it shall answer all the same, say why: {command} --why "…"',
        )
