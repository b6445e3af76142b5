"""``kbm keys``: who may ask over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from kbm.domain.access import USUAL_ACTIONS, Action, ApiKey, Rights
from kbm.domain.documents import EVERYONE
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.render import err, out, plain, print_json, table
from kbm.errors import UsageError
from kbm.sections import hours, is_duration, is_reader
from kbm.services.keys import NewKey

app = typer.Typer(help="API keys: who may ask over HTTP.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="The key's id, as `kbm keys list` shows it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What uses the key, such as intranet.")],
    gpt: Annotated[
        list[str] | None, typer.Option("--gpt", help="A GPT it may ask; repeat it. Without: every one.")
    ] = None,
    allow: Annotated[
        list[Action] | None,
        typer.Option("--allow", help="What it allows; repeat it. Without: ask, search, read, feedback."),
    ] = None,
    reader: Annotated[
        list[str] | None,
        typer.Option(
            "--reader", help="A reader it reads as, such as group:hr; repeat it. everyone always holds."
        ),
    ] = None,
    person: Annotated[
        str, typer.Option("--person", metavar="MAIL", help="Who alone uses it; needed for --allow decide.")
    ] = "",
    expires: Annotated[
        str | None, typer.Option("--expires", help="How long it holds: 12h, 90d, 52w.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", min=1, help="Most requests a minute.")
    ] = None,
    per_day: Annotated[int | None, typer.Option("--per-day", min=1, help="Most requests a day.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, once."""
    with opened(as_json=as_json) as kbm:
        rights = Rights(
            actions=frozenset(allow) if allow else USUAL_ACTIONS,
            gpts=frozenset(gpt) if gpt else None,
            readers=frozenset({EVERYONE, *_readers(reader or [])}),
            per_minute=per_minute,
            per_day=per_day,
            person=person,
        )
        _show_new(kbm.keys.create(name, rights, valid_for=_duration(expires), who=who()), as_json=as_json)


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List all keys, newest first, and when each was used last."""
    with opened(as_json=as_json) as kbm:
        found, now = kbm.keys.list(), kbm.clock.now()
        if as_json:
            print_json({"keys": [key_json(one) | {"holds": one.holds_at(now)} for one in found]})
            return
        rows = [
            (
                one.id,
                one.name,
                "holds" if one.holds_at(now) else "revoked" if one.revoked_at else "expired",
                "every GPT" if one.rights.gpts is None else ", ".join(sorted(one.rights.gpts)),
                ", ".join(sorted(one.rights.actions)),
                ", ".join(sorted(one.rights.readers)),
                one.expires_at.date() if one.expires_at else "never",
                one.last_used_on or "never",
            )
            for one in found
        ]
        columns = ("key", "name", "state", "GPTs", "allows", "reads as", "expires", "last used")
        table(
            "",
            columns,
            rows,
            empty="no key yet, so only this machine is served; make one: kbm keys create NAME",
        )


@app.command()
def revoke(id: KeyId, as_json: Json = False) -> None:
    """Let a key open nothing from now on."""
    with opened(as_json=as_json) as kbm:
        key = kbm.keys.revoke(id, who=who())
        if as_json:
            print_json(key_json(key))
        else:
            out.print(plain(f"key {key.id} ({key.name}) is revoked: the next request with it gets 401"))


@app.command()
def rotate(
    id: KeyId,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old key holds beside it.")] = "7d",
    as_json: Json = False,
) -> None:
    """Make a key with the same rights; the old one holds a while longer."""
    with opened(as_json=as_json) as kbm:
        beside = _duration(overlap) or timedelta(0)
        _show_new(kbm.keys.rotate(id, overlap=beside, who=who()), as_json=as_json)


def _show_new(made: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json(key_json(made.key) | {"key": made.token})
        return
    out.print(plain(made.token))
    err.print(plain(f"this is key {made.key.id} ({made.key.name}); it is shown only now, and stored nowhere"))


def key_json(key: ApiKey) -> dict[str, Any]:
    """Say a key in JSON; Any is JSON."""
    rights = key.rights
    return {
        "id": key.id,
        "name": key.name,
        "gpts": None if rights.gpts is None else sorted(rights.gpts),
        "allows": sorted(rights.actions),
        "readers": sorted(rights.readers),
        "person": rights.person,
        "per_minute": rights.per_minute,
        "per_day": rights.per_day,
        "created_at": key.created_at.isoformat(),
        "created_by": key.created_by,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
        "last_used_on": key.last_used_on,
    }


def _readers(given: list[str]) -> list[str]:
    for one in given:
        if not is_reader(one):
            raise UsageError(
                f"{one!r} is no reader; no key was made", hint="a reader is group:NAME, user:NAME or everyone"
            )
    return given


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if not is_duration(text):
        raise UsageError(
            f"{text!r} is no duration; nothing was changed", hint="a number and h, d or w: 12h, 90d, 52w"
        )
    return timedelta(hours=hours(text))
