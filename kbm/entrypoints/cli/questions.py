"""``kbm questions`` and ``kbm import-questions``: what people ask, here and elsewhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from kbm.domain.question_log import Logged, Source
from kbm.entrypoints.cli.context import Json, opened, who
from kbm.entrypoints.cli.past_questions import read_past_questions
from kbm.entrypoints.cli.releases import Gpt
from kbm.entrypoints.cli.render import counted, err, out, plain, print_json, table
from kbm.sections import hours

app = typer.Typer()


@app.command("questions")
def list_questions(
    gpt: Gpt,
    failed: Annotated[
        bool, typer.Option("--failed", help="Those without a sure answer, or whose answer did not help.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what a GPT was asked, newest first, as long as questions are kept; personal data is redacted."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        since = kbm.clock.now() - timedelta(hours=hours(kbm.settings.kbm.question_retention))
        found = kbm.list_questions.run(gpt, since, failed=failed)
        if as_json:
            print_json({"gpt": gpt, "questions": [_as_json(one) for one in found]})
            return
        rows = [
            (
                one.asked_at.strftime("%Y-%m-%d %H:%M") if one.asked_at else "",
                one.question,
                one.outcome or "",
                one.verdict or "",
                ", ".join(_remarks(one)),
            )
            for one in found
        ]
        table("", ("asked (UTC)", "question", "outcome", "verdict", ""), rows, empty="no questions are kept")


@app.command("import-questions")
def import_questions(
    gpt: Gpt,
    file: Annotated[Path, typer.Argument(help="CSV with a header, JSON or JSONL; UTF-8 or cp1252.")],
    vouch: Annotated[
        bool,
        typer.Option(
            "--vouch",
            help="You stand for these questions being kept and read here: names of people are not recognised.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Import what people asked elsewhere; columns question, asked_at, user, outcome or answered, count."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        questions, ignored = read_past_questions(file)
        done = kbm.import_questions.run(gpt, questions, who=who(), vouched=vouch)
        if as_json:
            print_json(
                {
                    "gpt": gpt,
                    "questions": done.n_questions,
                    "imported": done.n_new,
                    "updated": done.n_more,
                    "ignored_columns": ignored,
                }
            )
            return
        if ignored:
            err.print(f"not read: {plain(', '.join(ignored))}")
        known = done.n_questions - done.n_new
        out.print(f"{counted(done.n_new, 'question')} of {gpt} imported, {known} known already")


def _remarks(one: Logged) -> list[str]:
    """Say what is particular about a question."""
    remarks = ["asked again in other words"] if one.reask_of else []
    remarks += [str(one.source)] if one.source is Source.IMPORTED else []
    return remarks + ([f"{one.n_asked} times"] if one.n_asked > 1 else [])


def _as_json(one: Logged) -> dict[str, Any]:
    """Give a question without its label: who asked is nobody's to see. Any is JSON."""
    return {
        "id": one.id,
        "asked_at": one.asked_at.isoformat() if one.asked_at else None,
        "question": one.question,
        "source": one.source,
        "outcome": one.outcome,
        "cause": one.cause,
        "confidence": one.confidence,
        "verdict": one.verdict,
        "release": one.release or None,
        "door": one.door or None,
        "count": one.n_asked,
        "vouched": one.vouched,
        "reask_of": one.reask_of,
    }
