"""``kbm watch``: changes of folders, released while they happen."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path

import typer

from kbm import registry
from kbm.bootstrap import Kbm
from kbm.clock import SystemClock
from kbm.config import Settings, load_settings
from kbm.entrypoints.cli.context import config_path, told, who
from kbm.entrypoints.cli.night import show_night
from kbm.entrypoints.cli.render import TerminalProgress, err, plain
from kbm.errors import UsageError
from kbm.services.nightly import Night

app = typer.Typer()


@app.command()
def watch() -> None:
    """Release changes of the sources with on_change = "patch" as they happen; everything else waits for the night."""
    with told():
        settings = load_settings(config_path())
        folders = watched_folders(settings)
        if not folders:
            raise UsageError(
                'no source has on_change = "patch" and a folder on this machine',
                hint="set it under [sources.NAME], or let the nightly job bring changes",
            )
        from kbm.entrypoints.watch import Watch

        watching = Watch(
            folders,
            lambda names: _show(bring(settings, names)),
            lambda line: err.print(f"[yellow]note:[/yellow] {plain(line)}"),
            SystemClock(),
            ignored=settings.data_dir,
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        for name, folder in folders.items():
            err.print(plain(f"watching {name}: {folder}"))
        try:
            watching.run(threading.Event())
        except KeyboardInterrupt:
            err.print("no longer watching; what was finished is kept")


def watched_folders(settings: Settings) -> dict[str, Path]:
    """Give the folders of the sources whose changes go out at once, by source."""
    from kbm.entrypoints.watch import watched_folder

    found = {}
    for name, source in settings.sources.items():
        if source.on_change != "patch":
            continue
        local = registry.load("kbm.connectors", source.kind).url_is_path
        folder = watched_folder(str(source.settings.get("url", "")), settings.root) if local else None
        if folder is not None:
            found[name] = folder
    return found


def bring(settings: Settings, names: set[str]) -> Night:
    """Sync these sources, and release what changed in the GPTs that answer from them; patches only.

    A GPT with nothing live yet is left to the night: its first release would lack the sources that are not watched.

    Raises:
        Busy: another process works on the data folder; nothing was changed.
    """
    # Opened for each run: between two runs another process may have the index folder and the vectors to itself.
    with Kbm(settings) as kbm, kbm.working("watch", " ".join(sorted(names))):
        sources = [kbm.source_to_sync(name) for name in settings.sources if name in names]
        todo = [
            (kbm.gpt_to_build(name), replace(kbm.night_policy(name), train=""))
            for name, gpt in settings.gpts.items()
            if names.intersection(gpt.sources) and kbm.catalogue.releases.live(name)
        ]
        # Sources that left kbm.toml are the night's business as well.
        stored = {record.name for record in kbm.catalogue.documents.sources()}
        return kbm.nightly.run(
            sources, todo, TerminalProgress(quiet=True), configured={*settings.sources, *stored}, who=who()
        )


def _show(night: Night) -> None:
    """Tell what happened, if anything did."""
    quiet = all(result.plan.does_nothing for result in night.synced.values())
    if night.exit_code == 1 or not quiet or any(one.published for one in night.gpts):
        show_night(night, as_json=False)
