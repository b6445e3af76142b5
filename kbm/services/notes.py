"""Release notes in the categories of Keep a Changelog, in the three languages of kbm.

The notes list every document of the diff. A list that ends in "and 40 more" is read as if the 40 did not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from kbm.domain.changes import ChangedDocument, FieldChange
from kbm.domain.releases import ReleasedDocument
from kbm.services.diff import ReleaseDiff

_WORDS = {
    "de": {
        "added": "Hinzugefügt",
        "changed": "Geändert",
        "removed": "Entfernt",
        "answers": "Wie Antworten entstehen",
        "first": "Erste Version von {gpt}: {added} Dokumente.",
        "since": "Gegenüber {before}: {added} hinzugefügt, {changed} geändert, {removed} entfernt.",
        "renamed": "hieß „{title}“",
        "reread": "dieselbe Datei, neu gelesen",
        "nothing": "leer",
        "colon": ": ",
    },
    "en": {
        "added": "Added",
        "changed": "Changed",
        "removed": "Removed",
        "answers": "How answers are made",
        "first": "First release of {gpt}; documents: {added}.",
        "since": "Compared with {before}: {added} added, {changed} changed, {removed} removed.",
        "renamed": "was “{title}”",
        "reread": "the same file, read anew",
        "nothing": "empty",
        "colon": ": ",
    },
    "fr": {
        "added": "Ajouté",
        "changed": "Modifié",
        "removed": "Supprimé",
        "answers": "Comment les réponses sont établies",
        "first": "Première version de {gpt} ; documents : {added}.",
        "since": "Par rapport à {before} – ajoutés : {added}, modifiés : {changed}, supprimés : {removed}.",
        "renamed": "s'appelait « {title} »",
        "reread": "le même fichier, relu",
        "nothing": "vide",
        "colon": " : ",
    },
}
_FIELDS = {
    "instructions": {"de": "Anweisungen", "en": "instructions", "fr": "instructions"},
    "languages": {"de": "Sprachen", "en": "languages", "fr": "langues"},
    "chat": {"de": "Chatmodell", "en": "chat model", "fr": "modèle de chat"},
    "threshold": {
        "de": "Schwelle für eine Antwort",
        "en": "threshold for an answer",
        "fr": "seuil pour une réponse",
    },
    "uncertain_below": {
        "de": "unsicher unterhalb von",
        "en": "uncertain below",
        "fr": "incertain au-dessous de",
    },
    "chunker": {"de": "Zerlegung in Abschnitte", "en": "chunker", "fr": "découpage en passages"},
    "chunker_digest": {"de": "Stand der Zerlegung", "en": "state of the chunker", "fr": "état du découpage"},
    "embedder": {"de": "Embedder", "en": "embedder", "fr": "modèle d'embedding"},
    "embedder_digest": {
        "de": "Stand des Embedders",
        "en": "state of the embedder",
        "fr": "état du modèle d'embedding",
    },
    "dimensions": {
        "de": "Dimensionen der Vektoren",
        "en": "vector dimensions",
        "fr": "dimensions des vecteurs",
    },
    "lexical_digest": {
        "de": "Stand der Wortsuche",
        "en": "state of the word search",
        "fr": "état de la recherche",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A document in the notes; *remark* says what a title cannot, or is empty."""

    document: ReleasedDocument
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One heading of the notes with its documents. *kind* is ``added``, ``changed`` or ``removed``."""

    kind: str
    heading: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What a release brings, in one language; categories without entries are left out."""

    gpt: str
    version: str
    before: str | None
    built: date
    language: str
    summary: str
    categories: tuple[Category, ...]
    answers_heading: str
    answers: tuple[str, ...]


def notes_of(diff: ReleaseDiff, language: str) -> Notes:
    """Write the notes of a release; in English when the language is not one of ours."""
    chosen = language if language in _WORDS else "en"
    words, changes = _WORDS[chosen], diff.changes
    before = str(diff.before.version) if diff.before else None
    entries = {
        "added": tuple(Entry(document=one) for one in changes.added),
        "changed": tuple(Entry(document=one.after, remark=_remark(one, words)) for one in changes.changed),
        "removed": tuple(Entry(document=one) for one in changes.removed),
    }
    counts = {kind: len(listed) for kind, listed in entries.items()}
    return Notes(
        gpt=diff.after.gpt,
        version=str(diff.after.version),
        before=before,
        built=diff.after.created_at.date(),
        language=chosen,
        summary=words["since" if before else "first"].format(before=before, gpt=diff.after.gpt, **counts),
        categories=tuple(
            Category(kind=kind, heading=words[kind], entries=listed)
            for kind, listed in entries.items()
            if listed
        ),
        answers_heading=words["answers"],
        answers=tuple(_told(one, chosen) for one in diff.specs),
    )


def to_markdown(notes: Notes) -> str:
    """Write notes as a section that fits into a changelog."""
    return "\n".join(_lines(notes)) + "\n"


def _lines(notes: Notes) -> Iterator[str]:
    yield f"## [{notes.version}] – {notes.built.isoformat()}"
    yield from ("", notes.summary)
    for category in notes.categories:
        yield from ("", f"### {category.heading}", "")
        for entry in category.entries:
            one, remark = entry.document, f" ({_plain(entry.remark)})" if entry.remark else ""
            yield f"- **{_plain(one.title)}** – {_plain(one.source)} · {_code(one.item_id)}{remark}"
    if notes.answers:
        yield from ("", f"### {notes.answers_heading}", "")
        yield from (f"- {_plain(line)}" for line in notes.answers)


def _remark(one: ChangedDocument, words: dict[str, str]) -> str:
    if one.before.title != one.after.title:
        return words["renamed"].format(title=one.before.title)
    return words["reread"] if one.before.content == one.after.content else ""


def _told(change: FieldChange, language: str) -> str:
    words = _WORDS[language]
    name = _FIELDS.get(change.name, {}).get(language, change.name)
    before, after = (_value(change.name, one, words) for one in (change.before, change.after))
    return f"{name}{words['colon']}{before} → {after}"


def _value(name: str, value: object, words: dict[str, str]) -> str:
    if name.endswith("_digest"):
        return str(value)[:12]
    text = ", ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)
    return text or words["nothing"]


def _plain(text: str) -> str:
    """Make a text one line that Markdown shows as it is."""
    return re.sub(r"([\\`*\[\]<>]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Set an id in code, so that nothing in it is markup."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}"
