"""The words in which the morning report tells of gaps, suggestions and alarms."""

from __future__ import annotations

from kbm.domain.internal import gpt_of_overlays
from kbm.domain.report import Expiry, Findings, KnowledgeNews

KNOWLEDGE_WORDS = {
    "de": {
        "gaps_now": "geschlossen: {closed}, offen: {open} (Fragen in einer Woche: {trend})",
        "to_decide": "Vorschläge zu entscheiden: {n}",
        "alarm_in": "Alarm: {gpts}",
        "knowledge": "Wissen",
        "closed": "Lücken geschlossen",
        "open": "Lücken offen",
        "trend": "Fragen in einer Woche",
        "suggestions": "Vorschläge",
        "new_by_risk": "neu: {low} mit geringem, {medium} mit mittlerem, {high} mit hohem Risiko",
        "alarms": "Alarm",
        "failed": "es bleiben mehr Fragen ohne Antwort als zuvor",
        "golden": "Prüffragen werden schlechter beantwortet als zuvor",
        "variants": "Prüffragen in anderen Worten finden weniger als zuvor",
        "by_itself": "Von selbst erledigt",
        "refresh_source": "Quelle {of} neu eingelesen",
        "reparse": "Dokumente noch einmal gelesen",
        "rebuild_index": "Index neu gebaut",
        "worked": "{gpt}: {what}",
        "did_not_work": "{gpt}: {what}: nicht gelungen, wird später noch einmal versucht",
        "gone": "{gpt}: hier Geschriebenes zurückgezogen: {n}",
        "agent_failed": "{gpt}: der Agent {agent} kam nicht zum Ende",
        "written_here": "hier geschrieben für {gpt}",
    },
    "en": {
        "gaps_now": "closed: {closed}, open: {open} (questions within a week: {trend})",
        "to_decide": "suggestions to decide: {n}",
        "alarm_in": "alarm: {gpts}",
        "knowledge": "Knowledge",
        "closed": "gaps closed",
        "open": "gaps open",
        "trend": "questions within a week",
        "suggestions": "suggestions",
        "new_by_risk": "new: {low} of low, {medium} of medium, {high} of high risk",
        "alarms": "alarm",
        "failed": "more questions go without an answer than before",
        "golden": "golden questions are answered worse than before",
        "variants": "golden questions in other words find less than before",
        "by_itself": "Done by itself",
        "refresh_source": "source {of} read anew",
        "reparse": "documents read once more",
        "rebuild_index": "index built anew",
        "worked": "{gpt}: {what}",
        "did_not_work": "{gpt}: {what}: did not work, is tried again later",
        "gone": "{gpt}: written here and withdrawn: {n}",
        "agent_failed": "{gpt}: the agent {agent} did not come to its end",
        "written_here": "written here for {gpt}",
    },
    "fr": {
        "gaps_now": "comblées : {closed}, ouvertes : {open} (questions en une semaine : {trend})",
        "to_decide": "suggestions à décider : {n}",
        "alarm_in": "alarme : {gpts}",
        "knowledge": "Connaissances",
        "closed": "lacunes comblées",
        "open": "lacunes ouvertes",
        "trend": "questions en une semaine",
        "suggestions": "suggestions",
        "new_by_risk": "nouvelles : {low} à risque faible, {medium} moyen, {high} élevé",
        "alarms": "alarme",
        "failed": "davantage de questions restent sans réponse qu'auparavant",
        "golden": "les questions de contrôle reçoivent de moins bonnes réponses qu'auparavant",
        "variants": "les questions de contrôle, en d'autres mots, trouvent moins qu'auparavant",
        "by_itself": "Fait automatiquement",
        "refresh_source": "source {of} relue",
        "reparse": "documents relus",
        "rebuild_index": "index reconstruit",
        "worked": "{gpt} : {what}",
        "did_not_work": "{gpt} : {what} : sans succès, nouvel essai plus tard",
        "gone": "{gpt} : rédigé ici et retiré : {n}",
        "agent_failed": "{gpt} : l'agent {agent} n'est pas allé à son terme",
        "written_here": "rédigé ici pour {gpt}",
    },
}

Row = tuple[str, ...]


def gaps_line(found: Findings, words: dict[str, str]) -> str:
    """Say in one line how the gaps of all GPTs stand, and whether an alarm rings."""
    news = found.knowledge
    if not news:
        return words["not_watched"]
    said = [
        words["gaps_now"].format(
            closed=sum(one.n_closed for one in news),
            open=sum(one.n_open for one in news),
            trend=f"{sum(one.trend for one in news):+d}",
        )
    ]
    n_waiting = sum(one.n_waiting for one in news)
    said += [words["to_decide"].format(n=n_waiting)] if n_waiting else []
    ringing = [one.gpt for one in news if one.alarms]
    said += [words["alarm_in"].format(gpts=", ".join(ringing))] if ringing else []
    return "; ".join(said)


def knowledge_table(found: Findings, words: dict[str, str]) -> tuple[Row, tuple[Row, ...]]:
    """Give the columns and rows about the knowledge of each GPT."""
    columns = ("GPT", *(words[one] for one in ("closed", "open", "trend", "suggestions", "alarms")))
    return columns, tuple(_row(one, words) for one in found.knowledge)


def agent_failures(found: Findings, words: dict[str, str]) -> list[str]:
    """Say which agents failed. What they said stays in the log: it may quote a document."""
    return [
        words["agent_failed"].format(gpt=one.gpt, agent=agent)
        for one in found.knowledge
        for agent in one.failed_agents
    ]


def by_itself(found: Findings, words: dict[str, str]) -> list[str]:
    """Say what was done without asking."""
    said = []
    for one in found.knowledge:
        said += [words["worked"].format(gpt=one.gpt, what=_what(each, words)) for each in one.healed]
        said += [
            words["did_not_work"].format(gpt=one.gpt, what=_what(each, words)) for each in one.not_healed
        ]
        said += [words["gone"].format(gpt=one.gpt, n=one.n_withdrawn)] if one.n_withdrawn else []
    return said


def where(one: Expiry, words: dict[str, str]) -> str:
    """Name where a document is that expires; what was written here has no source."""
    gpt = gpt_of_overlays(one.source)
    return words["written_here"].format(gpt=gpt) if gpt else one.source


def _row(one: KnowledgeNews, words: dict[str, str]) -> Row:
    suggestions = str(one.n_waiting)
    if one.new_low or one.new_medium or one.new_high:
        new = words["new_by_risk"].format(low=one.new_low, medium=one.new_medium, high=one.new_high)
        suggestions = f"{suggestions} ({new}) → kbm suggestions list --gpt {one.gpt}"
    alarms = "; ".join(words.get(each, each) for each in one.alarms) or "–"
    return one.gpt, str(one.n_closed), str(one.n_open), f"{one.trend:+d}", suggestions, alarms


def _what(done: str, words: dict[str, str]) -> str:
    kind, _, of = done.partition(" ")
    return words.get(kind, kind).format(of=of)
