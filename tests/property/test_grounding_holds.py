"""What holds for any sentence that a chat model may write about any passages."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kbm.domain.grounding import LEAST_QUOTE_CHARS, Source, judge
from kbm.domain.language import guess_language
from kbm.domain.negation import same_polarity
from kbm.domain.quantities import mentions, needs_proof
from kbm.domain.written import Claim, Quoted, Written

VOCABULARY = """
    the valve of boiler is not never without Die Pumpe wird nicht ohne Freigabe geöffnet le bon n'est pas valable
    price costs gilt für kein Urlaub delivery Garantie und and et at least mindestens höchstens au plus days Tage
    jours weeks Wochen € EUR kg mm % Mai May mars Monday montags A-100 M8x20 twenty zwei deux ; , : ( ) – - 's
"""
WORDS = st.sampled_from(VOCABULARY.split())
NUMBERS = st.one_of(
    st.integers(0, 99_999).map(str),
    st.decimals(0, 9_999, places=2).map(lambda n: str(n).replace(".", ",")),
    st.sampled_from(
        [
            "1.234,5",
            "1,234.5",
            "1 234,5",
            "1'234",
            "1.500",
            "3.5.2024",
            "2024-05-03",
            "14:30",
            "1/2",
            "-5",
            "½",
            "٣",
        ]
    ),
)
TEXTS = st.lists(st.one_of(WORDS, WORDS, WORDS, NUMBERS), min_size=1, max_size=25).map(" ".join)
ANY = st.one_of(TEXTS, st.text(max_size=80))


@given(text=ANY)
def test_a_sentence_of_a_passage_proves_itself(text: str) -> None:
    assume(sum(sign.isalnum() for sign in text) >= LEAST_QUOTE_CHARS)

    assert judge(Claim(text, (Quoted(1, text),)), [Source(text)]).fault is None


@given(
    passages=st.lists(ANY, min_size=1, max_size=3),
    sentence=ANY,
    cited=st.lists(
        st.tuples(st.integers(-1, 5), st.integers(0, 60), st.integers(0, 60), st.booleans()), max_size=3
    ),
)
def test_what_is_shown_stands_in_a_passage_that_was_given(
    passages: list[str], sentence: str, cited: list[tuple[int, int, int, bool]]
) -> None:
    quotes = []
    for n, start, size, spaced in cited:
        of = passages[n - 1] if 0 < n <= len(passages) else sentence
        quote = of[start : start + size]
        quotes.append(Quoted(n, quote.replace(" ", "\n  ") if spaced else quote))
    judged = judge(Claim(sentence, tuple(quotes)), [Source(one) for one in passages])

    if judged.fault is not None:
        assert judged.quotes == ()
        return
    assert judged.quotes
    wanted = {(one.passage, " ".join(one.quote.split())) for one in quotes}
    for one in judged.quotes:
        shown = passages[one.passage - 1][one.span.start : one.span.end]
        assert (one.passage, " ".join(shown.split())) in wanted


@given(text=TEXTS, number=st.integers(100_000, 9_999_999), at=st.integers(0, 24))
def test_a_number_that_is_not_in_the_quotes_is_never_shown(text: str, number: int, at: int) -> None:
    words = text.split(" ")
    words.insert(min(at, len(words)), str(number))
    sentence = " ".join(words)
    assume(
        any(
            str(number) in one.raw and needs_proof(one)
            for one in mentions(sentence, guess_language(sentence))
        )
    )

    assert judge(Claim(sentence, (Quoted(1, text),)), [Source(text)]).fault is not None


@given(
    head=st.sampled_from(["Die Lieferung dauert", "La livraison dure", "The delivery takes"]),
    n=st.integers(2, 10_000),
    m=st.integers(2, 10_000),
    units=st.permutations(["Tage", "weeks", "mois", "Stunden", "€", "kg"]),
)
def test_a_changed_number_or_unit_is_never_shown(head: str, n: int, m: int, units: list[str]) -> None:
    assume(n != m)
    passage = f"{head} {n} {units[0]}."

    for sentence in (f"{head} {m} {units[0]}.", f"{head} {n} {units[1]}."):
        assert judge(Claim(sentence, (Quoted(1, passage),)), [Source(passage)]).fault is not None


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("Die Garantie gilt für Verschleißteile.", "Die Garantie gilt nicht für Verschleißteile."),
        ("Der Ventildeckel wird geöffnet.", "Der Ventildeckel wird nie geöffnet."),
        ("Es gibt einen Zuschlag.", "Es gibt keinen Zuschlag."),
        ("The guarantee does cover worn parts.", "The guarantee does not cover worn parts."),
        ("The guarantee covers worn parts.", "The guarantee doesn’t cover worn parts."),
        ("Orders are placed with approval.", "Orders are placed without approval."),
        ("Payment is possible.", "Payment is impossible."),
        ("Smoking is allowed.", "Smoking is forbidden."),
        ("Il faut ouvrir la vanne.", "Il ne faut pas ouvrir la vanne."),
        ("Le retour est possible avec un bon.", "Le retour est possible sans bon."),
    ],
)
def test_a_dropped_or_added_denial_is_never_shown(yes: str, no: str) -> None:
    assert not same_polarity(yes, [no])
    assert not same_polarity(no, [yes])
    assert same_polarity(no, [no])


@given(data=st.binary(max_size=200), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_whatever_a_model_writes_can_be_read(data: bytes, sizes: list[int]) -> None:
    text = data.decode("utf-8", "replace") + '{"sentence": "a", "cites": [{"passage": 1, "quote": "b"}]}'
    written, at, found = Written(), 0, []
    while at < len(text):
        size = sizes[at % len(sizes)]
        found += list(written.feed(text[at : at + size]))
        at += size
    written.end()

    assert all(one.sentence for one in found)


@settings(max_examples=50)
@given(sentences=st.lists(ANY, min_size=1, max_size=4), size=st.integers(1, 30))
def test_well_formed_lines_come_out_as_they_went_in(sentences: list[str], size: int) -> None:
    lines = "".join(
        json.dumps({"sentence": one, "cites": [{"passage": 1, "quote": one}]}) + "\n" for one in sentences
    )
    written = Written()
    found = [one for at in range(0, len(lines), size) for one in written.feed(lines[at : at + size])]

    assert [one.quotes for one in found] == [(Quoted(1, one),) for one in sentences if _left(one)]


def _left(sentence: str) -> str:
    ((one,), _) = (list(Written().feed(json.dumps({"sentence": sentence + "x", "cites": []}))), None)
    return re.sub("x$", "", one.sentence).strip()
