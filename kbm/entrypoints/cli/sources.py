"""``kbm sources``, ``sync``, ``plans``: what is read from where."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kbm.bootstrap import Kbm
from kbm.domain.sync import SyncPlan
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.render import TerminalProgress, counted, err, fail, out, print_json, table
from kbm.entrypoints.source_json import sources_json
from kbm.errors import ConnectorError, HeldForPerson, NotFound
from kbm.services.sync import SyncResult

DELAYS = ("new", "changed", "removed")

app = typer.Typer()
plans_app = typer.Typer(help="Plans that wait for a person.", invoke_without_command=True)


@app.command()
def sources(as_json: Json = False) -> None:
    """List the sources: documents, quarantine, held plans, last and next sync, how long changes take to arrive."""
    with opened(as_json=as_json) as kbm:
        quarantine = kbm.catalogue.documents.quarantine()
        rows = sources_json(kbm, quarantine)
        if as_json:
            listed = [
                {
                    "source": one.source,
                    "item_id": one.item_id,
                    "reason": one.reason,
                    "detail": one.reason_text,
                }
                for one in quarantine
            ]
            poor = [
                {
                    "source": one.source,
                    "item_id": one.item_id,
                    "poor": list(one.quality.poor),
                    "read": one.quality.strategy or "as usual",
                    "detail": "; ".join(one.warnings),
                }
                for one in kbm.catalogue.texts.poorly_read()
            ]
            print_json({"sources": rows, "quarantine": listed, "poorly_read": poor})
            return
        columns = (
            *("source", "kind", "documents#", "quarantined#", "poorly read#", "held plans#"),
            *("last sync", "next sync"),
            *("new / changed / removed after", "not listed", "last error"),
        )
        shown = [
            (
                *(
                    row[key]
                    for key in (
                        *("source", "shown_kind", "documents", "quarantined", "poorly_read", "held_plans"),
                        "synced_at",
                    )
                ),
                row["next_sync_at"],
                " / ".join(_delay(row["delay_s"].get(kind)) for kind in DELAYS),
                ", ".join(scope or "the whole source" for scope in row["failed_scopes"]),
                row["last_error"],
            )
            for row in ({**row, "shown_kind": _kind(row)} for row in rows)
        ]
        table("", columns, shown, empty="kbm.toml has no sources yet")
        if not all(row["proven_live"] for row in rows):
            out.print("unproven: built from published samples, never run against a live server")
        if quarantine:
            table(
                "\nIn quarantine",
                ("source", "item", "reason", "what is known"),
                [(one.source, one.item_id, one.reason, one.reason_text) for one in quarantine],
                empty="",
            )


def _kind(row: dict[str, Any]) -> str:
    return str(row["kind"]) if row["proven_live"] else f"{row['kind']} (unproven)"


def _delay(measured: dict[str, float] | None) -> str:
    """Write the usual delay of a kind of change: ``8 h (worst 23 h)``."""
    if measured is None:
        return "–"
    usual, worst = (_duration(measured[key]) for key in ("median", "worst"))
    return usual if usual == worst else f"{usual} (worst {worst})"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@app.command()
def sync(
    names: Annotated[list[str] | None, typer.Argument(metavar="SOURCE", help="Default: all.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try documents in quarantine again.")] = False,
    as_json: Json = False,
) -> None:
    """Read the sources and store what changed; removals that look wrong wait for a person."""
    with opened(as_json=as_json) as kbm:
        todo = [kbm.source_to_sync(name) for name in names or kbm.settings.sources]
        if plan:
            _show_plans([(kbm.sync.plan(source), "planned") for source in todo], as_json=as_json)
            return
        progress = TerminalProgress(quiet=as_json)
        results: list[SyncResult] = []
        failed: list[ConnectorError] = []
        with kbm.working("sync", " ".join(source.name for source in todo)):
            if retry:
                kbm.catalogue.texts.forget_failures()
                kbm.catalogue.documents.retry_quarantined([source.name for source in todo])
            for source in todo:
                try:
                    results.append(kbm.sync.run(source, progress))
                except ConnectorError as error:
                    failed.append(error)
                    if not as_json:
                        fail(error, as_json=False)
            unlisted = [] if names else kbm.sync.hold_unlisted(kbm.settings.sources)
        if not results and failed and as_json:
            raise failed[0]
        _show_results(results, as_json=as_json)
        for held in unlisted:
            err.print(f"[yellow]held:[/yellow] {'; '.join(held.held_because)} → kbm plans")
        if failed or any(result.incomplete for result in results):
            raise typer.Exit(1)
        if unlisted or any(result.plan.held for result in results):
            raise typer.Exit(HeldForPerson.exit_code)


@plans_app.callback()
def plans(context: typer.Context, as_json: Json = False) -> None:
    """List the plans that wait for a person; ``approve ID`` lets one through."""
    if context.invoked_subcommand:
        return
    with opened(as_json=as_json) as kbm:
        held = kbm.catalogue.plans.held()
        if as_json:
            print_json({"plans": [{"id": one.id, **plan_json(one.plan, one.state)} for one in held]})
            return
        table(
            "",
            ("plan#", "source", "removed#", "replaced#", "readers#", "since", "why"),
            [
                (
                    one.id,
                    one.plan.source,
                    len(one.plan.held_removals),
                    len(one.plan.contents),
                    len(one.plan.wider),
                    one.created_at.isoformat(timespec="minutes"),
                    "; ".join(one.plan.held_because),
                )
                for one in held
            ],
            empty="no plan waits for you",
        )


@plans_app.command()
def approve(
    plan_id: Annotated[int, typer.Argument(metavar="ID", help="The plan's number.")], as_json: Json = False
) -> None:
    """Let a held plan through: the source is listed again, and at most what was shown is applied."""
    with opened(as_json=as_json) as kbm:
        held = {one.id: one for one in kbm.catalogue.plans.held()}
        if plan_id not in held:
            raise NotFound("held plan", str(plan_id), [str(id) for id in held])
        record = held[plan_id]
        name = record.plan.source
        source = kbm.source_to_sync(name) if name in kbm.settings.sources else None
        with kbm.working("sync", name):
            applied = kbm.sync.approve(record, source, who(), TerminalProgress(quiet=as_json))
        gone = sorted(record.plan.held_removals.intersection(applied.removed))
        wider = sorted(
            (record.plan.wider.keys() - applied.wider.keys()).intersection(applied.readers_changed)
        )
        replaced = sorted(applied.taken.intersection(record.plan.contents))
        if as_json:
            done = {"removed": gone, "readers_changed": wider, "replaced": replaced}
            print_json({"plan": plan_id, "source": name, **done})
        else:
            out.print(
                f"{name}: {len(gone)} documents removed, {len(replaced)} replaced, "
                f"{len(wider)} given their new readers"
            )


def plan_json(plan: SyncPlan, state: str) -> dict[str, Any]:
    """Give a plan as the contract of ``sync --plan`` has it."""
    return {
        "source": plan.source,
        "state": state,
        "added": list(plan.added),
        "changed": list(plan.changed),
        "removed": list(plan.removed),
        "readers_changed": list(plan.readers_changed),
        "failed_scopes": list(plan.failed_scopes),
        "held_because": list(plan.held_because),
        "held": sorted(plan.held),
        "erased": plan.n_erased,
    }


def _show_plans(plans: list[tuple[SyncPlan, str]], *, as_json: bool) -> None:
    if as_json:
        print_json({"plans": [plan_json(plan, "held" if plan.held else state) for plan, state in plans]})
        return
    columns = ("source", "added#", "changed#", "removed#", "readers#", "unchanged#", "would be held because")
    rows = [
        (
            plan.source,
            len(plan.added),
            len(plan.changed),
            len(plan.removed),
            len(plan.readers_changed),
            plan.unchanged,
            "; ".join([*plan.held_because, *plan.failures, *_erased(plan)]),
        )
        for plan, _ in plans
    ]
    table("", columns, rows, empty="kbm.toml has no sources yet")


def _show_results(results: list[SyncResult], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "plans": [
                    {
                        **plan_json(result.plan, result.state),
                        "plan_id": result.plan_id,
                        "stored": result.n_stored,
                        "quarantined": [{"item_id": id, "reason": why} for id, why in result.quarantined],
                        "failures": [*result.plan.failures, *result.not_fetched],
                    }
                    for result in results
                ]
            }
        )
        return
    columns = ("source", "added#", "changed#", "removed#", "unchanged#", "quarantined#", "remarks")
    rows = []
    for result in results:
        plan = result.plan
        remarks = [*plan.failures, *result.not_fetched, *_erased(plan)]
        if plan.held:
            remarks.append(f"held: {'; '.join(plan.held_because)} → kbm plans approve {result.plan_id}")
        rows.append(
            (
                plan.source,
                len(plan.added),
                len(plan.taken),
                len([id for id in plan.removed if id not in plan.held]),
                plan.unchanged,
                len(result.quarantined),
                "; ".join(remarks),
            )
        )
    table("", columns, rows, empty="")
    quarantined = [(result.plan.source, id, why) for result in results for id, why in result.quarantined]
    if quarantined:
        table(
            "\nNew in quarantine (kbm sources tells more)",
            ("source", "item", "reason"),
            quarantined,
            empty="",
        )
    if results and all(result.plan.does_nothing and not result.plan.failures for result in results):
        out.print("nothing has changed: no document was fetched")


def _erased(plan: SyncPlan) -> list[str]:
    """Say how many items the source still lists although they were erased here; their names are not told."""
    return [f"{counted(plan.n_erased, 'erased item')} passed over"] if plan.n_erased else []


def show_quarantine_hint(kbm: Kbm) -> None:
    """Point at documents that could not be read, if there are any."""
    n = len(kbm.catalogue.documents.quarantine())
    if n:
        err.print(
            f"[yellow]note:[/yellow] {counted(n, 'document')} in quarantine; `kbm sources` tells which and why"
        )
