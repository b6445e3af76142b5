"""The command line: puts the commands together. Heavy parts are imported by the commands that need them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kbm import __version__
from kbm.entrypoints.cli import (
    agents,
    archive,
    asking,
    audit,
    canary,
    changes,
    connect,
    demo,
    erase,
    golden,
    keys,
    night,
    packing,
    publishing,
    questions,
    receipts,
    releases,
    setup,
    sources,
    suggestions,
    upkeep,
    watching,
)
from kbm.entrypoints.cli.context import set_config, set_logging
from kbm.entrypoints.cli.usage import Commands

app = typer.Typer(
    name="kbm",
    cls=Commands,
    help="Keeps the knowledge of custom assistants connected, released, cited and current.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kbm {__version__}")
        raise typer.Exit


@app.callback()
def main(
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file (also KBM_CONFIG).")
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Remember what holds for every command."""
    set_config(config)
    set_logging()


for part in (
    demo,
    setup,
    connect,
    sources,
    night,
    releases,
    publishing,
    changes,
    asking,
    receipts,
    questions,
    golden,
    agents,
    erase,
    archive,
    packing,
    upkeep,
    watching,
):
    app.registered_commands += part.app.registered_commands
app.add_typer(sources.plans_app, name="plans")
app.add_typer(setup.models, name="models")
app.add_typer(golden.golden_app, name="golden")
app.add_typer(suggestions.app, name="suggestions")
app.add_typer(canary.app, name="canary")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
