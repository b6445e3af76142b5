"""``kbm demo``: the sample company, from files to cited answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kbm.bootstrap import Kbm
from kbm.clock import SystemClock
from kbm.config import CONFIG_NAME, Settings, load_settings
from kbm.demo.company import QUESTIONS, copy_company
from kbm.demo.past import ask_past_questions
from kbm.entrypoints.cli.asking import show_answer
from kbm.entrypoints.cli.context import told, who
from kbm.entrypoints.cli.night import show_night
from kbm.entrypoints.cli.render import TerminalProgress, err, out
from kbm.entrypoints.cli.sources import show_quarantine_hint
from kbm.services.retrieve import Caller

app = typer.Typer()


def _show_agents(folder: Path, settings: Settings) -> None:
    """Let the people of the company have asked for weeks, and its agents look at what they asked in vain."""
    progress = TerminalProgress()
    n_asked = ask_past_questions(folder, settings, SystemClock(), progress)
    with Kbm(settings) as kbm, kbm.working("review", ""):
        done = [kbm.reviewing.review_one(gpt, progress) for gpt in settings.gpts]
    n_gaps, n_waiting = sum(len(one.gaps) for one in done), sum(len(one.waiting) for one in done)
    out.print(
        f"\n{n_asked} questions of the last weeks: {sum(one.n_failed for one in done)} got no sure answer, "
        f"{n_gaps} gaps, {n_waiting} suggestions wait for their owners"
    )


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to put the sample company.")] = Path(
        "kbm-demo"
    ),
) -> None:
    """Build the sample company, publish its two GPTs and ask one question in each language."""
    with told():
        n_files = copy_company(folder)
        settings = load_settings(folder / CONFIG_NAME)
        out.print(f"{settings.kbm.name}: {n_files} files in {folder}, {len(settings.gpts)} GPTs")
        with Kbm(settings) as kbm:
            if kbm.no_embedder:
                err.print(f"[yellow]note:[/yellow] searching by words alone: {kbm.no_embedder}")
            with kbm.working("demo", ""):
                sources = [kbm.source_to_sync(name) for name in settings.sources]
                gpts = [(kbm.gpt_to_build(name), kbm.night_policy(name)) for name in settings.gpts]
                night = kbm.nightly.run(
                    sources, gpts, TerminalProgress(), configured=settings.sources, who=who()
                )
            show_night(night, as_json=False)
            show_quarantine_hint(kbm)
            if night.exit_code == 1:
                raise typer.Exit(1)
            is_new = not any(kbm.reviewing.log(gpt) for gpt in settings.gpts)
            for gpt, question in QUESTIONS:
                show_answer(question, kbm.ask.run(gpt, question, Caller()))
        if is_new:
            _show_agents(folder, settings)
        command = f"{sys.argv[0]} --config {folder / CONFIG_NAME}"
        out.print(f'\nask yourself:  {command} ask offers "How long does a tool change take on the KB 65?"')
        out.print(f"over HTTP:     {command} serve")
        out.print(f"what waits:    {command} suggestions list")
