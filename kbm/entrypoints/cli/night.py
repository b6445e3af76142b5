"""``kbm nightly``: the whole round, and what a person reads in the morning."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
import typer

from kbm.domain.healing import Healed
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.releases import build_json, gate_json, in_words, note_no_embedder
from kbm.entrypoints.cli.render import TerminalProgress, counted, err, fail, out, plain, print_json
from kbm.entrypoints.cli.sources import show_quarantine_hint
from kbm.errors import LeaseLost
from kbm.services.nightly import GptNight, Night, Step
from kbm.services.publish import publish_command
from kbm.services.report import Reported

app = typer.Typer()
log = structlog.get_logger()


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
        note_no_embedder(kbm, as_json=as_json)
        job, night = 0, Night()
        try:
            with kbm.working("nightly", " ".join(names)) as job:
                todo = [(kbm.gpt_to_build(name), kbm.night_policy(name)) for name in names]
                progress = TerminalProgress(quiet=as_json)
                configured = kbm.settings.sources
                kbm.nightly.run(sources, todo, progress, configured=configured, who=who(), night=night)
        except LeaseLost:
            raise  # whoever took the work over reports it
        except Exception as error:
            if not job:
                raise  # it did not begin
            log.exception("night_died", job=job)
            night.end_with(error)
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
    if night.died:
        fail(night.died, as_json=False)
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
    for error in night.upkeep:
        fail(error, as_json=False)
    for one in night.gpts:
        if one.error:
            fail(one.error, as_json=False)
            out.print(f"{one.gpt}: {'live stays ' + one.live if one.live else 'nothing is live'}")
        for step in one.steps:
            out.print(in_words(one.gpt, step.build) + _fate(one, step))
    for tried in night.healed:
        out.print(plain(f"{tried.gpt}: {in_one_line(tried)}"))
    if reported:
        show_reported(reported)


def in_one_line(tried: Healed) -> str:
    """Say what was tried without asking, and how it ended."""
    of = f" {tried.source}" if tried.source else f" ({counted(tried.n, 'document')})" if tried.n > 1 else ""
    return f"{tried.kind}{of} by itself: {tried.problem or 'done'}"


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
        command = publish_command(one.gpt, version, step.gate.verdict if step.gate else None)
        return f"{gate}; live stays {one.live}: {'; '.join(step.held)}. Let it answer with: {command}"
    return gate


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
        "died": str(night.died) if night.died else None,
        "upkeep_failed": [str(error) for error in night.upkeep],
        "healed": [
            {"gpt": one.gpt, "suggestion": one.suggestion, "kind": one.kind, "problem": one.problem or None}
            for one in night.healed
        ],
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
