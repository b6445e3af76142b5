"""Release notes as a page of HTML that needs nothing else.

Titles, ids and reasons are whatever somebody wrote: everything is escaped and stripped of control characters, each
title stands in an element that isolates its writing direction, and the page forbids scripts and loading by its own
policy, so that a mistake here would still run nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from kbm.domain.changes import Kind, Part
from kbm.services.notes import Category, Entry, Notes, Section

_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]"
)
"""Control characters and those that turn the writing direction of what follows."""

_TAGS = {Kind.REMOVED: "del", Kind.ADDED: "ins"}

_STYLE = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 1.75rem; }
li { margin: .2rem 0; overflow-wrap: anywhere; }
code { font-size: .9em; } .where { opacity: .75; }
ins { background: #2e7d3233; text-decoration: none; } del { background: #c6282833; }
.override { border-left: .3rem solid #c62828; padding-left: 1rem; }
@media print { body { margin: 0; max-width: none; } }"""


def to_html(notes: Notes) -> str:
    """Write notes as a whole page in the language of the notes."""
    return "\n".join(_lines(notes)) + "\n"


def _lines(notes: Notes) -> Iterator[str]:
    title = _safe(f"{notes.gpt} {notes.version}")
    yield "<!DOCTYPE html>"
    yield f'<html lang="{_safe(notes.language)}">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'\">"
    )
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>"
    yield f"<style>\n{_STYLE}\n</style>"
    yield "</head>"
    yield "<body>"
    yield f'<h1>{title} <time datetime="{notes.built.isoformat()}">({notes.built.isoformat()})</time></h1>'
    yield f"<p>{_safe(notes.summary)}</p>"
    for category in notes.categories:
        yield from _category(category)
    for section in notes.sections:
        yield from _section(section, notes.instructions if section.kind == "answers" else ())
    yield "</body>"
    yield "</html>"


def _category(category: Category) -> Iterator[str]:
    yield f'<section class="{_safe(category.kind)}">'
    yield f"<h2>{_safe(category.heading)}</h2>"
    yield "<ul>"
    yield from (f"<li>{_isolated(line)}</li>" for line in category.lines)
    yield from (_entry(one) for one in category.entries)
    yield "</ul>"
    yield "</section>"


def _entry(entry: Entry) -> str:
    one = entry.document
    remark = f" ({_isolated(entry.remark)})" if entry.remark else ""
    where = f'<span class="where">{_isolated(one.source)} · <code>{_isolated(one.item_id)}</code></span>'
    return f"<li><strong>{_isolated(one.title)}</strong> – {where}{remark}</li>"


def _section(section: Section, instructions: tuple[Part, ...]) -> Iterator[str]:
    yield f'<section class="{_safe(section.kind)}">'
    yield f"<h2>{_safe(section.heading)}</h2>"
    yield "<ul>"
    yield from (f"<li>{_isolated(line)}</li>" for line in section.lines)
    yield "</ul>"
    if instructions:
        yield f"<blockquote>{''.join(_part(part) for part in instructions)}</blockquote>"
    yield "</section>"


def _part(part: Part) -> str:
    if part.kind is Kind.SKIPPED:
        return " … "
    text, tag = _safe(part.text).replace("\n", "<br>"), _TAGS.get(part.kind)
    return f"<{tag}>{text}</{tag}>" if tag else text


def _isolated(text: str) -> str:
    return f"<bdi>{_safe(text)}</bdi>"


def _safe(text: str) -> str:
    """Make any text safe between tags and in quoted attributes."""
    whole = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair could not be written
    return escape(_STEERS.sub("\N{REPLACEMENT CHARACTER}", whole))
