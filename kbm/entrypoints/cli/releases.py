"""``kbm build`` and ``releases``: candidates, and how releases, gates and builds are shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from kbm.bootstrap import Kbm
from kbm.domain.evaluation import Difference, GateReport, Override
from kbm.domain.releases import Release, ReleaseContent
from kbm.domain.versioning import Bump
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.render import TerminalProgress, counted, err, out, print_json, table
from kbm.entrypoints.cli.sources import show_quarantine_hint
from kbm.services.build import BuildResult

app = typer.Typer()


class Bumps(StrEnum):
    """What a person may raise a number to."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


_AWAY = {ReleaseContent.EVICTED: ", put away", ReleaseContent.PURGED: ", content gone"}

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
        note_no_embedder(kbm, as_json=as_json)
        with kbm.working("build", gpt):
            result = kbm.build.run(
                kbm.gpt_to_build(gpt), TerminalProgress(quiet=as_json), at_least=Bump[bump.name]
            )
        if as_json:
            print_json(build_json(result))
            return
        out.print(in_words(gpt, result))
        if result.because:
            out.print(f"why this number: {'; '.join(result.because)}")
        if result.built:
            out.print(f"publish it with: kbm publish {gpt} {result.release.version}")
        show_quarantine_hint(kbm)


@app.command()
def releases(gpt: Gpt, as_json: Json = False) -> None:
    """List a GPT's releases, newest first."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        listed = [release_json(one) for one in kbm.catalogue.releases.all(gpt)]
        if as_json:
            print_json({"releases": listed})
            return
        columns = ("version", "state", "documents#", "passages#", "built", "gate", "digest", "label")
        rows = [
            (
                one["version"],
                one["state"] + _AWAY.get(one["content"], ""),
                one["documents"],
                one["chunks"],
                one["created_at"][:16],
                one["gate"] + (", overridden" if one["override"] else ""),
                one["digest"][:12],
                one["label"],
            )
            for one in listed
        ]
        table("", columns, rows, empty=f"{gpt} has no release yet: kbm build {gpt}")


def in_words(gpt: str, result: BuildResult) -> str:
    """Tell in a line what a build did."""
    made = result.release
    if not result.built:
        return f"{gpt} {made.version} is up to date: nothing was parsed, embedded or written"
    return (
        f"{gpt} {made.version} built: {counted(made.n_documents, 'document')}, {counted(made.n_chunks, 'passage')} "
        f"({result.n_rows_added} new rows, {result.n_embedded} texts embedded)"
    )


def note_no_embedder(kbm: Kbm, *, as_json: bool) -> None:
    """Say that words alone are searched, if an embedder is configured and missing."""
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
        "content": one.content,
        "label": one.label or None,
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
