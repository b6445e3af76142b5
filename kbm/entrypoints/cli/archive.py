"""``kbm backup``, ``restore``: the data folder as one file. ``kbm export``, ``import``: one release as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kbm.config import load_settings
from kbm.entrypoints.cli.context import Json, config_path, opened, told, who
from kbm.entrypoints.cli.releases import Gpt, release_json
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, plain, print_json, table
from kbm.errors import UsageError

app = typer.Typer()


@app.command()
def backup(
    file: Annotated[
        Path | None, typer.Argument(help="The file to write; default: kbm-<moment>.tar.gz beside kbm.toml.")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", help="Also write the ledger of erasures to this file, to be kept apart."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write all that is stored to one file, while nights and answers go on.

    It holds documents and the key of the data folder: keep it as safe as these.
    """
    with opened(as_json=as_json) as kbm:
        moment = kbm.clock.now()
        target = file or kbm.settings.root / f"kbm-{moment:%Y%m%dT%H%M%S}.tar.gz"
        progress = TerminalProgress(quiet=as_json)
        made = kbm.backup.run(target.resolve(), progress, who=who(), force=force)
        if ledger:
            kbm.write_ledger(ledger.resolve())
        if as_json:
            print_json(
                {
                    "file": str(made.path),
                    "bytes": made.n_bytes,
                    "files": len(made.manifest.files),
                    "made_at": made.manifest.made_at.isoformat(),
                }
            )
        else:
            out.print(
                plain(
                    f"wrote {made.path}: {counted(len(made.manifest.files), 'file')}, {made.n_bytes / 1e6:.1f} MB"
                )
            )


@app.command()
def export(
    gpt: Gpt,
    version: Annotated[str, typer.Argument(help="Number of a built release, such as 1.0.0.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or empty.")],
    as_json: Json = False,
) -> None:
    """Write a release as a neutral folder: JSON lines, and vectors as a plain array. It holds the texts."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        with kbm.working("export", f"{gpt} {version}"):
            made = kbm.export_release.run(gpt, version, folder.resolve(), TerminalProgress(quiet=as_json))
        if as_json:
            print_json({"gpt": gpt, "release": version, "digest": made.release.digest, "folder": str(folder)})
        else:
            n_documents, n_chunks = made.release.n_documents, made.release.n_chunks
            out.print(
                plain(f"wrote {gpt} {version} to {folder}: {n_documents} documents, {n_chunks} passages")
            )
            out.print(f"digest {made.release.digest}")


@app.command("import")
def import_release(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `kbm export` wrote.")],
    as_json: Json = False,
) -> None:
    """Take a release in from such a folder, to the same number and digest, or not at all; never publishes."""
    with opened(as_json=as_json) as kbm:
        with kbm.working("import", "a release"):
            made = kbm.import_release.run(folder, TerminalProgress(quiet=as_json))
        if as_json:
            print_json(release_json(made))
        else:
            out.print(
                f"{made.gpt} {made.version} is here: {made.n_documents} documents, {made.n_chunks} passages"
            )
            out.print(f"publish it with: kbm publish {made.gpt} {made.version}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `kbm backup` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Set a data folder that is not empty aside, and replace it.")
    ] = False,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="A later ledger of erasures, from `kbm backup --ledger`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a backup back: compare it, erase what was erased since, verify every release, then let it answer.

    End a running service first, and start it again afterwards.
    """
    with told(as_json=as_json):
        from kbm.bootstrap.restoring import restorer
        from kbm.store.restores import config_in

        if not file.is_file():
            raise UsageError(f"there is no file {file}; nothing was changed")
        config = config_path()
        is_new = not config.exists()
        if is_new:
            config.write_bytes(config_in(file))
        try:
            done = restorer(load_settings(config)).run(
                file, TerminalProgress(quiet=as_json), who=who(), force=force, ledger=ledger
            )
        except BaseException:
            if is_new:
                config.unlink()
            raise
        if as_json:
            print_json(
                {
                    "made_at": done.manifest.made_at.isoformat(),
                    "erased_again": done.n_erased,
                    "vectors": done.n_vectors,
                    "live": [
                        {"gpt": gpt, "release": version, "digest": digest}
                        for gpt, (version, digest) in done.live.items()
                    ],
                    "mended": list(done.mended),
                    "replaced": str(done.replaced) if done.replaced else None,
                }
            )
            return
        out.print(f"restored the backup of {done.manifest.made_at:%Y-%m-%d %H:%M} UTC")
        if done.n_erased:
            out.print(f"erased again what was erased since: {counted(done.n_erased, 'document')}")
        rows = [(gpt, version, digest) for gpt, (version, digest) in done.live.items()]
        table("", ("gpt", "answers", "digest"), rows, empty="no release answers")
        if done.replaced:
            out.print(plain(f"what was there before lies in {done.replaced}; remove it once all is well"))
        if done.no_embedder:
            out.print(plain(f"note: {done.no_embedder}"))
