"""``kbm connect``: from an address to a source in kbm.toml."""

from __future__ import annotations

import sys
import tomllib
from typing import Annotated, Any

import typer

from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.render import counted, err, out, plain, print_json, table
from kbm.errors import UsageError
from kbm.sections import is_reader
from kbm.services.connect import Proposal, Sample

app = typer.Typer()


@app.command()
def connect(
    url: Annotated[
        str, typer.Argument(metavar="URL-OR-PATH", help="What to read: an address, a folder, a file.")
    ],
    kind: Annotated[
        str, typer.Option("--kind", help="The connector; default: the one that recognises it.")
    ] = "",
    name: Annotated[
        str, typer.Option("--name", help="Name of the source; default: made of the address.")
    ] = "",
    readers: Annotated[
        list[str] | None,
        typer.Option(
            "--reader", help="Who may read what the source does not say: everyone, group:NAME, user:NAME."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A key of the connector: user=kbm, password=env:NAME."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write the block without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Recognise a source, show what it would give, and write its block into kbm.toml if you agree."""
    with opened(as_json=as_json) as kbm:
        for reader in readers or ():
            if not is_reader(reader):
                raise UsageError(f"{reader!r} is no reader", hint="write everyone, group:NAME or user:NAME")
        made = kbm.connect.propose(
            url, kind=kind, name=name, more=_keys(settings or []), readers=readers or ()
        )
        if not as_json:
            _show(made)
        agreed = yes or (not as_json and sys.stdin.isatty() and typer.confirm("Write it into kbm.toml?"))
        if agreed:
            kbm.connect.write(made)
        if as_json:
            print_json({**_as_json(made), "written": agreed})
        elif agreed:
            out.print(plain(f"wrote [sources.{made.name}] into {kbm.settings.path.name}"))
            out.print(plain(f'next: name "{made.name}" in the sources of a GPT, then `kbm sync {made.name}`'))
        else:
            err.print("nothing was written; --yes writes it")


def _keys(pairs: list[str]) -> dict[str, Any]:
    """Read ``key=value`` as kbm.toml would: true, 10 and ["a"] are what they look like, all else is text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            # The text is not repeated: it may be a password.
            raise UsageError("--set takes KEY=VALUE", hint="--set user=kbm --set password=env:WIKI_PASSWORD")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def _show(made: Proposal) -> None:
    rest = " so far" if made.more else ""
    out.print(plain(f"{made.kind}: {counted(made.n_listed, 'document')} listed{rest}; the first of them:"))
    table(
        "",
        ("item", "title", "size#", "modified", "readers", "personal data"),
        [
            (
                one.item_id,
                (one.problem and f"cannot be read: {one.problem}") or one.title,
                "" if one.size is None else f"{one.size:,}",
                one.modified.date().isoformat() if one.modified else "",
                _readers(one),
                ", ".join(f"{n} × {what}" for what, n in one.personal_data.items()),
            )
            for one in made.samples
        ],
        empty="",
    )
    for problem in made.problems:
        err.print(f"[yellow]note:[/yellow] {plain(problem)}")
    out.print(plain(f"\n{made.block}"))


def _readers(one: Sample) -> str:
    if one.readers is None:
        return "as the block says"
    return ", ".join(sorted(one.readers)) or "nobody"


def _as_json(made: Proposal) -> dict[str, Any]:
    return {
        "source": made.name,
        "kind": made.kind,
        "settings": dict(made.settings),
        "readers": list(made.readers),
        "block": made.block,
        "documents": [
            {
                "item_id": one.item_id,
                "title": one.title,
                "size": one.size,
                "modified_at": one.modified.isoformat(timespec="seconds") if one.modified else None,
                "readers": None if one.readers is None else sorted(one.readers),
                "personal_data": dict(one.personal_data),
                "problem": one.problem,
            }
            for one in made.samples
        ],
        "n_listed": made.n_listed,
        "more": made.more,
        "problems": list(made.problems),
    }
