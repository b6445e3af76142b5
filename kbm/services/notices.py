"""What every answer says of itself, in the language of the question.

The EU AI Act asks that people know when a text is made by a machine; owners ask that a reader knows how far to
trust it.
"""

from __future__ import annotations

from kbm.domain.answers import Cause, Outcome

_ANSWERED = {
    "de": "Automatisch zusammengestellt von „{title}“; die Sätze sind wörtliche Zitate aus den genannten Quellen.",
    "en": "Compiled automatically by “{title}”; the sentences are verbatim quotes from the sources named.",
    "fr": "Réponse composée automatiquement par « {title} » ; les phrases sont des citations textuelles des sources.",
}
_UNCERTAIN = {
    "de": "Unsicher: Bitte die Quelle prüfen. ",
    "en": "Uncertain: please check the source. ",
    "fr": "Incertain : veuillez vérifier la source. ",
}
_UNANSWERED = {
    Cause.NO_SOURCE: {
        "de": "Dazu steht nichts in den Unterlagen, die „{title}“ für Sie lesen darf (automatische Auskunft).",
        "en": "Nothing on this in the documents that “{title}” may read for you (automatic reply).",
        "fr": "Rien à ce sujet dans les documents que « {title} » peut lire pour vous (réponse automatique).",
    },
    Cause.NO_FACT: {
        "de": "Das Thema kommt in den Unterlagen vor, die Antwort steht dort aber nicht (automatische Auskunft).",
        "en": "The documents touch on this, but the answer is not in them (automatic reply).",
        "fr": "Les documents abordent ce sujet, mais la réponse n'y figure pas (réponse automatique).",
    },
}


def notice(outcome: Outcome, cause: Cause | None, language: str, title: str) -> str:
    """Give the sentence that goes with an answer; English when the language is not one of ours."""
    chosen = language if language in _ANSWERED else "en"
    if outcome is Outcome.UNANSWERED:
        texts = _UNANSWERED.get(cause or Cause.NO_SOURCE, _UNANSWERED[Cause.NO_SOURCE])
        return texts[chosen].format(title=title)
    warning = _UNCERTAIN[chosen] if outcome is Outcome.UNCERTAIN else ""
    return warning + _ANSWERED[chosen].format(title=title)
