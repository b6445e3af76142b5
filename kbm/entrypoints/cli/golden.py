"""``kbm golden`` and ``kbm eval``: the permanent tests of a GPT."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kbm.domain.documents import EVERYONE
from kbm.domain.evaluation import GateReport, GoldenQuestion, GoldenState
from kbm.domain.known_gaps import LastReview
from kbm.entrypoints.cli.confidence import confidence_json, show_confidence
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.releases import Gpt, gate_json
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, plain, print_json, table
from kbm.errors import NotFound, UsageError

app = typer.Typer()
golden_app = typer.Typer(help="Golden questions: permanent tests of a GPT.", no_args_is_help=True)

_COLUMNS = (
    "id",
    "question",
    "language",
    "expected",
    "must_contain",
    "must_not_contain",
    "critical",
    "readers",
    "answerable",
    "origin",
)
TREND = {
    "golden_passed": "as expected",
    "golden_hits": "found",
    "golden_variants": "in other words",
    "failed_week": "failed in a week",
    "cited_answers": "answers cited",
    "fresh_citations": "cited and fresh",
}
"""Figures shown as a trend, and what they are called."""
_YES, _NO = {"yes", "true", "1", "ja", "oui"}, {"no", "false", "0", "nein", "non"}


@golden_app.command("import")
def import_questions(
    gpt: Gpt,
    file: Annotated[
        Path, typer.Argument(help="CSV with a header, or a JSON list; lists in a CSV cell by |.")
    ],
    as_json: Json = False,
) -> None:
    """Import golden questions; one with the id of a stored question replaces it."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        questions = read_questions(file)
        kbm.catalogue.golden.put(gpt, questions)
        if as_json:
            print_json({"imported": len(questions)})
        else:
            out.print(f"{counted(len(questions), 'golden question')} of {gpt} imported")


@golden_app.command("add")
def add(
    gpt: Gpt,
    question: Annotated[str, typer.Argument(help="In neutral words.")],
    expect: Annotated[list[str] | None, typer.Option("--expect", help="SOURCE:ITEM that answers it.")] = None,
    fact: Annotated[list[str] | None, typer.Option("--fact", help="Text the answer must contain.")] = None,
    critical: Annotated[bool, typer.Option("--critical", help="No release may lose it.")] = False,
) -> None:
    """Add one golden question."""
    with opened() as kbm:
        kbm.gpt_settings(gpt)
        number = 1 + max(
            (int(one.id[1:]) for one in kbm.catalogue.golden.all(gpt) if _numbered(one.id)), default=0
        )
        made = GoldenQuestion(
            id=f"q{number}",
            question=question,
            expected=tuple(expect or ()),
            must_contain=tuple(fact or ()),
            critical=critical,
            origin="command line",
        )
        kbm.catalogue.golden.put(gpt, [made])
        out.print(f"{made.id} added")


@golden_app.command("list")
def list_questions(gpt: Gpt, as_json: Json = False) -> None:
    """List the golden questions of a GPT."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        questions = kbm.catalogue.golden.all(gpt)
        if as_json:
            print_json(
                {"golden": [{name: getattr(one, name) for name in (*_COLUMNS, "state")} for one in questions]}
            )
            return
        rows = [
            (
                one.id,
                one.question,
                "|".join(one.expected) or "nothing",
                "critical" if one.critical else "",
                one.state,
            )
            for one in questions
        ]
        table(
            "",
            ("id", "question", "expected", "", "state"),
            rows,
            empty=f"none yet: kbm golden import {gpt} FILE",
        )


@golden_app.command("review")
def review(
    gpt: Gpt,
    question_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a question to review.")],
    drop: Annotated[bool, typer.Option("--drop", help="Remove it instead of confirming it.")] = False,
) -> None:
    """Confirm a golden question whose documents changed, or drop it."""
    with opened() as kbm:
        kbm.gpt_settings(gpt)
        if drop:
            kbm.catalogue.golden.remove(gpt, question_id)
        else:
            kbm.catalogue.golden.set_state(gpt, question_id, GoldenState.CONFIRMED)
        out.print(f"{question_id} {'dropped' if drop else 'confirmed'}")


@app.command("eval")
def evaluate(
    gpt: Gpt,
    release: Annotated[
        str | None, typer.Option("--release", help="This release instead of the newest.")
    ] = None,
    trend: Annotated[
        bool, typer.Option("--trend", help="Show the figures of the last nights instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask a release its golden questions and compare it with live."""
    with opened(as_json=as_json) as kbm:
        section = kbm.gpt_settings(gpt)
        if trend:
            show_trend(gpt, kbm.journal.gaps.last_review(gpt), as_json=as_json)
            return
        chosen = kbm.catalogue.releases.get(gpt, release) if release else kbm.catalogue.releases.newest(gpt)
        if chosen is None:
            raise NotFound("release of", gpt, hint=f"kbm build {gpt}")
        progress = TerminalProgress(quiet=as_json)
        report = kbm.evaluate.gate(gpt, chosen, max_drop=section.release.max_drop, progress=progress)
        if as_json:
            print_json(
                {
                    "gpt": gpt,
                    "release": str(chosen.version),
                    **gate_json(report),
                    "confidence": confidence_json(chosen),
                }
            )
            return
        show_gate(gpt, str(chosen.version), report)
        show_confidence(chosen)


def show_trend(gpt: str, last: LastReview | None, *, as_json: bool) -> None:
    """Tell the figures of the last nights, the newest first."""
    nights = list(reversed(last.nights)) if last else []
    if as_json:
        print_json({"gpt": gpt, "nights": [{"day": day, "figures": dict(one)} for day, one in nights]})
        return
    rows = [(day, *(_or_none(one.get(name)) for name in TREND)) for day, one in nights]
    columns = ("night", *(f"{told}#" for told in TREND.values()))
    table("", columns, rows, empty=f"no night is known: kbm review {gpt}")


def show_gate(gpt: str, version: str, report: GateReport) -> None:
    """Tell a gate's verdict, its figures and its reasons to a person."""
    review = f", {report.n_to_review} more to review" if report.n_to_review else ""
    out.print(f"{gpt} {version}: {report.verdict}, {counted(report.n_questions, 'golden question')}{review}")
    if report.n_questions == 0:
        out.print(f"its own passages found by their own words: {report.hit_at_5:.0%}")
    else:
        low, high = report.passed_interval
        rows = [
            ("as expected", f"{report.passed:.3f}", "", f"95 % interval {low:.3f} to {high:.3f}"),
            ("hit@5", f"{report.hit_at_5:.3f}", _or_none(report.live_hit_at_5), report.hit_at_5_change or ""),
            (
                "citation coverage",
                f"{report.citation_coverage:.3f}",
                _or_none(report.live_citation_coverage),
                report.citation_coverage_change or "",
            ),
            ("dead citations", str(len(report.dead_citations)), "", ""),
        ]
        live = f"live {report.live}#" if report.live else "live#"
        table("", ("figure", "this release#", live, "difference"), rows, empty="")
    for reason in report.reasons:
        out.print(plain(f"- {reason}"))


def _or_none(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"


def read_questions(file: Path) -> list[GoldenQuestion]:
    """Read golden questions from CSV or JSON.

    Raises:
        UsageError: the file cannot be read, or a line of it cannot be used; nothing is imported then.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows: Sequence[Mapping[str, Any]] = (
            json.loads(text) if file.suffix.casefold() == ".json" else list(csv.DictReader(io.StringIO(text)))
        )
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise UsageError(
            f"{file} cannot be read: {error}", hint="give a UTF-8 CSV with a header or a JSON list"
        ) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{file} is no list of questions", hint=f"known fields: {', '.join(_COLUMNS)}")
    return [_question(row, f"{file}, question {n}") for n, row in enumerate(rows, start=1)]


def _question(row: Mapping[str, Any], where: str) -> GoldenQuestion:
    unknown = sorted(set(row) - set(_COLUMNS) - {None})
    if unknown:
        raise UsageError(f"{where}: unknown field {unknown[0]!r}", hint=f"known: {', '.join(_COLUMNS)}")
    if not str(row.get("id") or "").strip() or not str(row.get("question") or "").strip():
        raise UsageError(f"{where}: id and question are needed")
    return GoldenQuestion(
        id=str(row["id"]).strip(),
        question=str(row["question"]).strip(),
        language=str(row.get("language") or ""),
        expected=_several(row.get("expected")),
        must_contain=_several(row.get("must_contain")),
        must_not_contain=_several(row.get("must_not_contain")),
        critical=_flag(row.get("critical"), where, default=False),
        readers=_several(row.get("readers")) or (EVERYONE,),
        answerable=_flag(row.get("answerable"), where, default=True),
        origin=str(row.get("origin") or ""),
    )


def _several(cell: Any) -> tuple[str, ...]:
    """Read a list: JSON's own, or parts of a cell between bars."""
    parts = cell if isinstance(cell, list) else str(cell or "").split("|")
    return tuple(part for part in (str(one).strip() for one in parts) if part)


def _flag(cell: Any, where: str, *, default: bool) -> bool:
    """Read yes or no in any of three languages."""
    if cell is None or isinstance(cell, bool):
        return default if cell is None else cell
    word = str(cell).strip().casefold()
    if word and word not in _YES | _NO:
        raise UsageError(f"{where}: {cell!r} is neither yes nor no")
    return word in _YES if word else default


def _numbered(id: str) -> bool:
    return id.startswith("q") and id[1:].isdigit()
