"""The words of the pages behind citations, in the languages of kbm, and which of them a browser asks for."""

from __future__ import annotations

from datetime import datetime

WORDS: dict[str, dict[str, str]] = {
    "de": {
        "source": "Quelle",
        "section": "Abschnitt",
        "page": "Seite",
        "modified": "Geändert",
        "author": "Verfasst von",
        "release": "Wissensstand",
        "live": "{gpt} {release}, gültig",
        "earlier": "{gpt} {release}, nicht der gültige Stand",
        "replaced": "Der Stand {asked} wird nicht mehr aufbewahrt; dies ist das Dokument im gültigen Stand.",
        "stale": "Älter, als seine Quelle erlaubt: Bitte prüfen, ob es noch gilt.",
        "original": "Original öffnen",
        "to_quote": "Zur zitierten Stelle",
        "before": "Davor steht mehr im Dokument.",
        "after": "Das Dokument geht weiter.",
        "quoted": "Zitierte Stelle",
        "table": "Tabelle",
        "gone_title": "Nicht verfügbar",
        "gone": "Dieses Dokument wird hier nicht gezeigt.",
        "gone_why": "Es wurde zurückgezogen oder gelöscht, Sie dürfen es nicht lesen, oder der Link ist abgelaufen. "
        "Eine neue Frage an den Assistenten gibt einen neuen Link.",
    },
    "en": {
        "source": "Source",
        "section": "Section",
        "page": "Page",
        "modified": "Modified",
        "author": "Author",
        "release": "Release",
        "live": "{gpt} {release}, live",
        "earlier": "{gpt} {release}, not the live one",
        "replaced": "Release {asked} is no longer kept; this is the document in the live one.",
        "stale": "Older than its source allows: please check whether it still holds.",
        "original": "Open the original",
        "to_quote": "Go to the quoted passage",
        "before": "The document begins earlier.",
        "after": "The document goes on.",
        "quoted": "Quoted passage",
        "table": "Table",
        "gone_title": "Not available",
        "gone": "This document is not shown here.",
        "gone_why": "It was withdrawn or erased, you may not read it, or the link has run out. Asking the assistant "
        "again gives a new link.",
    },
    "fr": {
        "source": "Source",
        "section": "Section",
        "page": "Page",
        "modified": "Modifié",
        "author": "Auteur",
        "release": "Version",
        "live": "{gpt} {release}, en vigueur",
        "earlier": "{gpt} {release}, pas la version en vigueur",
        "replaced": "La version {asked} n'est plus conservée ; voici le document dans la version en vigueur.",
        "stale": "Plus ancien que sa source ne le permet : veuillez vérifier s'il est encore valable.",
        "original": "Ouvrir l'original",
        "to_quote": "Aller au passage cité",
        "before": "Le document commence plus haut.",
        "after": "Le document continue.",
        "quoted": "Passage cité",
        "table": "Tableau",
        "gone_title": "Indisponible",
        "gone": "Ce document n'est pas affiché ici.",
        "gone_why": "Il a été retiré ou effacé, vous n'avez pas le droit de le lire, ou le lien a expiré. Une "
        "nouvelle question à l'assistant donne un nouveau lien.",
    },
}
_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}
_MOST_TAGS = 20


def day(moment: datetime, language: str) -> str:
    """Write a day as a person does."""
    month = _MONTHS[language].split()[moment.month - 1]
    number = {"de": f"{moment.day}.", "fr": "1er" if moment.day == 1 else str(moment.day)}
    return f"{number.get(language, str(moment.day))} {month} {moment.year}"


def language_for(accepted: str, default: str) -> str:
    """Choose from an ``Accept-Language`` header; the company's own language where it names none of ours."""
    wishes: list[tuple[float, int, str]] = []
    for at, part in enumerate(accepted.split(",")[:_MOST_TAGS]):
        tag, _, weight = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        if language in WORDS and quality > 0:
            wishes.append((-quality, at, language))
    return min(wishes)[2] if wishes else default if default in WORDS else "en"
