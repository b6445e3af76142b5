"""Where one sentence ends and the next begins, in German, French and English at once.

A citation is a sentence, so a wrong cut shows: "Prüfung nach Nr." is no quote. The rules need no language: the
documents of a company mix them, and a guess that is wrong for one table would be wrong for its quotes. They lean
to *not* cutting, since a quote of two sentences reads well and half a sentence does not:

- a line break always ends a sentence: elements keep only the breaks that mean something (rows, lines of code);
- ``! ?`` end one before anything but a small letter, ``.`` only if the word before it is no abbreviation, initial
  or ordinal. Some abbreviations may close a sentence ("usw.", "etc.", "U.S."); those do so before a word that
  typically opens one ("Der", "The", "Les");
- closing quotes and brackets belong to the sentence they close, French ones after their space too.

One regular expression finds the few places that could be an end; only those are looked at in Python.
"""

from __future__ import annotations

import re

from kbm.domain.documents import Span

_BREAKS = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_LINE = re.compile(rf"\S[^{_BREAKS}]*")

_END = re.compile(
    # The look-behind lets a row of dots (a table of contents) be tried once, not once per dot.
    r"(?<![.!?…])(?P<stop>[.!?…]++)"
    r"(?:[\"'”’“«)\]}*_]|»|\[\d{1,3}\]|[ \u00a0\u202f]»(?=\s|$))*+"
    r"(?P<gap>\s++)(?=\S)"
    r"|[。！？।؟]++[\"'”’」』）)]*+(?P<tight>\s*+)(?=\S)"
)
_OPENER = re.compile(r"[\"'„“”‚‘’«»(\[{*_–—\-•·¿¡\s]*+")
_WORD = re.compile(r"[^\W\d_]+")
_TOKEN_BEFORE = re.compile(r"[^\s(\[{„“”\"'‚‘’«»/|]*\Z")
_DOTTED = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,4})+")
_ORDINAL = re.compile(r"(?:\d{1,2}|\d{1,2}(?:\.\d{1,3})+|[IVXL]{1,6}|[a-zA-Z]\d?)")
_LOOK_BACK = 40
"""Characters read before a stop: longer than any abbreviation, so that long words cost no more."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Followed by what they introduce or name; never the end of a sentence.
_NEVER_LAST = _words(
    """
    abb abschn abs anm anl aufl ausg bde bes bspw betr bez bzgl bzw ca chr dgl dipl dr einschl entspr erg evtl exkl
    fa ff folg fr frl gem geb gebr gegr ggf ggfs ggü hl hr hrn hrsg inkl ing insb insbes jg lfd mio mrd nr nrn
    num od österr phil pkt prof rd röm rer rn rz sog spez stk str tel tsd ugs umg urspr verf vgl vorm zus zt zzgl zw
    zzt ziff approx capt cf dept ed eds eq eqs esp ex excl fig figs gov hon incl lieut maj messrs misc mr mrs ms mt
    nos op pp para paras rep resp rev sect sgt st viz vol vols vs alin av bât bld boul chap cie dép fasc ibid mme
    mmes mlle mlles mgr réf sté suiv suppl tél
    """
)
# May also close a sentence; they do before a word that typically opens one.
_MAY_BE_LAST = _words(
    """
    etc usw usf uvm ua uä oä dergl inc ltd corp co jr sr bros mfg gmbh jan jän feb febr apr jun jul aug sep sept okt
    oct nov dez dec janv févr avr juil déc std sek hrs allg rem tit
    """
)
# Plain words as well ("keep in mind.", "par", "the answer is no."): abbreviations only before a number, or
# written large before a name.
_ALSO_WORDS = _words(
    """
    al alt art bd cap cat ch col env est fam fem gen kap lt mag mar mär max med min mind mo di mi do sa so mod mon tue
    wed thu fri sat sun no pair par part pl pos pr ref reg sec sen ser tab univ var verh vers
    """
)
_UNITS = _words(
    "mm cm dm m km mg g kg t ml cl l h min s sec ms W kW V kV A mA Hz kHz MHz N kN Nm bar C K F B kB MB GB"
)
_OPENS_A_SENTENCE = _words(
    """
    Der Die Das Den Dem Des Ein Eine Einen Einem Einer Eines Er Sie Es Wir Ihr Ich Man Dies Diese Dieser Dieses
    Diesen Diesem Jede Jeder Jedes Alle Im In Am An Auf Aus Bei Bis Mit Nach Von Vor Zu Zum Zur Für Durch Gegen Ohne
    Um Unter Über Während Wegen Seit Wenn Falls Sobald Sofern Bevor Nachdem Weil Da Damit Dann Danach Dabei Dazu
    Daher Deshalb Dadurch Hier Hierzu Hierbei Auch Aber Und Oder Ob Nicht Nur Kein Keine Wie Was Wer Wo Wann Warum
    Ist Sind Wird Werden Hat Haben Kann Können Muss Müssen Soll Sollen Bitte Sein Seine Ihre Unsere Beim Vom Nun
    The A An This That These Those It He She We You They I His Her Its Our Your Their There Here When While If As
    At By For From On To With Within Without After Before Because Since Although However Therefore Then Thus Also
    But And Or So Not No All Any Each Every Some Most Many Both Other Another Please Do Does Did Is Are Was Were
    Has Have Had Can Could Must Should Will Would May Might What Which Who Where Why How Once Under Over During
    Le La Les Un Une Des Du De Ce Cet Cette Ces Il Elle Ils Elles On Nous Vous Je Tu Leur Leurs Son Sa Ses Notre
    Votre Nos Vos Mon Ma Mes Au Aux Dans Par Pour Sur Sous Sans Avec Chez Entre Vers Avant Après Depuis Pendant Si
    Quand Lorsque Comme Mais Et Ou Donc Car Ainsi Alors Puis Enfin Toutefois Cependant Tout Tous Toute Toutes
    Chaque Certains Aucun Aucune Cela Ceci Est Sont Qui Que Quel Quelle Où Comment Pourquoi Veuillez Lors En À
    """
)
_MONTHS_AND_COUNTED = _words(
    """
    Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember Jan Feb Mär Apr Jun
    Jul Aug Sep Sept Okt Nov Dez Quartal Halbjahr Jahrhundert Jahrhunderts Jh Jhd Auflage Ausgabe Kapitel Abschnitt
    Stock Obergeschoss Untergeschoss Etage Klasse Semester Lebensjahr Tag Tages Woche Monat Monats Platz Teil Band
    """
)
# A German ordinal stands behind one of these: "am 3. Termin", "im 2. Schritt", "der 1. Vorsitzende".
_BEFORE_ORDINAL = _words(
    """
    am der die das den dem des im vom zum zur bis ab ein eine einen einem einer jeder jede jedes jeden seit und
    oder dieser diese dieses diesem ihr ihre ihrem ihren sein seine seinem seinen unser unsere beim nach vor
    sowie
    """
)


def split_sentences(text: str) -> list[Span]:
    """Give the sentences of *text* in order.

    The spans are disjoint, start and end with something visible, and together hold every visible character. Text
    without any gives an empty list.
    """
    spans: list[Span] = []
    for line in _LINE.finditer(text):
        start = line.start()
        end = start + len(line.group().rstrip())
        for stop in _END.finditer(text, start, end):
            gap = "gap" if stop.group("gap") is not None else "tight"
            if gap == "gap" and not _ends_here(text, start, stop, end):
                continue
            spans.append(Span(start, stop.start(gap)))
            start = stop.end()
        spans.append(Span(start, end))
    return spans


def _ends_here(text: str, start: int, stop: re.Match[str], end: int) -> bool:
    """Tell whether the punctuation at *stop* ends the sentence that began at *start*."""
    opener = _OPENER.match(text, stop.end(), end)
    at = opener.end() if opener else stop.end()
    following = text[at : at + 1]
    if following.islower() and not text[at + 1 : at + 2].isupper():  # "iOS" and "pH" open sentences, too
        return False
    mark = stop.group("stop")
    if text[stop.start() - 1 : stop.start()] == "(" and text[stop.end("stop") : stop.end("stop") + 1] == ")":
        return False  # "(?)", "(!)", "(...)" comment on a word
    if "!" in mark or "?" in mark:
        return True
    word = _WORD.match(text, at, end)
    next_word = word.group() if word else ""
    if mark != ".":  # an ellipsis more often trails off inside a sentence than ends one
        return next_word in _OPENS_A_SENTENCE
    return _full_stop(text, start, stop.start(), next_word, following)


def _full_stop(text: str, start: int, dot: int, next_word: str, following: str) -> bool:
    found = _TOKEN_BEFORE.search(text, max(start, dot - _LOOK_BACK), dot)
    last = found.group() if found else ""
    opens = next_word in _OPENS_A_SENTENCE
    if not last:
        return True
    word_at = dot - len(last)
    if word_at <= start and _ORDINAL.fullmatch(last):
        return False  # "1. Öffnen Sie …", "2.3. Ziel", "IV. Fristen": the number of what follows
    if last.isdigit():
        if len(last) > 2:
            return True
        if following.isdigit() or next_word in _MONTHS_AND_COUNTED:
            return False  # "3. 5. 2024", "3. März"
        before = text[max(start, word_at - 20) : word_at].split()
        return not before or before[-1].lower() not in _BEFORE_ORDINAL or opens
    if last in _UNITS and text[max(start, word_at - 2) : word_at].rstrip()[-1:].isdigit():
        return True  # "approx. 3.5 mm. Use …"
    if len(last) == 1 and last.isalpha():
        # Initials and "z. B."; but "Anhang A. Die …" ends, unlike "M. Le Brun".
        return last.isupper() and last != "M" and opens
    if _DOTTED.fullmatch(last):
        return opens and (last[-1].isupper() or last.lower() in {"a.m", "p.m", "u.a", "o.ä"})
    if last == "MM":
        return False
    part = last.rsplit("-", 1)[-1]
    if "." in part:
        return True  # "… under travel.example.gov. Click …"
    known = part.lower()
    if known in _ALSO_WORDS:
        return not following.isdigit() and (opens or not part[0].isupper())
    if known in _MAY_BE_LAST:
        return opens
    return known not in _NEVER_LAST


__all__ = ["split_sentences"]
