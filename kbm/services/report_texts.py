"""The morning report in words, in the three languages of kbm: five lines first, then the whole by section.

Reasons of kbm's own are translated before (:mod:`kbm.services.reason_words`); what others say stays as they said it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kbm.domain.report import Findings, GptNews, SourceNews
from kbm.services.report_knowledge_texts import (
    KNOWLEDGE_WORDS,
    agent_failures,
    by_itself,
    gaps_line,
    knowledge_table,
    where,
)

SHOWN_WAITING = 3
"""How many things that wait are named in the second line; the section below it has all."""

WORDS = {
    "de": {
        "subject": "kbm, {company}, Nacht zum {day}: {state}",
        "well": "alles in Ordnung",
        "n_waiting": "wartet auf Entscheidung: {n}",
        "n_failed": "Fehler: {n}",
        "died": "vor dem Ende abgebrochen",
        "changed": "Geändert",
        "documents": "Dokumente neu: {added}, geändert: {changed}, entfernt: {removed}",
        "published": "veröffentlicht: {releases}",
        "nothing": "nichts",
        "held": "Wartet",
        "with": "bei {people}",
        "nobody": "niemand benannt",
        "more": "weitere: {n}, siehe unten",
        "withdrawn": "Zurückgezogen",
        "hidden": "Dokumente: {n}, in allen Versionen sofort verborgen",
        "readers": "Leser geändert: {n}",
        "gaps": "Lücken",
        "not_watched": "noch nicht beobachtet",
        "expiry": "Nächster Ablauf",
        "restricted": "ein Dokument mit eingeschränkten Lesern",
        "expired": "schon abgelaufen: {n}",
        "no_expiry": "keiner in Sicht",
        "no_max_age": "keine Quelle hat ein max_age",
        "waiting": "Was auf eine Entscheidung wartet",
        "what": "was",
        "why": "warum",
        "who": "bei wem",
        "decide": "Befehl",
        "source": "Quelle",
        "sources": "Quellen",
        "added": "neu",
        "edited": "geändert",
        "removed": "entfernt",
        "unchanged": "unverändert",
        "new_quarantine": "neu in Quarantäne",
        "live": "antwortet",
        "tonight": "heute Nacht",
        "gate": "Prüfung",
        "was_published": "{version} veröffentlicht",
        "was_held": "{version} wartet",
        "was_current": "unverändert",
        "canary": "Canary {version}",
        "was_failed": "Fehler",
        "failures": "Fehler",
        "unnamed": "{n} weitere bei Dokumenten mit eingeschränkten Lesern: kbm sources",
        "quarantine": "In Quarantäne",
        "item": "Dokument",
        "reason": "Grund",
        "detail": "was bekannt ist",
        "sending": "Versand",
        "arrived": "angekommen",
        "colon": ": ",
    },
    "en": {
        "subject": "kbm, {company}, night to {day}: {state}",
        "well": "all is well",
        "n_waiting": "waiting for a decision: {n}",
        "n_failed": "failures: {n}",
        "died": "broke off before its end",
        "changed": "Changed",
        "documents": "documents added: {added}, changed: {changed}, removed: {removed}",
        "published": "published: {releases}",
        "nothing": "nothing",
        "held": "Held",
        "with": "with {people}",
        "nobody": "nobody named",
        "more": "{n} more, see below",
        "withdrawn": "Withdrawn",
        "hidden": "documents: {n}, hidden on every release at once",
        "readers": "readers changed: {n}",
        "gaps": "Gaps",
        "not_watched": "not watched yet",
        "expiry": "Next expiry",
        "restricted": "a document with restricted readers",
        "expired": "past it already: {n}",
        "no_expiry": "none in sight",
        "no_max_age": "no source has a max_age",
        "waiting": "What waits for a decision",
        "what": "what",
        "why": "why",
        "who": "with whom",
        "decide": "command",
        "source": "source",
        "sources": "Sources",
        "added": "added",
        "edited": "changed",
        "removed": "removed",
        "unchanged": "unchanged",
        "new_quarantine": "new in quarantine",
        "live": "answers",
        "tonight": "tonight",
        "gate": "gate",
        "was_published": "{version} published",
        "was_held": "{version} waits",
        "was_current": "unchanged",
        "canary": "canary {version}",
        "was_failed": "failed",
        "failures": "Failures",
        "unnamed": "{n} more with documents of restricted readers: kbm sources",
        "quarantine": "In quarantine",
        "item": "document",
        "reason": "reason",
        "detail": "what is known",
        "sending": "Sending",
        "arrived": "arrived",
        "colon": ": ",
    },
    "fr": {
        "subject": "kbm, {company}, nuit du {day} : {state}",
        "well": "tout va bien",
        "n_waiting": "en attente d'une décision : {n}",
        "n_failed": "échecs : {n}",
        "died": "interrompue avant la fin",
        "changed": "Modifié",
        "documents": "documents ajoutés : {added}, modifiés : {changed}, supprimés : {removed}",
        "published": "publié : {releases}",
        "nothing": "rien",
        "held": "En attente",
        "with": "chez {people}",
        "nobody": "personne n'est nommé",
        "more": "{n} de plus, voir ci-dessous",
        "withdrawn": "Retiré",
        "hidden": "documents : {n}, masqués aussitôt dans toutes les versions",
        "readers": "lecteurs modifiés : {n}",
        "gaps": "Lacunes",
        "not_watched": "pas encore suivies",
        "expiry": "Prochaine échéance",
        "restricted": "un document aux lecteurs restreints",
        "expired": "déjà dépassée : {n}",
        "no_expiry": "aucune en vue",
        "no_max_age": "aucune source n'a de max_age",
        "waiting": "Ce qui attend une décision",
        "what": "quoi",
        "why": "pourquoi",
        "who": "chez qui",
        "decide": "commande",
        "source": "source",
        "sources": "Sources",
        "added": "ajoutés",
        "edited": "modifiés",
        "removed": "supprimés",
        "unchanged": "inchangés",
        "new_quarantine": "nouveaux en quarantaine",
        "live": "répond",
        "tonight": "cette nuit",
        "gate": "contrôle",
        "was_published": "{version} publiée",
        "was_held": "{version} attend",
        "was_current": "inchangé",
        "canary": "canari {version}",
        "was_failed": "échec",
        "failures": "Échecs",
        "unnamed": "{n} de plus pour des documents aux lecteurs restreints : kbm sources",
        "quarantine": "En quarantaine",
        "item": "document",
        "reason": "motif",
        "detail": "ce que l'on sait",
        "sending": "Envoi",
        "arrived": "arrivé",
        "colon": " : ",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with lines, or with a table; all texts are plain."""

    heading: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def words_of(language: str) -> dict[str, str]:
    """Give the words of a language; English when it is not one of ours."""
    known = language if language in WORDS else "en"
    return WORDS[known] | KNOWLEDGE_WORDS[known]


def subject_of(found: Findings, words: dict[str, str]) -> str:
    """Say in one line how the night went."""
    state = words["well"]
    if found.died:
        state = words["died"]
    elif found.exit_code == 1:
        state = words["n_failed"].format(n=found.n_failures)
    elif found.waiting:
        state = words["n_waiting"].format(n=len(found.waiting))
    return words["subject"].format(company=found.company, day=found.day.isoformat(), state=state)


def first_lines(found: Findings, words: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Give the five lines that come first, each a label and what is to say."""
    return (
        (words["changed"], _changed(found, words)),
        (words["held"], _held(found, words)),
        (words["withdrawn"], _withdrawn(found, words)),
        (words["gaps"], gaps_line(found, words)),
        (words["expiry"], _expiry(found, words)),
    )


def sections_of(found: Findings, words: dict[str, str]) -> Iterator[Section]:
    """Give the whole, section by section; empty ones are left out."""
    if found.waiting:
        yield Section(
            heading=words["waiting"],
            columns=(words["what"], words["why"], words["who"], words["decide"]),
            rows=tuple(
                (one.subject, "; ".join(one.why), ", ".join(one.people) or words["nobody"], one.command)
                for one in found.waiting
            ),
        )
    if found.gpts:
        yield Section(
            heading="GPTs",
            columns=("GPT", words["live"], words["tonight"], words["gate"], words["why"]),
            rows=tuple(row for one in found.gpts for row in _gpt_rows(one, words)),
        )
    if found.knowledge:
        columns, rows = knowledge_table(found, words)
        yield Section(heading=words["knowledge"], columns=columns, rows=rows)
    done = by_itself(found, words)
    if done:
        yield Section(heading=words["by_itself"], lines=tuple(done))
    if found.sources:
        labels = ("source", "added", "edited", "removed", "readers", "unchanged", "new_quarantine")
        yield Section(
            heading=words["sources"],
            columns=tuple(words[one].partition(words["colon"] + "{")[0] for one in labels),
            rows=tuple(_source_row(one) for one in found.sources),
        )
    failures = tuple(_failures(found, words))
    if failures:
        yield Section(heading=words["failures"], lines=failures)
    if found.n_unreadable:
        hidden = found.n_unreadable - len(found.unreadable)
        yield Section(
            heading=f"{words['quarantine']}{words['colon']}{found.n_unreadable}",
            lines=(words["unnamed"].format(n=hidden),) if hidden else (),
            columns=(words["source"], words["item"], words["reason"], words["detail"]),
            rows=tuple((one.source, one.item_id, one.reason, one.detail) for one in found.unreadable),
        )
    if found.deliveries:
        yield Section(
            heading=words["sending"],
            lines=tuple(f"{one.by}{words['colon']}{one.why or words['arrived']}" for one in found.deliveries),
        )


def _changed(found: Findings, words: dict[str, str]) -> str:
    counts = {
        "added": sum(one.added for one in found.sources),
        "changed": sum(one.changed for one in found.sources),
        "removed": sum(one.removed for one in found.sources),
    }
    said = [words["documents"].format(**counts)] if any(counts.values()) else []
    if found.published:
        said.append(words["published"].format(releases=", ".join(found.published)))
    return "; ".join(said) or words["nothing"]


def _held(found: Findings, words: dict[str, str]) -> str:
    said = []
    for one in found.waiting[:SHOWN_WAITING]:
        people = words["with"].format(people=", ".join(one.people)) if one.people else words["nobody"]
        said.append(f"{one.subject}{words['colon']}{'; '.join(one.why)} ({people})")
    if len(found.waiting) > SHOWN_WAITING:
        said.append(words["more"].format(n=len(found.waiting) - SHOWN_WAITING))
    return " · ".join(said) or words["nothing"]


def _withdrawn(found: Findings, words: dict[str, str]) -> str:
    removed = sum(one.removed for one in found.sources)
    readers = sum(one.readers_changed for one in found.sources)
    said = [words["hidden"].format(n=removed)] if removed else []
    said += [words["readers"].format(n=readers)] if readers else []
    return "; ".join(said) or words["nothing"]


def _expiry(found: Findings, words: dict[str, str]) -> str:
    if not found.ages_watched:
        return words["no_max_age"]
    said = words["no_expiry"]
    if found.next_expiry:
        one = found.next_expiry
        name = one.title or one.item_id or words["restricted"]
        said = f"{one.at.date().isoformat()}, {name} ({where(one, words)})"
    return f"{said}; {words['expired'].format(n=found.n_expired)}" if found.n_expired else said


def _gpt_rows(one: GptNews, words: dict[str, str]) -> Iterator[tuple[str, ...]]:
    live = one.live or "–"
    if one.canary:
        live += f", {words['canary'].format(version=one.canary)}"
    if one.error:
        yield one.gpt, live, words["was_failed"], "–", one.error
    for step in one.steps:
        key = "was_published" if step.published else "was_held" if step.held else "was_current"
        told = words[key].format(version=step.version)
        yield one.gpt, live, told, step.verdict or "–", "; ".join(step.held or step.reasons)


def _source_row(one: SourceNews) -> tuple[str, ...]:
    counts = (one.added, one.changed, one.removed, one.readers_changed, one.unchanged, one.quarantined)
    return one.source, *(str(n) for n in counts)


def _failures(found: Findings, words: dict[str, str]) -> Iterator[str]:
    if found.died:
        yield f"{words['died']}{words['colon']}{found.died}"
    for source in found.sources:
        yield from (f"{source.source}{words['colon']}{line}" for line in source.failures)
        hidden = source.n_failures - len(source.failures)
        if hidden:
            yield f"{source.source}{words['colon']}{words['unnamed'].format(n=hidden)}"
    yield from (f"{one.gpt}{words['colon']}{one.error}" for one in found.gpts if one.error)
    yield from agent_failures(found, words)
    yield from found.upkeep
