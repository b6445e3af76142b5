"""``kbm diff`` and ``kbm release-notes``: what a release changes, for the person who decides on it."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from kbm.domain.changes import ChangedDocument, Kind, Part, shortened, word_diff
from kbm.domain.releases import ReleasedDocument
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.releases import Gpt, override_json, release_json
from kbm.entrypoints.cli.render import TerminalProgress, counted, out, plain, print_json, table
from kbm.services.diff import GoldenChange, ReleaseDiff
from kbm.services.evaluate import GoldenAnswer
from kbm.services.notes import Notes, notes_of, to_markdown, told
from kbm.services.notes_html import to_html

app = typer.Typer()

_MARKS = {Kind.REMOVED: ("[-", "-]"), Kind.ADDED: ("{+", "+}")}
_STYLES = {Kind.REMOVED: "red strike", Kind.ADDED: "green"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a document could use to write elsewhere on the terminal than where it is shown."""


class NotesLanguage(StrEnum):
    """Languages notes are written in."""

    DE = "de"
    EN = "en"
    FR = "fr"


class NotesFormat(StrEnum):
    """Forms notes are written in."""

    MD = "md"
    HTML = "html"
    JSON = "json"


@app.command()
def diff(
    gpt: Gpt,
    a: Annotated[str, typer.Argument(metavar="A", help="Number of the earlier release, such as 1.0.0.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Number of the later release.")],
    as_json: Json = False,
) -> None:
    """Show what differs between two releases: documents, words, sources, how answers are made, golden answers."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        found = kbm.diff.run(gpt, a, b, TerminalProgress(quiet=as_json))
        if as_json:
            print_json(diff_json(found))
        else:
            show_diff(found)


@app.command()
def release_notes(
    gpt: Gpt,
    version: Annotated[str, typer.Argument(help="Number of a built release, such as 1.0.1.")],
    language: Annotated[
        NotesLanguage | None, typer.Option("--language", help="de, en or fr; default: the first in kbm.toml.")
    ] = None,
    form: Annotated[
        NotesFormat, typer.Option("--format", help="md (Markdown), html or json.")
    ] = NotesFormat.MD,
    as_json: Json = False,
) -> None:
    """Write the notes of a release: all that changed since the one built before it."""
    as_json = as_json or form is NotesFormat.JSON
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        chosen = language or next(iter(kbm.settings.kbm.languages), "en")
        found = kbm.diff.since_previous(gpt, version, TerminalProgress(quiet=as_json))
        notes = notes_of(found, chosen)
        if as_json:
            print_json({**notes_json(notes), "override": _override(found)})
        elif form is NotesFormat.HTML:
            sys.stdout.write(to_html(notes))
        else:
            sys.stdout.write(_clean(to_markdown(notes)))


def show_diff(found: ReleaseDiff) -> None:
    """Tell a diff to a person."""
    in_colour = out.is_terminal and out.color_system is not None and not out.no_color
    changes = found.changes
    rows = [
        (what, _clean(one.title), one.source, _clean(one.item_id))
        for what, listed in (
            ("added", changes.added),
            ("changed", [one.after for one in changes.changed]),
            ("removed", changes.removed),
        )
        for one in listed
    ]
    names = f"{found.after.gpt} {found.before.version if found.before else '–'} → {found.after.version}"
    out.print(
        f"{names}: {len(changes.added)} added, {len(changes.changed)} changed, {len(changes.removed)} removed"
    )
    table("", ("", "title", "source", "item"), rows, empty="the documents are the same")
    for what, sources in (("added", found.sources_added), ("removed", found.sources_removed)):
        for source in sources:
            out.print(f"source {what}: {plain(source)}")
    for change in found.specs:
        if change.name != "instructions":
            out.print(plain(told(change, "en")))
    if found.instructions:
        out.print()
        out.print(Text("instructions", "bold"))
        out.print(painted(found.instructions, in_colour=in_colour))
    _show_words(found, in_colour=in_colour)
    _show_golden(found, in_colour=in_colour)
    out.print()
    out.print("[dim]Readers and withdrawals are in no release: they hold on every one at once.[/dim]")


def _show_golden(found: ReleaseDiff, *, in_colour: bool) -> None:
    out.print()
    if found.golden_unasked:
        out.print(plain(f"golden questions were not asked: {found.golden_unasked}"))
        return
    n = counted(found.n_golden, "golden question")
    out.print(f"{n} asked of both: {len(found.golden)} answered differently")
    for one in found.golden:
        out.print()
        out.print(Text(_clean(f"{one.question.id}: {one.question.question}"), "bold"))
        out.print(plain(f"{_fate(one.before)} → {_fate(one.after)}"))
        out.print(painted(word_diff(one.before.text, one.after.text), in_colour=in_colour))


def _fate(answer: GoldenAnswer) -> str:
    passed = "as expected" if answer.result.passed else "not as expected"
    return f"{answer.outcome}, {passed}" + (f", from {', '.join(answer.cited)}" if answer.cited else "")


def _show_words(found: ReleaseDiff, *, in_colour: bool) -> None:
    for changed in found.changes.changed:
        out.print()
        out.print(
            Text(_clean(f"{changed.after.title} ({changed.after.source} · {changed.after.item_id})"), "bold")
        )
        if changed.before.title != changed.after.title:
            out.print(Text(_clean(f"title was: {changed.before.title}")))
        parts = found.texts.get(changed.after.document_id)
        out.print(
            Text("(withdrawn since: its text is not shown)", "dim")
            if parts is None
            else painted(parts, in_colour=in_colour)
        )


def painted(parts: Sequence[Part], *, in_colour: bool) -> Text:
    """Show changes and the words beside them: in red and green, or in the marks of ``wdiff``."""
    if all(part.kind is Kind.SAME for part in parts):
        return Text("(the text is the same)", "dim")
    made = Text()
    for part in shortened(parts):
        text = _clean(part.text)
        if part.kind is Kind.SKIPPED:
            made.append(" … ", "dim")
        elif part.kind is Kind.SAME or in_colour:
            made.append(text, _STYLES.get(part.kind))
        else:
            opening, closing = _MARKS[part.kind]
            made.append(f"{opening}{text}{closing}")
    made.rstrip()
    return made


def _clean(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def diff_json(found: ReleaseDiff) -> dict[str, Any]:
    """Give a diff as JSON; the word diffs are whole, so both texts can be made of them.

    ``readers`` is null: they are in no release, but hold on every one at once.
    """
    return {
        "gpt": found.after.gpt,
        "before": release_json(found.before) if found.before else None,
        "after": release_json(found.after),
        "added": [document_json(one) for one in found.changes.added],
        "changed": [_changed_json(one, found) for one in found.changes.changed],
        "removed": [document_json(one) for one in found.changes.removed],
        "sources": {"added": list(found.sources_added), "removed": list(found.sources_removed)},
        "specs": [asdict(one) for one in found.specs],
        "instructions": _words_json(found.instructions),
        "golden": {
            "asked": found.n_golden,
            "not_asked_because": found.golden_unasked or None,
            "changed": [_golden_json(one) for one in found.golden],
        },
        "readers": None,
    }


def _golden_json(one: GoldenChange) -> dict[str, Any]:
    return {
        "id": one.question.id,
        "question": one.question.question,
        "state": one.question.state,
        "before": _answer_json(one.before),
        "after": _answer_json(one.after),
    }


def _answer_json(answer: GoldenAnswer) -> dict[str, Any]:
    return {
        "outcome": answer.outcome,
        "text": answer.text,
        "cited": list(answer.cited),
        "passed": answer.result.passed,
    }


def _words_json(parts: Sequence[Part]) -> list[dict[str, str]]:
    return [{"kind": part.kind, "text": part.text} for part in parts]


def _override(found: ReleaseDiff) -> dict[str, Any] | None:
    return override_json(found.after.override) if found.after.override else None


def _changed_json(one: ChangedDocument, found: ReleaseDiff) -> dict[str, Any]:
    parts = found.texts.get(one.after.document_id)
    return {
        **document_json(one.after),
        "before": document_json(one.before),
        "withdrawn": parts is None,
        "words": None if parts is None else _words_json(parts),
    }


def document_json(one: ReleasedDocument) -> dict[str, Any]:
    """Give a line of a manifest as JSON."""
    return {
        "document_id": one.document_id,
        "version_id": one.version_id,
        "source": one.source,
        "item_id": one.item_id,
        "title": one.title,
        "url": one.url,
        "content": one.content,
    }


def notes_json(notes: Notes) -> dict[str, Any]:
    """Give release notes as JSON."""
    return {
        "gpt": notes.gpt,
        "version": notes.version,
        "before": notes.before,
        "first": notes.before is None,
        "built": notes.built.isoformat(),
        "language": notes.language,
        "summary": notes.summary,
        "categories": [
            {
                "kind": category.kind,
                "heading": category.heading,
                "sources": list(category.lines),
                "documents": [
                    {**document_json(entry.document), "remark": entry.remark} for entry in category.entries
                ],
            }
            for category in notes.categories
        ],
        "sections": [
            {"kind": one.kind, "heading": one.heading, "lines": list(one.lines)} for one in notes.sections
        ],
        "instructions": _words_json(notes.instructions),
    }
