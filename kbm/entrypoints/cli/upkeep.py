"""``kbm compact``, ``label``, ``doctor``: what is kept, how small, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kbm.bootstrap import Kbm
from kbm.entrypoints.cli.chatgpt import walk
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.releases import Gpt
from kbm.entrypoints.cli.render import TerminalProgress, counted, fail, out, print_json, table
from kbm.errors import Busy, IndexDamaged, UsageError
from kbm.ports import Progress
from kbm.services.compact import Compacted
from kbm.services.rebuild import Finding

app = typer.Typer()


@app.command()
def compact(
    gpts: Annotated[list[str] | None, typer.Argument(metavar="GPT", help="Default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Put old releases away, merge indexes, and give back the room of what no release needs any more."""
    with opened(as_json=as_json) as kbm:
        names = gpts or list(kbm.settings.gpts)
        for name in names:
            kbm.gpt_settings(name)
        before = _n_bytes(kbm.settings.data_dir)
        with kbm.working("compact", " ".join(names)):
            done = kbm.compact.run(names, TerminalProgress(quiet=as_json))
        after = _n_bytes(kbm.settings.data_dir)
        if as_json:
            print_json(_compacted_json(done, before, after))
        else:
            _show(done, before, after)
        if done.problems:
            raise typer.Exit(1)


@app.command()
def label(
    gpt: Gpt,
    version: Annotated[str, typer.Argument(help="The release.")],
    text: Annotated[str, typer.Argument(metavar="[LABEL]", help="What it is kept for.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take its label away.")] = False,
    as_json: Json = False,
) -> None:
    """Label a release, so that it can be asked for good; without LABEL, show the label it has."""
    with opened(as_json=as_json) as kbm:
        if remove and text:
            raise UsageError("a label is either given or taken away", hint="leave LABEL or --remove out")
        kbm.gpt_settings(gpt)
        if remove or text.strip():
            made = kbm.catalogue.releases.set_label(gpt, version, text.strip(), who=who())
        else:
            made = kbm.catalogue.releases.get(gpt, version)
        if as_json:
            print_json({"gpt": gpt, "version": version, "label": made.label, "content": made.content})
        else:
            out.print(f"{gpt} {version}: {made.label or 'no label'} ({made.content})", markup=False)


@app.command()
def doctor(
    gpts: Annotated[
        list[str] | None, typer.Argument(metavar="GPT", help="With --chatgpt; default: all.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write damaged indexes anew from the catalogue.")
    ] = False,
    chatgpt: Annotated[
        bool,
        typer.Option(
            "--chatgpt", help="Walk through what a GPT in ChatGPT needs: address, key, schema, answer."
        ),
    ] = False,
    key: Annotated[
        str,
        typer.Option("--key", envvar="KBM_KEY", help="With --chatgpt: the key of the GPT (also KBM_KEY)."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Verify the vectors and the index of every release; with --fix, make damaged ones anew."""
    with opened(as_json=as_json) as kbm:
        if chatgpt:
            walk(kbm, gpts or (), key, as_json=as_json)
            return
        if gpts:
            raise UsageError("a GPT is named only with --chatgpt", hint="kbm doctor looks at all of them")
        progress = TerminalProgress(quiet=as_json)
        vectors, whole = _vectors(kbm, progress, fix=fix)
        if fix and kbm.catalogue.erasures.unfinished():
            with kbm.working("doctor", "unfinished erasures"):
                kbm.erase.resume(progress)
        found: list[tuple[str, Finding]] = []
        for name in kbm.settings.gpts:
            findings = kbm.rebuild.check(name)
            if fix and any(one.problem for one in findings):
                with kbm.working("doctor", name):
                    findings = kbm.rebuild.fix(name, findings, progress)
            found += [(name, one) for one in findings]
        rows = [
            (name, str(one.release.version), "written anew" if one.fixed else one.problem or "as sealed")
            for name, one in found
        ]
        if as_json:
            listed = [dict(zip(("gpt", "release", "result"), row, strict=True)) for row in rows]
            print_json({"indexes": listed, "vectors": vectors})
        else:
            table("", ("gpt", "release", "index"), rows, empty="there is no release yet")
            out.print(f"vectors: {vectors}", markup=False)
        if not whole or any(one.problem and not one.fixed for _, one in found):
            raise typer.Exit(1)


def _vectors(kbm: Kbm, progress: Progress, *, fix: bool) -> tuple[str, bool]:
    """Look at the vector store before anything opens it; tells how it is, and whether that is well."""
    try:
        problem = kbm.rebuild.check_vectors()
    except Busy as error:
        return f"not looked at: {error}", True
    if not problem:
        return "as stored", True
    if not fix:
        return problem, False
    with kbm.working("doctor", "vectors"):
        kbm.rebuild.fix_vectors()
        try:
            n = kbm.fill_vectors.run(progress)
        except IndexDamaged:  # found again below; what is missing then is embedded
            return "begun anew", True
    return f"begun anew, {n} filled in from the indexes", True


def _show(done: Compacted, before: int, after: int) -> None:
    for one in done.evicted:
        out.print(f"{one.gpt} {one.version}: its index was put away, its content stays")
    for one in done.purged:
        out.print(f"{one.gpt} {one.version}: its content is gone")
    out.print(
        f"{counted(done.n_segments, 'index file')}, before {done.n_segments_before}; deleted "
        f"{counted(done.n_versions, 'document version')} and {counted(done.n_vectors, 'vector')}; "
        f"data folder {before / 1e6:.1f} → {after / 1e6:.1f} MB"
    )
    for error in done.problems:
        fail(error, as_json=False)


def _compacted_json(done: Compacted, before: int, after: int) -> dict[str, Any]:
    """Give what was done; Any as everywhere in JSON."""
    return {
        "evicted": [{"gpt": one.gpt, "version": str(one.version)} for one in done.evicted],
        "purged": [{"gpt": one.gpt, "version": str(one.version)} for one in done.purged],
        "segments_before": done.n_segments_before,
        "segments": done.n_segments,
        "document_versions_deleted": done.n_versions,
        "vectors_deleted": done.n_vectors,
        "bytes_before": before,
        "bytes": after,
        "problems": [
            {"code": error.code, "detail": str(error), "hint": error.hint} for error in done.problems
        ],
    }


def _n_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
