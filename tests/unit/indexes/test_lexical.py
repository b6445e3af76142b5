"""What people type finds what documents say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from kbm_indexes import lexical
from kbm_indexes.lexical import Counts, idf, length_norms, tokenise
from kbm_indexes.question import tokenise_question, words_held


def finds(question: str, text: str) -> bool:
    """Tell whether every word that counts in *question* has a stem in *text*."""
    asked = tokenise_question(question)
    held = set(tokenise([text]).stems.term.tolist())
    words = [{int(asked.stems[place]) for place in word.stems} for word in asked.words if not word.optional]
    return bool(words) and all(not word.isdisjoint(held) for word in words)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("4711-0815", "Bitte den Artikel 4711-0815 nachbestellen."),
        ("4711", "Bitte den Artikel 4711-0815 nachbestellen."),
        ("0815", "Artikel: 4711-0815"),
        ("47110815", "The item 4711-0815 is out of stock."),
        ("4711/0815", "The item 4711-0815 is out of stock."),
        ("4711 0815", "4711-0815"),
        ("M12", "Schrauben M12 und M16 sind mit Drehmoment anzuziehen"),
        ("M 12", "Schrauben M12"),
        ("ip 65", "Schutzart IP65"),
        ("1.234,50", "Der Preis beträgt 1.234,50 EUR."),
        ("1234,50", "Der Preis beträgt 1.234,50 EUR."),
        ("1234.50", "The price is 1,234.50 EUR."),
        ("email", "Send us an e-mail."),
        ("E-Mail", "Schicken Sie eine Email an uns."),
        ("Strasse", "In dieser Straße ist das Parken verboten."),
        ("STRASSE", "straße"),
        ("conges", "Les congés sont à demander avant la fin du mois."),
        ("Anträge", "Der Antrag ist bei der Leitung zu stellen."),
        ("pumps", "The pump is broken and it will be repaired."),
        ("Pumpen", "Pumpe DN50"),
        ("ﬁlter", "The filter is clogged."),
        ("u\u0308ber", "Das steht über der Tür."),
        ("Kündi\u00adgung", "Die Kündigung ist schriftlich."),
    ],
)
def test_a_question_meets_the_text(question: str, text: str) -> None:
    assert finds(question, text)


@pytest.mark.parametrize(
    ("question", "text"), [("4711-0816", "4711-0815"), ("M16", "M12"), ("Urlaub", "Die Pumpe ist defekt.")]
)
def test_a_question_does_not_meet_another_text(question: str, text: str) -> None:
    assert not finds(question, text)


def test_a_compound_and_its_part_share_4_grams() -> None:
    compound, part = (set(tokenise([text]).grams.term.tolist()) for text in ("Urlaubsantrag", "Antrag"))

    # All but the one that says that the word begins there.
    assert len(part - compound) == 1


def test_a_word_of_a_question_is_one_word_whatever_its_stems() -> None:
    question = tokenise_question("Pumpen pumpen")

    assert len(question.words) == 1
    assert len(question.stems) == len(set(question.stems.tolist())) > 1


def test_a_part_of_a_hyphened_word_also_stands_for_the_joined_one() -> None:
    words = tokenise_question("e-mail").words

    assert len(words) == 2
    assert set(words[0].stems) & set(words[1].stems)


def test_a_code_counts_once_more_as_a_whole_and_its_letters_do_not() -> None:
    assert [word.optional for word in tokenise_question("4711-0815").words] == [False, False, False]
    assert [word.optional for word in tokenise_question("M12").words] == [False, True, True]


def test_two_half_codes_are_not_the_code() -> None:
    assert not finds("4711-0815", "Es gibt 4711-0816 und 4712-0815.")


def test_counts_are_ascending_and_repeat_nothing() -> None:
    stems = tokenise(["valve valve valve pump", "", "pump"]).stems

    first = stems.term[stems.ptr[0] : stems.ptr[1]]
    assert stems.ptr.tolist() == [0, 2, 2, 3]
    assert (np.diff(first.astype(np.int64)) > 0).all()
    assert sorted(stems.tf.tolist()) == [1, 1, 3]


def test_a_word_repeated_a_thousand_times_counts_as_often_as_a_byte_holds() -> None:
    assert tokenise(["pump " * 1000]).stems.tf.tolist() == [255]


def test_a_text_gives_the_same_terms_alone_and_among_others() -> None:
    texts = ["The pump and the valve.", "Die Pumpe und das Ventil.", "4711-0815", "La pompe est en panne."]
    together = tokenise(texts)

    for at, text in enumerate(texts):
        alone = tokenise([text])

        assert part_of(together.stems, at) == part_of(alone.stems, 0)
        assert part_of(together.grams, at) == part_of(alone.grams, 0)


def part_of(counts: Counts, at: int) -> list[tuple[int, int]]:
    span = slice(int(counts.ptr[at]), int(counts.ptr[at + 1]))
    return list(zip(counts.term[span].tolist(), counts.tf[span].tolist(), strict=True))


def test_terms_are_equal_in_another_process() -> None:
    # Python's own hash would differ: it is salted per process.
    code = "from kbm_indexes.lexical import *; t = tokenise(['Die Pumpe 4711-0815 ist defekt']); print(*t.stems.term)"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    ).stdout

    assert told.split() == [str(term) for term in tokenise(["Die Pumpe 4711-0815 ist defekt"]).stems.term]


def test_the_terms_of_a_known_text_stay_what_they_are() -> None:
    # If this fails, the rules have changed: raise "rules" in LEXICAL_DIGEST, or old indexes mix two kinds of terms.
    tokens = tokenise(["Die Pumpe 4711-0815 ist defekt, Frédéric's e-mail: IP65."])

    assert int(tokens.stems.term.astype(np.uint64).sum()) == STEM_SUM
    assert int(tokens.grams.term.astype(np.uint64).sum()) == GRAM_SUM


STEM_SUM = 36783517001
GRAM_SUM = 74848610660


def test_every_stem_of_a_passage_can_be_met_by_a_question() -> None:
    for text in (
        "The offers were sent from the company.",
        "Die Angebote der Firma",
        "les offres de la société",
        "IP65",
    ):
        assert words_held(tokenise_question(text), [text, ""]).tolist() == [
            [True] * len(tokenise_question(text).words),
            [False] * len(tokenise_question(text).words),
        ]


def test_the_formula_is_lucenes() -> None:
    weight = idf(10, np.array([0, 3, 10]))
    norms = length_norms(4, 2.0)

    assert weight == pytest.approx([np.log(1 + 10.5 / 0.5), np.log(1 + 7.5 / 3.5), np.log(1 + 0.5 / 10.5)])
    assert norms == pytest.approx([1.5 * (0.25 + 0.75 * length / 2) for length in range(5)])


def test_the_cache_of_words_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "_CACHED_RUNS", 10)
    runs = lexical._Runs("en")

    entries = [runs[f"word{at}"] for at in range(35)]

    assert len(runs) <= 10
    assert len(set(entries)) == 35


def test_many_texts_are_counted_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"pump {at} valve {at % 3}" for at in range(7)]
    at_once = tokenise(texts)
    monkeypatch.setattr(lexical, "_BLOCK", 3)

    in_blocks = tokenise(texts)

    assert in_blocks.stems.ptr.tolist() == at_once.stems.ptr.tolist()
    assert in_blocks.stems.term.tolist() == at_once.stems.term.tolist()
    assert in_blocks.grams.tf.tolist() == at_once.grams.tf.tolist()
    assert tokenise([]).stems.ptr.tolist() == [0]
