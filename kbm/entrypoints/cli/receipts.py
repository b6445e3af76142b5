"""``kbm receipt``: what an answer rested on, and whether that still holds."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from kbm.bootstrap import Kbm
from kbm.domain.receipts import Erased, Level, Receipt, Verification
from kbm.domain.releases import Release
from kbm.entrypoints.api.receipt_schemas import ReceiptOut
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, plain, print_json

app = typer.Typer()

_TOLD = {
    Level.EXACT: "made again on that release, for those readers: the same answer",
    Level.EVIDENCE: "every quote stands in that release, to the letter",
    Level.REDACTED: "an erasure took quotes; those that are left stand in that release",
    Level.EXPIRED: "the content of that release is no longer kept; the receipt itself is whole",
    Level.FAILED: "something is not as recorded",
}


@app.command()
def receipt(
    answer_id: Annotated[str, typer.Argument(help="Id of an answer, as `kbm ask --json` gives it.")],
    verify: Annotated[bool, typer.Option("--verify", help="Also verify it: 1 when it fails.")] = False,
    question: Annotated[
        str | None,
        typer.Option("--question", help="The question in the same words, if it is no longer kept; verifies."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what an answer rested on: release, readers, hits and quotes, as ids and keyed hashes."""
    with opened(as_json=as_json) as kbm:
        if verify or question is not None:
            shown, found = kbm.receipt.verify(
                answer_id, question=question, bring_back=partial(_bring_back, kbm, quiet=as_json)
            )
        else:
            shown, found = kbm.receipt.run(answer_id), None
        if as_json:
            print_json(ReceiptOut.of(shown, found).model_dump(mode="json"))
        else:
            _show(shown)
            if found:
                _show_found(found)
        if found and found.level is Level.FAILED:
            raise typer.Exit(1)


def _bring_back(kbm: Kbm, gpt: str, release: Release, *, quiet: bool) -> None:
    with kbm.working("bring back", f"{gpt} {release.version}"):
        kbm.rebuild.bring_back(gpt, release, TerminalProgress(quiet=quiet))


def _show(shown: Receipt) -> None:
    canary = ", as a canary" if shown.canary else ""
    lines = [
        ("answer", f"{shown.answer_id}, {shown.asked_at.isoformat(timespec='seconds')}"),
        ("release", f"{shown.gpt} {shown.release}{canary}, digest {shown.release_digest[:16]}…"),
        ("visibility", f"epoch {shown.epoch}, for {', '.join(sorted(shown.readers))}"),
        ("question", f"keyed hash {shown.question_mac[:16]}…"),
        ("outcome", f"{shown.outcome}{f' ({shown.cause})' if shown.cause else ''}, {shown.confidence:.2f}"),
        ("hits", f"{len(shown.hits)}, the first {shown.k} were read"),
        ("made with", f"kbm {shown.made_with}" + (f", worded by {shown.model}" if shown.model else "")),
        ("seal", f"{shown.seal[:16]}…"),
    ]
    for name, told in lines:
        out.print(f"{name:<11}{plain(told)}")
    for n, one in enumerate(shown.quotes, start=1):
        told = (
            "erased"
            if isinstance(one, Erased)
            else f"passage {one.chunk_id}, characters {one.start} to {one.end}"
        )
        out.print(f"[cyan]\\[{n}][/cyan]        {plain(told)}")
    for line in shown.degraded:
        out.print(f"[yellow]note[/yellow]       {plain(line)}")


def _show_found(found: Verification) -> None:
    shade = "red" if found.level is Level.FAILED else "green"
    checked = f", {counted(found.n_quotes_checked, 'quote')} checked" if found.n_quotes_checked else ""
    out.print(f"[bold {shade}]{found.level}[/bold {shade}]: {_TOLD[found.level]}{checked}")
    for line in found.differences:
        out.print(f"  [red]{plain(line)}[/red]")
    for line in found.notes:
        out.print(f"  [dim]{plain(line)}[/dim]")
