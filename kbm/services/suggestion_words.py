"""Say in words an owner uses what a suggestion would do and what proves it, in German, English and French."""

from __future__ import annotations

from collections.abc import Mapping

from kbm.domain.fixes import (
    AddGoldenQuestions,
    AddOverlay,
    AddSynonyms,
    AdjustThreshold,
    AttachSource,
    ChangeIndexSpec,
    Fix,
    FixKind,
    GrantReadersRequest,
    PreferDocument,
    RefreshSource,
    Reparse,
    RetireDocument,
)
from kbm.domain.gaps import Cause, OwnerQuestion
from kbm.domain.suggestions import Asked, Change, Suggestion

_DOES: Mapping[FixKind, Mapping[str, str]] = {
    FixKind.ADD_OVERLAY: {
        "en": "Add a short document “{title}” until its source says it",
        "de": "Ein kurzes Dokument „{title}“ ergänzen, bis die Quelle es sagt",
        "fr": "Ajouter un court document « {title} » en attendant que la source le dise",
    },
    FixKind.ATTACH_SOURCE: {
        "en": "Let it answer from the source {source} too",
        "de": "Auch aus der Quelle {source} antworten lassen",
        "fr": "Le laisser répondre aussi à partir de la source {source}",
    },
    FixKind.REFRESH_SOURCE: {
        "en": "Read the source {source} anew",
        "de": "Die Quelle {source} neu einlesen",
        "fr": "Relire la source {source}",
    },
    FixKind.REPARSE: {
        "en": "Read {n} documents again, in another way",
        "de": "{n} Dokumente noch einmal lesen, auf anderem Weg",
        "fr": "Relire {n} documents d'une autre façon",
    },
    FixKind.RETIRE_DOCUMENT: {
        "en": "No longer answer from {item}",
        "de": "Nicht mehr aus {item} antworten",
        "fr": "Ne plus répondre à partir de {item}",
    },
    FixKind.PREFER_DOCUMENT: {
        "en": "Let {item} come before {over}",
        "de": "{item} vor {over} kommen lassen",
        "fr": "Faire passer {item} avant {over}",
    },
    FixKind.ADD_SYNONYMS: {
        "en": "Let {words} mean the same",
        "de": "{words} gleich behandeln",
        "fr": "Traiter {words} comme synonymes",
    },
    FixKind.CHANGE_INDEX_SPEC: {
        "en": "Ask IT to set {setting} to {value}",
        "de": "Die IT bitten, {setting} auf {value} zu setzen",
        "fr": "Demander à l'informatique de mettre {setting} à {value}",
    },
    FixKind.GRANT_READERS_REQUEST: {
        "en": "Ask the steward of {source} whether {readers} may read {n} documents",
        "de": "Bei {source} anfragen, ob {readers} {n} Dokumente lesen darf",
        "fr": "Demander au responsable de {source} si {readers} peut lire {n} documents",
    },
    FixKind.ADD_GOLDEN_QUESTIONS: {
        "en": "Test every release with {n} more questions",
        "de": "Jedes Release mit {n} weiteren Fragen prüfen",
        "fr": "Tester chaque version avec {n} questions de plus",
    },
    FixKind.ADJUST_THRESHOLD: {
        "en": "Answer so that at most {lose} % of what is known goes unanswered",
        "de": "So antworten, dass höchstens {lose} % des Bekannten unbeantwortet bleibt",
        "fr": "Répondre de sorte qu'au plus {lose} % de ce qui est connu reste sans réponse",
    },
    FixKind.REBUILD_INDEX: {
        "en": "Build the index of the live release anew",
        "de": "Den Index des aktiven Releases neu bauen",
        "fr": "Reconstruire l'index de la version active",
    },
    FixKind.OUT_OF_SCOPE: {
        "en": "Such questions are not for this assistant",
        "de": "Solche Fragen sind nicht Sache dieses Assistenten",
        "fr": "Ces questions ne sont pas du ressort de cet assistant",
    },
}

_CAUSES: Mapping[Cause, Mapping[str, str]] = {
    Cause.MISSING: {
        "en": "nothing in the company's documents answers it",
        "de": "kein Dokument der Firma beantwortet es",
        "fr": "aucun document de l'entreprise n'y répond",
    },
    Cause.RETRIEVAL_MISS: {
        "en": "it is written down, but the search does not find it",
        "de": "es steht geschrieben, aber die Suche findet es nicht",
        "fr": "c'est écrit, mais la recherche ne le trouve pas",
    },
    Cause.STALE: {
        "en": "what is written is out of date",
        "de": "was geschrieben steht, ist veraltet",
        "fr": "ce qui est écrit est périmé",
    },
    Cause.CONFLICT: {
        "en": "two documents contradict each other",
        "de": "zwei Dokumente widersprechen sich",
        "fr": "deux documents se contredisent",
    },
    Cause.WRONG_SCOPE: {
        "en": "it is in documents this assistant does not have",
        "de": "es steht in Dokumenten, die dieser Assistent nicht hat",
        "fr": "c'est dans des documents que cet assistant n'a pas",
    },
    Cause.THIN: {
        "en": "what is written says too little",
        "de": "was geschrieben steht, sagt zu wenig",
        "fr": "ce qui est écrit en dit trop peu",
    },
    Cause.BLOCKED: {
        "en": "who asks may not read it",
        "de": "wer fragt, darf es nicht lesen",
        "fr": "la personne qui demande n'a pas le droit de le lire",
    },
    Cause.OFF_TOPIC: {
        "en": "it is far from everything the company writes about",
        "de": "es liegt fern von allem, worüber die Firma schreibt",
        "fr": "c'est loin de tout ce dont l'entreprise parle",
    },
}

_ASKS: Mapping[OwnerQuestion, Mapping[str, str]] = {
    OwnerQuestion.IN_SCOPE: {
        "en": "Should this assistant answer such questions at all?",
        "de": "Soll dieser Assistent solche Fragen überhaupt beantworten?",
        "fr": "Cet assistant doit-il répondre à ces questions ?",
    },
    OwnerQuestion.ANSWERS_IT: {
        "en": "Does the passage shown answer it?",
        "de": "Beantwortet die gezeigte Stelle die Frage?",
        "fr": "Le passage montré y répond-il ?",
    },
    OwnerQuestion.STILL_HOLDS: {
        "en": "Is the passage shown still right?",
        "de": "Stimmt die gezeigte Stelle noch?",
        "fr": "Le passage montré est-il encore valable ?",
    },
    OwnerQuestion.BELONGS_HERE: {
        "en": "Should this assistant have the document shown?",
        "de": "Soll dieser Assistent das gezeigte Dokument haben?",
        "fr": "Cet assistant doit-il disposer du document montré ?",
    },
    OwnerQuestion.CONTRADICTS: {
        "en": "Do the two passages contradict each other?",
        "de": "Widersprechen sich die beiden Stellen?",
        "fr": "Les deux passages se contredisent-ils ?",
    },
    OwnerQuestion.MAY_READ: {
        "en": "Should who asks be able to read the document?",
        "de": "Soll, wer fragt, das Dokument lesen dürfen?",
        "fr": "La personne qui demande doit-elle pouvoir lire le document ?",
    },
}

_PROOF: Mapping[str, str] = {
    "en": "improves {improved} of {n}, answers {after} (before {before}), breaks {broken} of {others}",
    "de": "verbessert {improved} von {n}, beantwortet {after} (vorher {before}), schadet {broken} von {others}",
    "fr": "améliore {improved} sur {n}, répond à {after} (avant {before}), dégrade {broken} sur {others}",
}


def does(fix: Fix, language: str) -> str:
    """Say in one sentence what a fix would do."""
    told: dict[str, object] = {}
    match fix:
        case AddOverlay():
            told = {"title": fix.title}
        case AttachSource() | RefreshSource():
            told = {"source": fix.source}
        case Reparse():
            told = {"n": len(fix.items)}
        case RetireDocument():
            told = {"item": fix.item}
        case PreferDocument():
            told = {"item": fix.item, "over": fix.over or "…"}
        case AddSynonyms():
            told = {"words": ", ".join(f"“{word}”" for word in fix.words)}
        case ChangeIndexSpec():
            told = {"setting": fix.setting, "value": fix.value}
        case GrantReadersRequest():
            told = {"source": fix.source, "readers": ", ".join(fix.readers), "n": len(fix.items)}
        case AddGoldenQuestions():
            told = {"n": len(fix.questions)}
        case AdjustThreshold():
            told = {"lose": fix.lose}
    return _in(_DOES[fix.kind], language).format(**told)


def cause(one: Cause, language: str) -> str:
    """Say why questions got no good answer."""
    return _in(_CAUSES[one], language)


def owner_question(one: OwnerQuestion, language: str) -> str:
    """Word what the owner is asked where a cause is unsure."""
    return _in(_ASKS[one], language)


def proof(one: Suggestion, language: str) -> str:
    """Say what the preview showed; empty without one."""
    if one.preview is None:
        return ""
    before, after = one.preview.n_answered
    others = one.preview.count(Asked.HEALTHY) + one.preview.count(Asked.GOLDEN)
    return _in(_PROOF, language).format(
        improved=one.preview.count(Asked.GAP, Change.IMPROVED),
        before=before,
        after=after,
        n=one.preview.count(Asked.GAP),
        broken=one.preview.n_broken,
        others=others,
    )


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language, texts["en"])
