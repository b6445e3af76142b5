"""Which of German, English and French a text is in, by its function words.

A stemmer needs the language of a passage, and no setting can give it: one wiki holds pages in three languages.
Articles, pronouns and prepositions make up two fifths of running text and hardly overlap between the three, so
counting them decides a paragraph nearly always and a question mostly; letters such as ß and œ help where a text
is short. A list of part numbers has none of them and is in no language: the empty string, which the tokeniser
knows how to treat. A statistical model would need data files and ten times the time, for texts that no stemmer
is chosen on.

Words that two languages share ("an", "des", "on") count for both. "die" is German here although it is an English
verb: in running text it is an article a thousand times before somebody dies.
"""

from __future__ import annotations

import re

from kbm.domain.identity import Digest, digest

LANGUAGES = ("de", "en", "fr")
"""What :func:`guess_language` can say, besides the empty string."""

_READ_CHARS = 400
"""How much of a text is read: sixty words decide as well as a thousand."""

_WORDS = {
    "de": """aber alle allem allen aller alles als am auch auf aus bei beim bin bis bitte da damit dann darf das dass
        dein dem den denn der deren des dessen die dies diese diesem diesen dieser dieses doch dort durch ein eine
        einem einen einer eines er es etwa euch euer falls für gegen gibt habe haben hat hatte hier ich ihr ihre
        ihrem ihren ihrer im ist ja jede jeder jedes kann kannst kein keine keinen können könnte man mehr mein meine
        meinem meinen mich mir mit muss müssen nach nicht noch nun nur ob oder ohne pro schon sehr seine seinen seiner
        seit sich sie sind soll sollen sollte sowie über um und uns unser unsere unter vom von vor wann warum was
        weil welche welchem welchen welcher welches wenn wer werden wessen wie wieviel wir wird wo wofür woher wohin
        wurde wurden zu zum zur zwischen""",
    "en": """a about after all am an and any are as at be because been before being but by can could did do does for
        from had has have he her here his how i if in into is it its itself may me more most must my no nor not of
        only or our out over shall she should so some such than that the their them then there these they this those
        through to under until up was we were what when where whether which while who whom whose why will with
        without would you your""",
    "fr": """à afin ai alors après au aucun aucune aussi autre autres aux avait avant avec avez avoir avons car
        ce ceci cela celle celles celui ces cet cette ceux chaque chez combien comme comment dans de
        depuis des deux donc dont du elle elles en entre est et étaient était être eu faire faut ici
        il ils je la laquelle le lequel les leur leurs lors lorsque lui ma mais même mes mon ne ni
        nos notre nous on ont ou où par pas pendant peut peuvent plus pour pourquoi puis qu quand
        que quel quelle quelles quels qui quoi sa sans se ses si soit son sont sous sur ta tes toi
        ton tous tout toute toutes très tu un une vers vos votre vous y""",
}
_LETTERS = {"de": "äöüß", "fr": "éèêëàâçîïôûùœ"}

_HAS = tuple(frozenset(_WORDS[language].split()).__contains__ for language in LANGUAGES)
_WORD = re.compile(r"[^\W\d_]+")
_MARKED = re.compile("[" + "".join(_LETTERS.values()) + "]")

LANGUAGE_DIGEST: Digest = digest(
    "language", *(" ".join(_WORDS[each].split()) for each in LANGUAGES), repr(_LETTERS), str(_READ_CHARS)
)
"""Changes with the rules, because the stems of an index depend on them."""


def guess_language(text: str) -> str:
    """Give ``"de"``, ``"en"`` or ``"fr"``, or an empty string where nothing tells or two tell the same.

    Reads the first 400 characters only. Never raises, whatever the text holds.
    """
    start = text[:_READ_CHARS].lower()
    words = _WORD.findall(start)
    german, english, french = (float(sum(map(has, words))) for has in _HAS)
    # A letter is weaker than a word: names and loans carry them through every language.
    for letter in _MARKED.findall(start):
        if letter in _LETTERS["de"]:
            german += 0.4
        else:
            french += 0.4
    best = max(german, english, french)
    if best == 0 or (german == best) + (english == best) + (french == best) > 1:
        return ""
    return "de" if german == best else "en" if english == best else "fr"
