"""``kbm audit``: who decided what, and whether the log of it is whole."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kbm.domain.identity import Digest
from kbm.domain.people import ChainCheck, LoggedEntry
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.render import out, plain, print_json, table
from kbm.errors import AuditBroken, UsageError

app = typer.Typer(help="The log of decisions: who did what and why.", invoke_without_command=True)

_SHOWN = 50
_HASH_CHARS = 64


@app.callback()
def audit(
    context: typer.Context,
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the newest entries.")] = _SHOWN,
    as_json: Json = False,
) -> None:
    """List the newest decisions, oldest first."""
    if context.invoked_subcommand is not None:
        return
    with opened(as_json=as_json) as kbm:
        entries = kbm.catalogue.audit.entries()[-last:]
        if as_json:
            print_json({"entries": [entry_json(one) for one in entries]})
            return
        rows = [
            (
                one.id,
                one.at.isoformat(timespec="minutes"),
                one.who,
                one.action,
                one.subject,
                ", ".join(f"{name} {_short(value)}" for name, value in one.detail.items() if value),
                "(erased)" if one.erased else one.reason or "",
            )
            for one in entries
        ]
        columns = ("entry#", "at", "who", "action", "of", "detail", "reason")
        table("", columns, rows, empty="nothing was decided yet")


@app.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect", metavar="HASH", help="An anchor noted earlier: it must still be in the log."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that no entry of the log was changed, moved or taken out; name the first that was."""
    with opened(as_json=as_json) as kbm:
        check = kbm.catalogue.audit.verify(_anchor(expect))
        if check.broken:
            at = f"entry {check.broken.id}: " if check.broken.id is not None else ""
            raise AuditBroken(
                f"the audit log does not hold. {at}{check.broken.why}",
                hint=f"{_entries(check.n_entries)} before that {'holds' if check.n_entries == 1 else 'hold'}; "
                "compare with a backup",
            )
        if as_json:
            print_json(check_json(check))
        else:
            _show(check, expect)


def _anchor(text: str | None) -> Digest | None:
    if text is None:
        return None
    given = text.strip().lower()
    if len(given) != _HASH_CHARS or set(given) - set("0123456789abcdef"):
        raise UsageError(
            f"{text!r} is no anchor: it has {_HASH_CHARS} hex digits", hint="kbm audit verify prints it"
        )
    return Digest(given)


def _show(check: ChainCheck, expect: str | None) -> None:
    erased = f", the reasons of {check.n_reasons_erased} were erased" if check.n_reasons_erased else ""
    out.print(f"the chain of {_entries(check.n_entries)} holds{erased}")
    if expect is not None:
        since = check.n_entries - (check.anchor_id or 0)
        out.print(f"the anchor is entry {check.anchor_id}; {since} since then")
    out.print(f"anchor: {check.head}")
    if expect is None:
        out.print(
            plain(
                "Keep the anchor outside of this data folder. Whoever may write here could cut off the newest "
                "entries or write the whole log anew; only an anchor shows that: kbm audit verify --expect HASH"
            )
        )


def entry_json(one: LoggedEntry) -> dict[str, Any]:
    """Give an entry as JSON."""
    return {
        "id": one.id,
        "at": one.at.isoformat(),
        "who": one.who,
        "action": one.action,
        "subject": one.subject,
        "detail": dict(one.detail),
        "reason": one.reason,
        "erased": one.erased,
        "hash": one.hash,
    }


def check_json(check: ChainCheck) -> dict[str, Any]:
    """Give a check that found nothing as JSON."""
    return {
        "holds": True,
        "entries": check.n_entries,
        "reasons_erased": check.n_reasons_erased,
        "anchor": check.head,
        "expected_at": check.anchor_id,
    }


def _entries(n: int) -> str:
    return "1 entry" if n == 1 else f"{n} entries"


def _short(value: object) -> str:
    """Shorten digests; the rest is short."""
    text = str(value)
    return text[:12] if len(text) == _HASH_CHARS else text
