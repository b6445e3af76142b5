"""``kbm doctor --chatgpt``: what a GPT in ChatGPT needs of this kbm, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import typer

from kbm.bootstrap import Kbm
from kbm.entrypoints.cli.render import out, plain, print_json
from kbm.services.check_chatgpt import State

_SHADES = {State.OK: "green", State.TO_DO: "red", State.NOT_TRIED: "yellow"}


def walk(kbm: Kbm, gpts: Sequence[str], key: str, *, as_json: bool) -> None:
    """Walk through, and show each step as it is done; exit 1 if there is something to do."""
    names = list(gpts) or list(kbm.settings.gpts)
    for name in names:
        kbm.gpt_settings(name)
    steps = []
    for step in kbm.check_chatgpt.run(names, key=key):
        steps.append(step)
        if not as_json:
            what = f"{step.gpt} {step.name}".strip()
            shade = _SHADES[step.state]
            out.print(f"[{shade}]{step.state:<9}[/{shade}] [bold]{plain(what)}[/bold]: {plain(step.found)}")
            if step.do:
                out.print(f"          → {plain(step.do)}")
    if as_json:
        print_json({"steps": [asdict(step) for step in steps]})
    if any(step.state is State.TO_DO for step in steps):
        raise typer.Exit(1)
