"""``kbm publish`` and ``rollback``: which release answers."""

from __future__ import annotations

from typing import Annotated

import typer

from kbm.entrypoints.cli.canary import start_canary
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.releases import Gpt, gate_json, release_json
from kbm.entrypoints.cli.render import TerminalProgress, out, plain, print_json
from kbm.services.publish import GatePolicy, OverrideAsked

app = typer.Typer()


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
    canary: Annotated[
        str, typer.Option("--canary", metavar="AUDIENCE", help="Only for '10%' or 'group:NAME' at first.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Let a release answer from now on, if its gate lets it; the gate is decided if that was not done."""
    with opened(as_json=as_json) as kbm:
        section = kbm.gpt_settings(gpt)
        if canary:
            start_canary(kbm, gpt, version, canary, why, as_json=as_json)
            return
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
