"""Words of short texts: what carries meaning, how rare it is, and vectors made of nothing but words.

Questions are compared by their words beside their meaning. An English model sees little in German words, and two
questions about one thing often share its name: on real logs a third of words beside two thirds of meaning found more
groups, and fewer that hold nothing, than either alone. Without an embedder the words are all there is.

Vectors are random projections of TF-IDF: every term has eight fixed places and signs that its hash gives, so a vector
needs no vocabulary and is the same on every machine. Whole words and 4-grams of letters count alike; the latter
carry endings, typing errors and German compounds.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

DIMENSIONS = 1024
"""Of each of the two parts, words and 4-grams: two texts without a common term then have a cosine of 0 ± .03."""

_PLACES = 8
_WORD = re.compile(r"\w+")
_STOP_WORDS = """
a about actually after again all also am an and another any anyone anything are as ask at back be because been
before being best but by can cannot could d did do does doing done don down each else ever every find for from get
getting gets give go goes going good got had happen happens has have having hello help her here hey hi him his how
however i if in instead into is isn it its just kind know let like ll look looking m make many may maybe me mean
means might more most much must my name need needed new next no not now of off ok okay on once one only or other our
out over own please possible put question quick re really right s same say see set she should show since so some
somebody someone something still sure t take tell than thank thanks that the their them then there these they thing
things think this those through time to today too try trying under until up us use used using ve very want wanted
wants was way we well were what whats when where whether which while who whom whose why will with within without won
wonder would yes yet you your

aber ab alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bekomme bekommen bereits
bin bis bist bitte brauche brauchen da dabei dafür damit danach dann daran darf darüber das dass dazu dein dem den
denn der des dessen deshalb dich die dies diese diesem diesen dieser dieses dir doch dort du durch dürfen eigentlich
ein eine einem einen einer eines er es etwa etwas euch falls finde finden frage für ganz geben geht gemacht genau
gerade gerne gibt ging habe haben hab hallo hat hatte hätte heute hier hilfe ich ihm ihn ihnen ihr ihre ihrem ihren
ihrer im immer in ins irgendwie ist ja jede jedem jeden jeder jedes jetzt kann kannst kein keine keinen keiner komme
kommt können könnte könnten lange machen mache macht mal man mehr mein meine meinem meinen meiner mich mir mit
möchte muss müssen nach neue neuen nicht nichts nimmt noch nun nur ob oder ohne pro schon sehr sei sein seine seinem
seinen seiner seit sich sie sieht sind so sobald soll sollen sollte sonst sowie suche trotz tun über um und uns
unser unsere unserem unseren unserer unter viel viele vielen vom von vor wann war waren warum was wegen weil weiß
weiter welche welchem welchen welcher welches wem wen wenig wenn wer werde werden wessen wie wieder wieso wieviel
wieviele will wir wird wo woher wohin wohl wollen womit worden wozu wurde wurden würde wäre zu zum zur zwischen

ai alors après as au aucun aucune aussi autre autres aux avait avant avec avez avoir avons bien bonjour c car ce
ceci cela celle celles celui ces cet cette ceux chaque chez combien comme comment d dans de depuis des deux dire
dois doit doivent donc dont du elle elles en encore entre es est et étaient était être eu faire fais fait faut ici
il ils j je jusqu l la là laquelle le lequel les leur leurs lors lorsque lui m ma mais me même merci mes mettre moi
moins mon n ne ni nos notre nous on ont ou où par pas pendant peu peut peuvent peux plus pour pourquoi pourrait
pouvez pouvoir puis puisque puis-je qu quand que quel quelle quelles quels qui quoi s sa sans savoir se selon sera
ses si sinon soit son sont sous souhaite suis sur t ta tel telle tes toi ton toujours tous tout toute toutes très
trop tu un une va vais vers veulent veut veux voir vos votre voudrais vous vu y à ça
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words of the three languages that say nothing about what a question is about."""


def folded(text: str) -> str:
    """Give a question as its repeats share it: small letters, single spaces, no sign at the end."""
    return " ".join(text.casefold().split()).rstrip(" ?!.…") or text


def words(text: str) -> list[str]:
    """Give all words in small letters, in order."""
    return _WORD.findall(text.casefold())


def content_words(text: str) -> list[str]:
    """Give the words that carry meaning, in order; all of them where none does."""
    found = words(text)
    return [word for word in found if word not in STOP_WORDS] or found


def grams(text: str) -> list[str]:
    """Give the 4-grams of letters of every word, its edges included; a shorter word is one itself."""
    return [f" {word} "[at : at + 4] for word in words(text) for at in range(max(1, len(word) - 1))]


def rarity(rows: Iterable[Collection[str]]) -> Callable[[str], float]:
    """Give a function that says how rare a term is among *rows* of terms: ln(1 + rows / rows with it), above 0."""
    having: Counter[str] = Counter()
    n = 0
    for row in rows:
        n += 1
        having.update(set(row))

    def idf(term: str) -> float:
        return math.log(1 + max(1, n) / max(0.5, having[term]))

    return idf


def word_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Give a vector per text, ``(len(texts), 2 * DIMENSIONS)``, of unit length.

    Depends on the other texts through how rare words are among them, not on their order.
    """
    if not texts:
        return np.empty((0, 2 * DIMENSIONS), dtype=np.float32)
    parts = [_projected([terms(text) or [text] for text in texts]) for terms in (words, grams)]
    both: NDArray[np.float32] = np.hstack(parts) / np.float32(math.sqrt(len(parts)))
    return both


def _projected(rows: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """Weight terms by rarity, project and bring to unit length."""
    having = Counter(term for row in rows for term in set(row))
    # In order, so that sums of floats do not depend on which text came first.
    number = {term: at for at, term in enumerate(sorted(having))}
    at: list[int] = []
    values: list[float] = []
    ends = [0]
    for row in rows:
        for term, n in sorted(Counter(row).items()):
            at.append(number[term])
            values.append((1 + math.log(n)) * (math.log((1 + len(rows)) / (1 + having[term])) + 1))
        ends.append(len(at))
    weighted = sparse.csr_matrix((values, at, ends), shape=(len(rows), len(number)), dtype=np.float64)
    vectors = (weighted @ _directions(sorted(having))).toarray()
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return unit


def _directions(terms: Sequence[str]) -> sparse.csr_matrix:
    """Give each term its eight places with signs, ``(len(terms), DIMENSIONS)``."""
    hashed = b"".join(
        hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=2 * _PLACES).digest()
        for term in terms
    )
    drawn = np.frombuffer(hashed, dtype="<u2").astype(np.int64)
    signs = np.where(drawn & 0x8000, 1.0, -1.0) / math.sqrt(_PLACES)
    ends = np.arange(0, len(drawn) + 1, _PLACES)
    return sparse.csr_matrix((signs, drawn % DIMENSIONS, ends), shape=(len(terms), DIMENSIONS))
