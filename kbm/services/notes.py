"""Release notes in the categories of Keep a Changelog, in the three languages of kbm.

The notes list every document of the diff. A list that ends in "and 40 more" is read as if the 40 did not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from kbm.domain.changes import ChangedDocument, FieldChange, Kind, Part, shortened
from kbm.domain.evaluation import Override
from kbm.domain.releases import ReleasedDocument
from kbm.services.diff import GoldenChange, ReleaseDiff
from kbm.services.evaluate import GoldenAnswer
from kbm.services.notes_words import FIELDS, WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A document in the notes; *remark* says what a title cannot, or is empty."""

    document: ReleasedDocument
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One heading of the notes with its documents. *kind* is ``added``, ``changed`` or ``removed``.

    *lines* come before them: sources that were added or removed as a whole.
    """

    kind: str
    heading: str
    entries: tuple[Entry, ...]
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the notes that is not about documents. *kind* is ``answers``, ``golden`` or ``override``."""

    kind: str
    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What a release brings, in one language; categories and sections without content are left out.

    *instructions* is the word diff of the GPT's own instructions.
    """

    gpt: str
    version: str
    before: str | None
    built: date
    language: str
    summary: str
    categories: tuple[Category, ...]
    sections: tuple[Section, ...] = ()
    instructions: tuple[Part, ...] = ()


def notes_of(diff: ReleaseDiff, language: str) -> Notes:
    """Write the notes of a release; in English when the language is not one of ours."""
    chosen = language if language in WORDS else "en"
    words, changes = WORDS[chosen], diff.changes
    before = str(diff.before.version) if diff.before else None
    entries = {
        "added": tuple(Entry(document=one) for one in changes.added),
        "changed": tuple(Entry(document=one.after, remark=_remark(one, words)) for one in changes.changed),
        "removed": tuple(Entry(document=one) for one in changes.removed),
    }
    sources = {
        "added": tuple(words["source_added"].format(source=one) for one in diff.sources_added),
        "changed": (),
        "removed": tuple(words["source_removed"].format(source=one) for one in diff.sources_removed),
    }
    sections = {
        "answers": tuple(told(one, chosen) for one in _spoken(diff.specs)),
        "golden": tuple(_golden(one, words) for one in diff.golden),
        "override": tuple(_overridden(one, words) for one in (diff.after.override,) if one),
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
            Category(kind=kind, heading=words[kind], entries=listed, lines=sources[kind])
            for kind, listed in entries.items()
            if listed or sources[kind]
        ),
        sections=tuple(
            Section(kind=kind, heading=words[kind], lines=lines) for kind, lines in sections.items() if lines
        ),
        instructions=shortened(diff.instructions),
    )


def to_markdown(notes: Notes) -> str:
    """Write notes as a section that fits into a changelog."""
    return "\n".join(_lines(notes)) + "\n"


def told(change: FieldChange, language: str) -> str:
    """Say in words what became of a setting of an index or answer spec."""
    words = WORDS[language]
    name = FIELDS.get(change.name, {}).get(language, change.name)
    before, after = (_value(change.name, one, words) for one in (change.before, change.after))
    if change.name.endswith("_digest"):
        return words["anew"].format(name=name[:1].upper() + name[1:], before=before, after=after)
    return f"{name}{words['colon']}{before} → {after}"


def _lines(notes: Notes) -> Iterator[str]:
    yield f"## [{notes.version}] – {notes.built.isoformat()}"
    yield from ("", notes.summary)
    for category in notes.categories:
        yield from ("", f"### {category.heading}", "")
        yield from (f"- {_plain(line)}" for line in category.lines)
        for entry in category.entries:
            one, remark = entry.document, f" ({_plain(entry.remark)})" if entry.remark else ""
            yield f"- **{_plain(one.title)}** – {_plain(one.source)} · {_code(one.item_id)}{remark}"
    for section in notes.sections:
        yield from ("", f"### {section.heading}", "")
        yield from (f"- {_plain(line)}" for line in section.lines)
        if section.kind == "answers" and _worth_showing(notes.instructions):
            yield from ("", f"  > {''.join(_marked(part) for part in notes.instructions)}")


def _worth_showing(parts: tuple[Part, ...]) -> bool:
    """Tell whether a word diff says more than both texts one after the other."""
    return any(part.kind is Kind.SAME for part in parts)


def _marked(part: Part) -> str:
    """Set a part of a word diff in Markdown: removed words struck out, added ones bold."""
    if part.kind is Kind.SKIPPED:
        return " … "
    text = " ".join(part.text.split())
    head = " " if part.text[:1].isspace() else ""
    tail = " " if part.text[-1:].isspace() and text else ""
    mark = {Kind.REMOVED: "~~", Kind.ADDED: "**"}.get(part.kind, "") if text else ""
    return f"{head}{mark}{_plain(text)}{mark}{tail}"


def _remark(one: ChangedDocument, words: dict[str, str]) -> str:
    if one.before.title != one.after.title:
        return words["renamed"].format(title=one.before.title)
    return words["reread"] if one.before.content == one.after.content else ""


def _spoken(specs: tuple[FieldChange, ...]) -> Iterator[FieldChange]:
    """Leave out a digest beside its name: another embedder has another digest, too."""
    named = {one.name for one in specs}
    for one in specs:
        if not (one.name.endswith("_digest") and one.name.removesuffix("_digest") in named):
            yield one


def _golden(one: GoldenChange, words: dict[str, str]) -> str:
    before, after = (_answer(answer, words) for answer in (one.before, one.after))
    return words["golden_now"].format(
        question=one.question.question, id=one.question.id, before=before, after=after
    )


def _answer(answer: GoldenAnswer, words: dict[str, str]) -> str:
    """Say in a few words what became of a golden question; what was said stands in the diff."""
    passed = words["passed" if answer.result.passed else "failed"]
    cited = f", {', '.join(answer.cited)}" if answer.cited else ""
    return f"{words[answer.outcome]}, {passed}{cited}"


def _overridden(one: Override, words: dict[str, str]) -> str:
    return words["overridden"].format(
        sponsor=one.sponsor, date=one.at.date().isoformat(), verdict=one.verdict, reason=one.reason
    )


def _value(name: str, value: object, words: dict[str, str]) -> str:
    if name.endswith("_digest"):
        return str(value)[:12]
    listed = value if isinstance(value, tuple) else (value,)
    # A group of synonyms reads as what it means.
    text = ", ".join(" = ".join(one) if isinstance(one, tuple) else str(one) for one in listed)
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
