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
_WRITTEN = {
    "de": "Von einem Sprachmodell für „{title}“ formuliert; jeder Satz ist an den Zitaten daneben geprüft.",
    "en": "Worded by a language model for “{title}”; each sentence is checked against the quotes beside it.",
    "fr": "Formulé par un modèle de langue pour « {title} » ; chaque phrase est vérifiée sur les citations jointes.",
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
    Cause.UNGROUNDED: {
        "de": "Dazu ließ sich nichts sagen, was die Unterlagen Wort für Wort belegen (automatische Auskunft).",
        "en": "Nothing could be said on this that the documents prove word for word (automatic reply).",
        "fr": "Rien n'a pu être dit à ce sujet que les documents prouvent mot pour mot (réponse automatique).",
    },
    Cause.ERROR: {
        "de": "Die Antwort wurde nicht fertig (automatische Auskunft).",
        "en": "The answer was not finished (automatic reply).",
        "fr": "La réponse n'a pas été terminée (réponse automatique).",
    },
}


def notice(outcome: Outcome, cause: Cause | None, language: str, title: str, *, written: bool = False) -> str:
    """Give the sentence that goes with an answer; English when the language is not one of ours.

    *written* tells that a chat model worded it.
    """
    chosen = language if language in _ANSWERED else "en"
    if outcome is Outcome.UNANSWERED:
        texts = _UNANSWERED.get(cause or Cause.NO_SOURCE, _UNANSWERED[Cause.NO_SOURCE])
        return texts[chosen].format(title=title)
    warning = _UNCERTAIN[chosen] if outcome is Outcome.UNCERTAIN else ""
    return warning + (_WRITTEN if written else _ANSWERED)[chosen].format(title=title)
