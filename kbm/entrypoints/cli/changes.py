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

from kbm.domain.changes import ChangedDocument, Kind, Part, shortened
from kbm.domain.releases import ReleasedDocument
from kbm.entrypoints.cli.context import Json, opened
from kbm.entrypoints.cli.releases import Gpt, release_json
from kbm.entrypoints.cli.render import out, plain, print_json, table
from kbm.services.diff import ReleaseDiff
from kbm.services.notes import Notes, notes_of, to_markdown

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
    JSON = "json"


@app.command()
def diff(
    gpt: Gpt,
    a: Annotated[str, typer.Argument(metavar="A", help="Number of the earlier release, such as 1.0.0.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Number of the later release.")],
    as_json: Json = False,
) -> None:
    """Show what differs between two releases: documents, their words, how answers are made."""
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        found = kbm.diff.run(gpt, a, b)
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
    form: Annotated[NotesFormat, typer.Option("--format", help="md (Markdown) or json.")] = NotesFormat.MD,
    as_json: Json = False,
) -> None:
    """Write the notes of a release: all that changed since the one built before it."""
    as_json = as_json or form is NotesFormat.JSON
    with opened(as_json=as_json) as kbm:
        kbm.gpt_settings(gpt)
        chosen = language or next(iter(kbm.settings.kbm.languages), "en")
        notes = notes_of(kbm.diff.since_previous(gpt, version), chosen)
        if as_json:
            print_json(notes_json(notes))
        else:
            sys.stdout.write(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", to_markdown(notes)))


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
    for change in found.specs:
        out.print(plain(_clean(f"{change.name}: {change.before} → {change.after}")))
    for changed in changes.changed:
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
    """Give a diff as JSON; the word diffs are whole, so both texts can be made of them."""
    return {
        "gpt": found.after.gpt,
        "before": release_json(found.before) if found.before else None,
        "after": release_json(found.after),
        "added": [document_json(one) for one in found.changes.added],
        "changed": [_changed_json(one, found) for one in found.changes.changed],
        "removed": [document_json(one) for one in found.changes.removed],
        "specs": [asdict(one) for one in found.specs],
    }


def _changed_json(one: ChangedDocument, found: ReleaseDiff) -> dict[str, Any]:
    parts = found.texts.get(one.after.document_id)
    return {
        **document_json(one.after),
        "before": document_json(one.before),
        "withdrawn": parts is None,
        "words": None if parts is None else [{"kind": part.kind, "text": part.text} for part in parts],
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
                "documents": [
                    {**document_json(entry.document), "remark": entry.remark} for entry in category.entries
                ],
            }
            for category in notes.categories
        ],
        "answers": {"heading": notes.answers_heading, "changes": list(notes.answers)},
    }
