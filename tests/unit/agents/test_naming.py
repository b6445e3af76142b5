"""Names for gaps, in the words of those who asked."""

from __future__ import annotations

from kbm_agents.naming import name_groups

from kbm.domain.gaps import GapName, Group

TEXTS = {
    "p1": "where do visitors get a parking permit",
    "p2": "Parking permit for   visitors",
    "p3": "parkin permit visitors please",
    "l1": "leasing rate for the press",
    "l2": "what is the leasing rate of a press",
    "k1": "Wie hoch ist das Kilometergeld?",
    "k2": "Kilometergeld für Privatwagen",
    "k3": "welches kilometergeld gilt 2026",
}


def named(ids: str) -> dict[str, GapName]:
    by_letter = {letter: [id for id in TEXTS if id.startswith(letter)] for letter in ids}
    groups = [
        Group(id=letter, members=tuple(found), n_asked=len(found), central=tuple(found), theme="")
        for letter, found in by_letter.items()
    ]
    return name_groups(groups, TEXTS)


def test_the_title_is_the_shortest_central_question_as_typed_without_odd_words() -> None:
    assert named("pl")["p"].title == "Parking permit for visitors"


def test_keywords_stand_in_two_questions_of_the_group() -> None:
    found = named("pl")

    assert set(found["p"].keywords) == {"permit", "visitors", "parking"}
    assert set(found["l"].keywords) == {"leasing", "rate", "press"}


def test_stop_words_and_bare_numbers_are_no_keywords() -> None:
    assert named("plk")["k"].keywords == ("kilometergeld",)


def test_a_single_question_names_itself() -> None:
    group = Group(id="g", members=("l1",), n_asked=3, central=("l1",), theme="")
    found = name_groups([group], TEXTS)["g"]

    assert found.title == "leasing rate for the press"
    assert set(found.keywords) == {"leasing", "press", "rate"}
