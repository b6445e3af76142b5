"""``kbm review`` and ``kbm gaps``: let agents look, and see what people could not get answered."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from kbm.domain.known_gaps import Gap
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, plain, print_json, table
from kbm.entrypoints.suggestion_json import gap_json, shown_gap_json
from kbm.errors import NotFound
from kbm.services.suggestion_words import cause, owner_question

app = typer.Typer()


@app.command()
def review(
    gpt: Annotated[list[str] | None, typer.Argument(help="GPTs; without: all.")] = None,
    as_json: Json = False,
) -> None:
    """Let agents look at what was asked in vain, and propose what would help. Nothing that answers is changed."""
    with opened(as_json=as_json) as kbm:
        names = gpt or list(kbm.settings.gpts)
        for name in names:
            kbm.gpt_settings(name)
        done = []
        with kbm.working("review", " ".join(names)):
            for name in names:
                progress = TerminalProgress(quiet=as_json)
                done.append(kbm.reviewing.review_one(name, progress))
        if as_json:
            print_json(
                {
                    "reviews": [
                        {
                            "gpt": one.gpt,
                            "questions": one.n_questions,
                            "failed": one.n_failed,
                            "gaps": len(one.gaps),
                            "seen_once_or_twice": one.n_rare,
                            "new_suggestions": [each.id for each in one.new],
                            "waiting": len(one.waiting),
                            "without_gain": one.n_without_gain,
                            "closed_gaps": list(one.closed),
                            "problems": [{"agent": name, "why": why} for name, why in one.problems],
                        }
                        for one in done
                    ]
                }
            )
            return
        rows = [
            (
                one.gpt,
                one.n_questions,
                one.n_failed,
                len(one.gaps),
                one.n_rare,
                len(one.new),
                len(one.waiting),
            )
            for one in done
        ]
        columns = ("GPT", "questions#", "failed#", "gaps#", "once or twice#", "new#", "waiting#")
        table("", columns, rows, empty="no GPT is configured")
        for one in done:
            for name, why in one.problems:
                out.print(f"[yellow]note:[/yellow] agent {plain(name)} did not come to an end: {plain(why)}")
            if one.waiting:
                out.print(f"decide: kbm suggestions list --gpt {plain(one.gpt)}")


@app.command()
def gaps(
    gpt: Annotated[str, typer.Argument(help="Name of the GPT.")],
    id: Annotated[str, typer.Argument(metavar="[GAP]", help="One gap, with its questions.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Closed and dismissed ones too.")] = False,
    to: Annotated[Path | None, typer.Option("--csv", help="Write them to a CSV file.")] = None,
    as_json: Json = False,
) -> None:
    """List what people could not get answered, grouped, with the cause; most asked first."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        readers = kbm.people_of(gpt).readers
        language = "en"
        if id:
            id = _whole(kbm.journal.gaps.all(gpt), id)
            shown = kbm.reviewing.show.gap(id, readers)
            titles = kbm.reviewing.show.titles([shown.gap], gpt, readers)
            if as_json:
                print_json(shown_gap_json(shown, titles[id]))
                return
            _show_gap(shown.gap, titles[id], language)
            table("", ("asked",), [(one,) for one in shown.questions], empty="no question of it may be shown")
            if shown.n_hidden:
                out.print(f"and {counted(shown.n_hidden, 'question')} that may not be shown to you")
            for one in shown.evidence:
                out.print(plain(f"  “{one.text}”  {one.title}" if one.text else f"  ask {one.steward}"))
            return
        found = [one for one in kbm.journal.gaps.all(gpt) if everything or one.stands]
        titles = kbm.reviewing.show.titles(found, gpt, readers)
        if to is not None:
            write_csv(to, found, titles)
            out.print(f"{counted(len(found), 'gap')} written to {plain(to)}")
            return
        if as_json:
            print_json({"gaps": [gap_json(one, titles[one.id]) for one in found]})
            return
        rows = [
            (one.id[:8], titles[one.id], one.cause, one.n_asked, one.n_people, f"{one.trend:+d}", one.state)
            for one in found
        ]
        columns = ("gap", "question", "cause", "asked#", "people#", "trend#", "state")
        empty = (
            f"no gap is known: kbm review {gpt}, or import past questions: kbm import-questions {gpt} FILE"
        )
        table("", columns, rows, empty=empty)
        last = kbm.journal.gaps.last_review(gpt)
        if last and last.rare:
            out.print(f"and {counted(len(last.rare), 'question')} seen once or twice")


def write_csv(path: Path, found: list[Gap], titles: dict[str, str]) -> None:
    """Write gaps for a spreadsheet; no cell is taken for a formula there."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(("gap", "question", "keywords", "cause", "asked", "people", "first", "last", "state"))
        for one in found:
            row = (
                one.id,
                titles[one.id],
                ", ".join(one.name.keywords),
                one.cause,
                one.n_asked,
                one.n_people,
                one.first_seen.date(),
                one.last_seen.date(),
                one.state,
            )
            writer.writerow([no_formula(str(cell)) for cell in row])


def no_formula(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would calculate."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _whole(gaps: Sequence[Gap], begin: str) -> str:
    """Give the id of the one gap whose id begins so, as lists show it.

    Raises:
        NotFound: none does, or several do.
    """
    found = [one.id for one in gaps if one.id.startswith(begin)]
    if len(found) != 1:
        raise NotFound("gap", begin, [one.id[:12] for one in gaps])
    return found[0]


def _show_gap(one: Gap, title: str, language: str) -> None:
    out.print(f"[bold]{plain(title)}[/bold]")
    out.print(
        plain(f"{cause(one.cause, language)} · asked {one.n_asked} times by {one.n_people} · {one.state}")
    )
    if one.ask:
        out.print(plain(owner_question(one.ask, language)))
