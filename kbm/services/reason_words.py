"""Reasons that kbm's own code gives, in the other languages of the morning report.

Rules, gates and connectors say in English why something waits or failed, and that is what is stored and what programs
read. For people it is translated here, by its form; what a source, a system or a plug-in said stays as it said it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from kbm.domain.report import Findings, GptNews, StepNews

_FORMS: tuple[tuple[str, str, str], ...] = (
    # plans of a sync
    (
        "the source lists nothing at all, but {n} documents of it are known: is it connected?",
        "die Quelle führt gar nichts auf, bekannt sind aber {n} ihrer Dokumente: ist sie angeschlossen?",
        "la source n'énumère rien du tout, alors que {n} de ses documents sont connus : est-elle connectée ?",
    ),
    (
        "{n} of {known} documents would be removed (more than {most} and more than {share})",
        "{n} von {known} Dokumenten würden entfernt (mehr als {most} und mehr als {share})",
        "{n} documents sur {known} seraient supprimés (plus de {most} et plus de {share})",
    ),
    (
        "{now} is read now, {before} before: {n} of {known} documents would be removed, {m} replaced",
        "gelesen wird jetzt {now}, vorher {before}: {n} von {known} Dokumenten würden entfernt, {m} ersetzt",
        "on lit maintenant {now}, auparavant {before} : {n} documents sur {known} seraient supprimés, {m} remplacés",
    ),
    (
        "{n} documents would get more readers",
        "{n} Dokumente bekämen mehr Leser",
        "{n} documents auraient davantage de lecteurs",
    ),
    (
        "{n} of {known} documents would get the same text: a login or maintenance page?",
        "{n} von {known} Dokumenten bekämen denselben Text: eine Anmelde- oder Wartungsseite?",
        "{n} documents sur {known} auraient le même texte : une page de connexion ou de maintenance ?",
    ),
    (
        "{n} of {known} documents would become empty",
        "{n} von {known} Dokumenten würden leer",
        "{n} documents sur {known} deviendraient vides",
    ),
    (
        "{n} of {known} documents would shrink to less than {share} of their text",
        "{n} von {known} Dokumenten schrumpften auf weniger als {share} ihres Textes",
        "{n} documents sur {known} seraient réduits à moins de {share} de leur texte",
    ),
    (
        "{n} of {known} documents would change their language",
        "{n} von {known} Dokumenten wechselten die Sprache",
        "{n} documents sur {known} changeraient de langue",
    ),
    (
        "source '{name}' is no longer in kbm.toml",
        "die Quelle {name} steht nicht mehr in kbm.toml",
        "la source {name} n'est plus dans kbm.toml",
    ),
    # numbers and policies
    (
        "passages or vectors are made by other rules",
        "Abschnitte oder Vektoren entstehen nach anderen Regeln",
        "les passages ou les vecteurs suivent d'autres règles",
    ),
    (
        "instructions or other rules of answering changed",
        "Anweisungen oder andere Regeln des Antwortens haben sich geändert",
        "les instructions ou d'autres règles de réponse ont changé",
    ),
    (
        "no longer answers from {sources}",
        "antwortet nicht mehr aus {sources}",
        "ne répond plus d'après {sources}",
    ),
    ("answers from {sources} too", "antwortet auch aus {sources}", "répond aussi d'après {sources}"),
    (
        "{n} documents have wider readers",
        "{n} Dokumente haben mehr Leser",
        "{n} documents ont davantage de lecteurs",
    ),
    ("{n} new documents at once", "{n} neue Dokumente auf einmal", "{n} nouveaux documents à la fois"),
    (
        "a MAJOR waits for a person",
        "ein MAJOR wartet auf einen Menschen",
        "une version MAJOR attend une personne",
    ),
    (
        "a MINOR waits for a person",
        "ein MINOR wartet auf einen Menschen",
        "une version MINOR attend une personne",
    ),
    (
        "the release train leaves on {day}",
        "der Veröffentlichungszug fährt am {day}",
        "le train de publication part le {day}",
    ),
    (
        "no release goes out by itself in {window}",
        "im Zeitraum {window} geht nichts von selbst hinaus",
        "rien n'est publié automatiquement pendant {window}",
    ),
    ('release.nightly is "hold"', 'release.nightly steht auf "hold"', 'release.nightly vaut "hold"'),
    (
        "{who} rolled back from {before} to {now}: what goes live next is a person's decision",
        "{who} ist von {before} auf {now} zurückgegangen: was als Nächstes antwortet, entscheidet ein Mensch",
        "{who} est revenu de {before} à {now} : une personne décide de ce qui répondra ensuite",
    ),
    (
        "{version} answered before and was taken back",
        "{version} hat schon geantwortet und wurde zurückgenommen",
        "{version} a déjà répondu et a été retirée",
    ),
    # gates
    ("the gate says {verdict}", "die Prüfung sagt {verdict}", "le contrôle dit {verdict}"),
    (
        "{id} shows what it must not",
        "{id} zeigt, was nicht gezeigt werden darf",
        "{id} montre ce qui ne doit pas l'être",
    ),
    (
        "critical question {id} is not answered as expected",
        "die kritische Frage {id} wird nicht wie erwartet beantwortet",
        "la question critique {id} ne reçoit pas la réponse attendue",
    ),
    ("dead citation in {where}", "toter Beleg in {where}", "citation morte dans {where}"),
    (
        "{lost} golden questions lost, {won} won: more than chance",
        "{lost} Prüffragen verloren, {won} gewonnen: mehr als Zufall",
        "{lost} questions de contrôle perdues, {won} gagnées : plus que le hasard",
    ),
    (
        "{lost} golden questions lost, {won} won",
        "{lost} Prüffragen verloren, {won} gewonnen",
        "{lost} questions de contrôle perdues, {won} gagnées",
    ),
    (
        "{name} fell from {was} to {now} ({interval}): too few questions to tell it from chance",
        "{name} fiel von {was} auf {now} ({interval}): zu wenige Fragen, um es vom Zufall zu unterscheiden",
        "{name} est passé de {was} à {now} ({interval}) : trop peu de questions pour le distinguer du hasard",
    ),
    (
        "{name} fell from {was} to {now} ({interval})",
        "{name} fiel von {was} auf {now} ({interval})",
        "{name} est passé de {was} à {now} ({interval})",
    ),
    (
        "an answer has a sentence without a citation",
        "eine Antwort hat einen Satz ohne Beleg",
        "une réponse contient une phrase sans citation",
    ),
    (
        "only {share} of its own passages are found by their own words",
        "nur {share} der eigenen Abschnitte werden mit ihren eigenen Worten gefunden",
        "seuls {share} de ses propres passages sont trouvés par leurs propres mots",
    ),
    (
        "{version} does not pass the gate: {why}",
        "{version} besteht die Prüfung nicht: {why}",
        "{version} ne passe pas le contrôle : {why}",
    ),
    # connectors and the system
    (
        "the folder was replaced by another one while it was read",
        "der Ordner wurde beim Lesen durch einen anderen ersetzt",
        "le dossier a été remplacé par un autre pendant la lecture",
    ),
    (
        "a link that leads outside the source; not followed",
        "ein Verweis, der aus der Quelle hinausführt; ihm wird nicht gefolgt",
        "un lien qui sort de la source ; il n'est pas suivi",
    ),
    (
        "more than {n} links within links",
        "mehr als {n} Verweise in Verweisen",
        "plus de {n} liens dans des liens",
    ),
    (
        "{what}, not a file; not opened",
        "{what}, keine Datei; nicht geöffnet",
        "{what}, pas un fichier ; pas ouvert",
    ),
    ("permission denied", "Zugriff verweigert", "accès refusé"),
    ("no such file or directory", "Datei oder Ordner nicht vorhanden", "fichier ou dossier inexistant"),
    ("input/output error", "Ein-/Ausgabefehler", "erreur d'entrée/sortie"),
    (
        "source {name}: no file {path}",
        "Quelle {name}: keine Datei {path}",
        "source {name} : pas de fichier {path}",
    ),
    (
        "source {name}: {file} was written to while it was read",
        "Quelle {name}: {file} wurde beim Lesen beschrieben",
        "source {name} : {file} a été modifié pendant la lecture",
    ),
    (
        "source {name}: {path} is not a regular file",
        "Quelle {name}: {path} ist keine gewöhnliche Datei",
        "source {name} : {path} n'est pas un fichier ordinaire",
    ),
    (
        "to {what}, {needed} MB must be free on the disk of {path}, and {free} MB are",
        "auf dem Datenträger von {path} müssen {needed} MB frei sein, und {free} MB sind es ({what})",
        "il faut {needed} Mo libres sur le disque de {path}, et il y en a {free} ({what})",
    ),
    (
        "the database in the data folder cannot be written: {why}",
        "die Datenbank im Datenordner kann nicht beschrieben werden: {why}",
        "la base du dossier de données ne peut pas être écrite : {why}",
    ),
    (
        "the night ended before it was done: {why}",
        "die Nacht endete vor der Zeit: {why}",
        "la nuit s'est terminée avant la fin : {why}",
    ),
    ("the whole source", "die ganze Quelle", "toute la source"),
)

_LANGUAGES = {"de": 1, "fr": 2}


def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", form)
    return re.compile(
        "".join(re.escape(part) if at % 2 == 0 else f"(?P<{part}>.+?)" for at, part in enumerate(parts))
    )


_PATTERNS = tuple(_pattern(form[0]) for form in _FORMS)


def reason_in(language: str, reason: str) -> str:
    """Say a reason in a language; one whose form is not known stays as it is.

    ``PLACE: REASON``, as sources tell it, is translated behind its place.
    """
    at = _LANGUAGES.get(language)
    if at is None:
        return reason
    for pattern, form in zip(_PATTERNS, _FORMS, strict=True):
        found = pattern.fullmatch(reason)
        if found:
            return form[at].format(**found.groupdict())
    place, colon, why = reason.partition(": ")
    if not colon:
        return reason
    # "the whole source" is a place, too; a place of the source's own stays.
    told = reason_in(language, place), reason_in(language, why)
    return reason if told == (place, why) else (" : " if language == "fr" else ": ").join(told)


def findings_in(language: str, found: Findings) -> Findings:
    """Give findings with every reason of kbm's own in a language."""
    if language not in _LANGUAGES:
        return found

    def say(reasons: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(reason_in(language, one) for one in reasons)

    def step(one: StepNews) -> StepNews:
        return replace(one, held=say(one.held), reasons=say(one.reasons))

    def gpt(one: GptNews) -> GptNews:
        return replace(one, steps=tuple(map(step, one.steps)), error=reason_in(language, one.error))

    return replace(
        found,
        sources=tuple(replace(one, failures=say(one.failures)) for one in found.sources),
        gpts=tuple(map(gpt, found.gpts)),
        waiting=tuple(replace(one, why=say(one.why)) for one in found.waiting),
        upkeep=say(found.upkeep),
        died=reason_in(language, found.died),
    )
