"""``kbm build``, ``publish``, ``releases``, ``nightly``: from stored documents to the release that answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from kbm.bootstrap import Kbm
from kbm.domain.evaluation import Difference, GateReport, Override
from kbm.domain.releases import Release
from kbm.domain.versioning import Bump
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.render import TerminalProgress, counted, err, fail, out, plain, print_json, table
from kbm.entrypoints.cli.sources import show_quarantine_hint
from kbm.services.build import BuildResult
from kbm.services.nightly import GptNight, Night, Step
from kbm.services.publish import GatePolicy, OverrideAsked
from kbm.services.report import Reported

app = typer.Typer()


class Bumps(StrEnum):
    """What a person may raise a number to."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


Gpt = Annotated[str, typer.Argument(help="Name of the GPT in kbm.toml.")]


@app.command()
def build(
    gpt: Gpt,
    bump: Annotated[
        Bumps, typer.Option("--bump", help="Raise the number at least to this; the rule may ask for more.")
    ] = Bumps.PATCH,
    as_json: Json = False,
) -> None:
    """Build a candidate release beside the live one; never publishes."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        _note_no_embedder(kbm, as_json=as_json)
        with kbm.working("build", gpt):
            result = kbm.build.run(
                kbm.gpt_to_build(gpt), TerminalProgress(quiet=as_json), at_least=Bump[bump.name]
            )
        if as_json:
            print_json(build_json(result))
            return
        out.print(_in_words(gpt, result))
        if result.because:
            out.print(f"why this number: {'; '.join(result.because)}")
        if result.built:
            out.print(f"publish it with: kbm publish {gpt} {result.release.version}")
        show_quarantine_hint(kbm)


@app.command()
def publish(
    gpt: Gpt,
    version: Annotated[str, typer.Argument(help="Number of a built release, such as 1.0.0.")],
    why: Annotated[
        str, typer.Option("--why", help="The reason, kept in the log. Required when the gate holds.")
    ] = "",
    override: Annotated[
        str, typer.Option("--override", metavar="REASON", help="Publish against the gate; needs --as.")
    ] = "",
    sponsor: Annotated[
        str, typer.Option("--as", metavar="MAIL", help="The GPT's sponsor, who decides the override.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Let a release answer from now on, if its gate lets it; the gate is decided if that was not done."""
    with opened(as_json=as_json) as kbm:
        section = kbm.gpt_settings(gpt)
        done = kbm.gated_publish.run(
            gpt,
            version,
            GatePolicy(max_drop=section.release.max_drop, sponsor=section.people.sponsor),
            TerminalProgress(quiet=as_json),
            who=who(),
            why=why,
            override=OverrideAsked(reason=override, sponsor=sponsor) if override or sponsor else None,
        )
        made = done.release
        if as_json:
            print_json({**release_json(made), "gate_report": gate_json(done.gate) if done.gate else None})
            return
        gate = f"; gate: {done.gate.verdict}" if done.gate else ""
        if done.gate and made.override and done.gate.verdict is made.override.verdict and override:
            gate += f", overridden by {plain(made.override.sponsor)}"
        out.print(
            f"{gpt} {made.version} answers now: {made.n_documents} documents, {made.n_chunks} passages{gate}"
        )


@app.command()
def rollback(
    gpt: Gpt,
    reason: Annotated[str, typer.Option("--reason", help="Why, kept in the log. Required.")] = "",
    to: Annotated[str | None, typer.Option("--to", help="An earlier release; else the one before.")] = None,
    as_json: Json = False,
) -> None:
    """Let an earlier release answer again, at once."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        made = kbm.publish.roll_back(gpt, to=to, who=who(), reason=reason)
        if as_json:
            print_json(release_json(made))
        else:
            out.print(f"{gpt} {made.version} answers again")


@app.command()
def releases(gpt: Gpt, as_json: Json = False) -> None:
    """List a GPT's releases, newest first."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        listed = [release_json(one) for one in kbm.catalogue.releases.all(gpt)]
        if as_json:
            print_json({"releases": listed})
            return
        columns = ("version", "state", "documents#", "passages#", "built", "gate", "digest")
        rows = [
            (
                one["version"],
                one["state"],
                one["documents"],
                one["chunks"],
                one["created_at"][:16],
                one["gate"] + (", overridden" if one["override"] else ""),
                one["digest"][:12],
            )
            for one in listed
        ]
        table("", columns, rows, empty=f"{gpt} has no release yet: kbm build {gpt}")


@app.command()
def nightly(
    gpts: Annotated[list[str] | None, typer.Argument(metavar="GPT", help="Default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Sync, build, test, and publish: 1.0.0 where nothing is live, then patches that pass the gate."""
    with opened(as_json=as_json) as kbm:
        names = gpts or list(kbm.settings.gpts)
        wanted = {source for name in names for source in kbm.gpt_settings(name).sources}
        sources = [kbm.source_to_sync(name) for name in kbm.settings.sources if name in wanted]
        _note_no_embedder(kbm, as_json=as_json)
        with kbm.working("nightly", " ".join(names)) as job:
            todo = [(kbm.gpt_to_build(name), kbm.night_policy(name)) for name in names]
            night = kbm.nightly.run(
                sources, todo, TerminalProgress(quiet=as_json), configured=kbm.settings.sources, who=who()
            )
        reported = kbm.report.run(night, job)  # the data folder is free again: sending may take a minute
        show_night(night, as_json=as_json, reported=reported)
        if not as_json:
            show_quarantine_hint(kbm)
        raise typer.Exit(night.exit_code)


def show_night(night: Night, *, as_json: bool, reported: Reported | None = None) -> None:
    """Tell what a night did, and where its report is."""
    if as_json:
        print_json(_night_json(night) | ({"report": reported_json(reported)} if reported else {}))
        return
    changed = sum(result.n_stored for result in night.synced.values())
    read = [result for result in night.synced.values() if "" not in result.plan.failed_scopes]
    removed = sum(len(set(result.plan.removed) - result.plan.held) for result in night.synced.values())
    out.print(
        f"{counted(len(read), 'source')} read: {counted(changed, 'document')} stored, {removed} removed"
    )
    for error in night.failed_sources.values():
        fail(error, as_json=False)
    for result in night.synced.values():
        for line in (*result.plan.failures, *result.not_fetched):
            err.print(f"[yellow]{result.plan.source}:[/yellow] {plain(line)}")
        if result.plan.held:
            out.print(
                f"{result.plan.source} waits for you: {'; '.join(result.plan.held_because)} → kbm plans"
            )
    for plan in night.unlisted:
        out.print(f"{plan.source} waits for you: {'; '.join(plan.held_because)} → kbm plans")
    for one in night.gpts:
        if one.error:
            fail(one.error, as_json=False)
            out.print(f"{one.gpt}: {'live stays ' + one.live if one.live else 'nothing is live'}")
        for step in one.steps:
            out.print(_in_words(one.gpt, step.build) + _fate(one, step))
    if reported:
        show_reported(reported)


def show_reported(reported: Reported) -> None:
    """Tell where a report is and how sending it ended."""
    for line in reported.problems:
        err.print(f"[bold red]report:[/bold red] {plain(line)}")
    sent = [one.by for one in reported.deliveries if one.ok]
    if reported.path:
        out.print(f"report: {plain(reported.path)}" + (f"; sent by {', '.join(sent)}" if sent else ""))


def reported_json(reported: Reported) -> dict[str, Any]:
    """Give where a report is and how sending it ended as JSON."""
    return {
        "path": str(reported.path) if reported.path else None,
        "sent": [{"by": one.by, "error": one.why or None} for one in reported.deliveries],
        "problems": list(reported.problems),
    }


def _fate(one: GptNight, step: Step) -> str:
    gate = f"; gate: {step.gate.verdict}" if step.gate else ""
    version = step.build.release.version
    if step.published:
        return f"{gate}; published"
    if str(version) == one.canary:
        return f"{gate}; answers its canary's audience" + "".join(f"; {why}" for why in step.held)
    if step.held:
        return (
            f"{gate}; live stays {one.live}: {'; '.join(step.held)}. Let it answer with: "
            f"kbm publish {one.gpt} {version}"
        )
    return gate


def _in_words(gpt: str, result: BuildResult) -> str:
    made = result.release
    if not result.built:
        return f"{gpt} {made.version} is up to date: nothing was parsed, embedded or written"
    return (
        f"{gpt} {made.version} built: {counted(made.n_documents, 'document')}, {counted(made.n_chunks, 'passage')} "
        f"({result.n_rows_added} new rows, {result.n_embedded} texts embedded)"
    )


def _note_no_embedder(kbm: Kbm, *, as_json: bool) -> None:
    if kbm.no_embedder and not as_json:
        err.print(f"[yellow]note:[/yellow] searching by words alone: {kbm.no_embedder}")


def release_json(one: Release) -> dict[str, Any]:
    """Give a release as the contract of ``releases`` has it."""
    return {
        "version": str(one.version),
        "state": one.state,
        "digest": one.digest,
        "created_at": one.created_at.isoformat(),
        "published_at": one.published_at.isoformat() if one.published_at else None,
        "documents": one.n_documents,
        "chunks": one.n_chunks,
        "gate": one.gate,
        "override": override_json(one.override) if one.override else None,
    }


def override_json(one: Override) -> dict[str, Any]:
    """Give a decision against a gate as JSON."""
    return {
        "who": one.who,
        "as": one.sponsor,
        "at": one.at.isoformat(),
        "reason": one.reason,
        "verdict": one.verdict,
    }


def gate_json(report: GateReport) -> dict[str, Any]:
    """Give a gate's verdict as JSON."""
    return {
        "verdict": report.verdict,
        "reasons": list(report.reasons),
        "questions": report.n_questions,
        "to_review": report.n_to_review,
        "passed": report.passed,
        "passed_interval": list(report.passed_interval),
        "hit_at_5": report.hit_at_5,
        "live_hit_at_5": report.live_hit_at_5,
        "hit_at_5_change": _difference_json(report.hit_at_5_change),
        "citation_coverage": report.citation_coverage,
        "live_citation_coverage": report.live_citation_coverage,
        "citation_coverage_change": _difference_json(report.citation_coverage_change),
        "dead_citations": list(report.dead_citations),
        "live": report.live,
        "won": list(report.won),
        "lost": list(report.lost),
    }


def _difference_json(change: Difference | None) -> dict[str, float] | None:
    return {"value": change.value, "low": change.low, "high": change.high} if change else None


def build_json(result: BuildResult) -> dict[str, Any]:
    """Give a build as JSON."""
    return {
        **release_json(result.release),
        "built": result.built,
        "chunked": result.n_chunked,
        "embedded": result.n_embedded,
        "rows_added": result.n_rows_added,
        "because": list(result.because),
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "build": build_json(step.build),
        "gate": gate_json(step.gate) if step.gate else None,
        "published": step.published,
        "held": list(step.held),
    }


def _night_json(night: Night) -> dict[str, Any]:
    return {
        "sources": [
            {
                "source": name,
                "stored": result.n_stored,
                "removed": len(set(result.plan.removed) - result.plan.held),
                "unchanged": result.plan.unchanged,
                "held_because": list(result.plan.held_because),
                "failures": [*result.plan.failures, *result.not_fetched],
            }
            for name, result in night.synced.items()
        ],
        "held_plans": [plan.source for plan in night.unlisted],
        "failed_sources": {name: str(error) for name, error in night.failed_sources.items()},
        "gpts": [
            {
                "gpt": one.gpt,
                "live": one.live,
                "published": one.published,
                "waits": one.waits,
                "gate": gate_json(one.gate) if one.gate else None,
                "error": str(one.error) if one.error else None,
                "build": build_json(one.build) if one.build else None,
                "held": [why for step in one.steps for why in step.held],
                "canary": one.canary,
                "change_set": _step_json(one.change_set) if one.change_set else None,
            }
            for one in night.gpts
        ],
    }
