"""``kbm erase``: takes a document out of everything, and proves it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from kbm.domain.erasure import Certificate
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.render import TerminalProgress, counted, err, out, plain, print_json, table
from kbm.errors import UsageError
from kbm.services.erase import ToErase

app = typer.Typer()


@app.command()
def erase(
    item: Annotated[str, typer.Argument(help="The document: source:item, or its id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, kept in the audit log. Required.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask back.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a document with all versions from everywhere, prove it, and keep it from coming back.

    Repeat the command to finish one that was interrupted, or to see the certificate again.
    """
    with opened(as_json=as_json) as kbm:
        found = kbm.erase.look(item)
        if isinstance(found, ToErase):
            if not reason.strip():
                raise UsageError("an erasure needs its reason", hint='say it with --reason "…"')
            if not yes:
                _ask_back(found, as_json=as_json)
        with kbm.working("erase", "a document"):
            made = kbm.erase.run(item, who=who(), reason=reason, progress=TerminalProgress(quiet=as_json))
        if as_json:
            print_json(certificate_json(made))
        else:
            show_certificate(made)


def _ask_back(found: ToErase, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise UsageError(
            f"erasing {found.source}:{found.item_id} cannot be undone; nothing was changed",
            hint="say that it is meant with --yes",
        )
    err.print(plain(f"{found.source}:{found.item_id} · {found.title}"))
    err.print(
        f"{counted(found.n_versions, 'version')}, {counted(len(found.numbers) - 1, 'attachment')}, "
        f"held by {counted(len(found.releases), 'release')}, which will get new digests"
    )
    typer.confirm("Erase it from everywhere? This cannot be undone.", abort=True, err=True)


def show_certificate(made: Certificate) -> None:
    """Tell a certificate to a person."""
    out.print(
        plain(f"erased document {made.document_no} on {made.erased_at:%Y-%m-%d %H:%M} UTC, by {made.who}")
    )
    out.print(f"ledger: {made.item}")
    out.print(", ".join(f"{n} {name.replace('_', ' ')}" for name, n in made.removed.items()))
    rows = [
        (kind.replace("_", " "), made.searched.get(kind, ""), n, made.after.get(kind, 0))
        for kind, n in made.before.items()
    ]
    table("", ("looked for", "marks#", "found before#", "found after#"), rows, empty="")
    verdict = (
        "nothing of it is left"
        if made.proved
        else "the search proves nothing: it found nothing before either"
    )
    out.print(f"{verdict} in {counted(made.n_files, 'file')}, {made.n_bytes / 1e6:.1f} MB")
    table(
        "",
        ("gpt", "release", "digest before", "digest now"),
        [(gpt, version, before[:16], after[:16]) for gpt, version, before, after in made.releases],
        empty="no release held it",
    )
    for remark in made.remarks:
        out.print(plain(f"note: {remark}"))


def certificate_json(made: Certificate) -> dict[str, Any]:
    """Give a certificate as JSON."""
    return {
        "item": made.item,
        "document": made.document_no,
        "who": made.who,
        "began_at": made.began_at.isoformat(),
        "erased_at": made.erased_at.isoformat(),
        "proved": made.proved,
        "removed": dict(made.removed),
        "searched": dict(made.searched),
        "found_before": dict(made.before),
        "found_after": dict(made.after),
        "files": made.n_files,
        "bytes": made.n_bytes,
        "releases": [
            {"gpt": gpt, "release": version, "digest_before": before, "digest_after": after}
            for gpt, version, before, after in made.releases
        ],
        "remarks": list(made.remarks),
    }
