"""Rules of a GPT and wishes of a caller, and what they do to the passages that are found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.answers import Outcome
from kbm.domain.filters import Filters
from kbm.domain.receipts import Level
from kbm.domain.releases import Release
from kbm.domain.versioning import Bump, between
from kbm.sections import AnswersSection
from kbm.services.notes import notes_of, to_markdown
from kbm.services.retrieve import Caller, Retrieved
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, FakeReranker, NoProgress

TAX = {
    "tax.txt": "Die Mehrwertsteuer auf Ersatzteile beträgt neunzehn Prozent.",
    "travel.txt": "Reisekosten werden am Monatsende erstattet.",
    "press.txt": "Die Presse KB-40/7 braucht Schrauben M12x80 nach § 5a der Ordnung.",
    "other.txt": "Die Presse KB-40/8 braucht Schrauben M12x90 nach § 5b der Ordnung.",
}
VAT = AnswersSection(synonyms=(("MwSt", "Mehrwertsteuer", "VAT", "taxe sur la valeur ajoutée"),))


def released(kbm: Kbm) -> Release:
    for source in kbm.settings.sources:
        kbm.sync.run(kbm.source_to_sync(source), NoProgress())
    made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
    kbm.publish.run("helper", str(made.version), who="anna", why="test")
    return made


def items(found: Retrieved) -> list[str]:
    return [one.item_id for one in found.passages]


# -- synonyms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["Wie hoch ist die MwSt?", "VAT?", "quelle taxe sur la valeur ajoutée"])
def test_a_word_is_found_by_its_synonyms(tmp_path: Path, question: str) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(TAX)), answers=VAT) as kbm:
        released(kbm)
        found = kbm.retrieve.run("helper", question, Caller())
        answer = kbm.ask.run("helper", question, Caller())

        assert items(found)[0] == "tax.txt"
        assert found.signals.coverage_best > 0
        if answer.outcome.shown:
            assert "Mehrwertsteuer" in answer.citations[0].quote


def test_a_synonym_makes_an_answer_of_what_had_none(tmp_path: Path) -> None:
    question = "MwSt auf Ersatzteile"
    with kbm_over(tmp_path / "one", FakeConnector(items=dict(TAX)), answers=VAT) as kbm:
        released(kbm)
        known = kbm.retrieve.run("helper", question, Caller()).signals
    with kbm_over(tmp_path / "two", FakeConnector(items=dict(TAX))) as kbm:
        released(kbm)
        unknown = kbm.retrieve.run("helper", question, Caller()).signals

    assert known.coverage > unknown.coverage
    assert known.unknown == 0
    assert unknown.unknown == pytest.approx(1 / 3)


def test_synonyms_leave_other_questions_as_they_are(tmp_path: Path) -> None:
    question = "Wann werden Reisekosten erstattet?"
    with kbm_over(tmp_path / "one", FakeConnector(items=dict(TAX)), answers=VAT) as kbm:
        released(kbm)
        one = kbm.retrieve.run("helper", question, Caller())
    with kbm_over(tmp_path / "two", FakeConnector(items=dict(TAX))) as kbm:
        released(kbm)
        other = kbm.retrieve.run("helper", question, Caller())

    assert one.signals == other.signals
    assert [one.score for one in one.passages] == [one.score for one in other.passages]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("KB-40/7", "press.txt"),
        ("KB 40/8", "other.txt"),
        ("M12x80", "press.txt"),
        ("Schraube M12x90?", "other.txt"),
        ("§ 5a", "press.txt"),
        ("was sagt § 5b", "other.txt"),
    ],
)
def test_codes_and_numbers_are_found_to_the_letter(tmp_path: Path, question: str, expected: str) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(TAX)), answers=VAT) as kbm:
        released(kbm)

        assert items(kbm.retrieve.run("helper", question, Caller()))[0] == expected


# -- preferred documents -------------------------------------------------------------------------------------

SAME = {
    "old/leave.txt": "Employees of the plant get 30 days of leave a year.",
    "new/leave.txt": "Employees of the plant get 31 days of leave a year.",
    "press.txt": "The press holds forty tons.",
}


def test_a_preferred_document_comes_before_one_as_good(tmp_path: Path) -> None:
    found = {}
    for item in ("old/leave.txt", "new/leave.txt"):
        rules = AnswersSection(prefer=(f"docs:{item}",))
        with kbm_over(tmp_path / item[:3], FakeConnector(items=dict(SAME)), answers=rules) as kbm:
            released(kbm)
            found[item] = kbm.retrieve.run("helper", "How many days of leave a year?", Caller())

    assert {item: items(one)[0] for item, one in found.items()} == {item: item for item in found}
    assert len({one.signals for one in found.values()}) == 1


def test_a_preferred_document_never_answers_what_it_says_nothing_of(tmp_path: Path) -> None:
    rules = AnswersSection(prefer=("docs:press.txt",))
    with kbm_over(tmp_path, FakeConnector(items=dict(SAME)), answers=rules) as kbm:
        released(kbm)

        assert items(kbm.retrieve.run("helper", "How many days of leave a year?", Caller()))[0] != "press.txt"


def test_other_rules_are_a_major_release_and_the_notes_name_them(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(SAME))
    with kbm_over(tmp_path, source) as kbm:
        first = released(kbm)
    rules = AnswersSection(synonyms=(("leave", "holiday"),), prefer=("docs:press.txt",), lose=10)
    with kbm_over(tmp_path, source, answers=rules) as kbm:
        second = released(kbm)
        diff = kbm.diff.run("helper", str(first.version), str(second.version), NoProgress())

    assert between(first.version, second.version) is Bump.MAJOR
    told = to_markdown(notes_of(diff, "en"))
    for word in ("leave = holiday", "docs:press.txt", "5 → 10"):
        assert word in told


# -- filters -------------------------------------------------------------------------------------------------


def two_sources() -> dict[str, FakeConnector]:
    texts = {
        f"{at}.txt": f"The press number {at} holds {at} tons and needs oil {at % 7}." for at in range(12)
    }
    dates = {id: datetime(2026, 1 + at, 1, tzinfo=UTC) for at, id in enumerate(texts) if at < 9}
    return {
        "docs": FakeConnector(items=dict(texts), modified=dates),
        "wiki": FakeConnector(items={f"w{id}": text.replace("press", "pump") for id, text in texts.items()}),
    }


def bits(found: Retrieved) -> tuple[object, ...]:
    return tuple((one.item_id, one.score.hex()) for one in found.passages), repr(found.signals)


def test_filtered_passages_score_as_if_they_were_all(tmp_path: Path) -> None:
    alone = {"wiki": two_sources()["wiki"]}
    with kbm_over(tmp_path / "one", two_sources()) as kbm, kbm_over(tmp_path / "two", alone) as other:
        released(kbm)
        released(other)
        for question in ("Which pump holds 3 tons?", "press oil 5", "number"):
            narrowed = kbm.retrieve.run(
                "helper", question, Caller(), filters=Filters(sources=frozenset({"wiki"}))
            )

            assert bits(narrowed) == bits(other.retrieve.run("helper", question, Caller()))


def test_dates_narrow_from_a_moment_on_and_before_one(tmp_path: Path) -> None:
    spring = Filters(
        modified_after=datetime(2026, 3, 1, tzinfo=UTC), modified_before=datetime(2026, 6, 1, tzinfo=UTC)
    )
    with kbm_over(tmp_path, two_sources()) as kbm:
        released(kbm)

        found = kbm.retrieve.run("helper", "press number tons", Caller(), filters=spring, k=30)

        assert set(items(found)) == {"2.txt", "3.txt", "4.txt"}


def test_a_source_that_is_not_there_matches_nothing(tmp_path: Path) -> None:
    with kbm_over(tmp_path, two_sources()) as kbm:
        released(kbm)
        nowhere = Filters(sources=frozenset({"secret"}))

        answer = kbm.ask.run("helper", "press number tons", Caller(), filters=nowhere)

        assert answer.outcome is Outcome.UNANSWERED
        assert answer.confidence == 0


def test_the_receipt_of_a_filtered_answer_is_exact(tmp_path: Path) -> None:
    with kbm_over(tmp_path, two_sources()) as kbm:
        released(kbm)
        answer = kbm.ask.run(
            "helper", "Which pump holds 3 tons?", Caller(), filters=Filters(sources=frozenset({"wiki"}))
        )
        kbm.ask.settle()

        receipt, verified = kbm.receipt.verify(answer.id, Caller())

        assert receipt.filters.sources == {"wiki"}
        assert verified.level is Level.EXACT


# -- equal passages and neighbours ---------------------------------------------------------------------------


def test_what_two_documents_say_alike_is_shown_once_and_names_the_other(tmp_path: Path) -> None:
    pages = {
        "a/leave.txt": "Employees get 30 days of leave.",
        "b/leave.txt": "Employees  get 30 days of LEAVE!",
        "c/leave.txt": "Employees get 31 days of leave.",
    }
    with kbm_over(tmp_path, FakeConnector(items=pages)) as kbm:
        released(kbm)

        found = kbm.retrieve.run("helper", "How many days of leave do employees get?", Caller()).passages

        assert len(found) == 2
        folded = next(one for one in found if one.also_in)
        assert {folded.item_id, folded.also_in[0].item_id} == {"a/leave.txt", "b/leave.txt"}


def test_an_equal_passage_that_is_hidden_is_not_named(tmp_path: Path) -> None:
    pages = {"a.txt": "Employees get 30 days of leave.", "secret.txt": "Employees get 30 days of leave."}
    source = FakeConnector(items=pages, readers={"secret.txt": frozenset({"group:hr"})})
    with kbm_over(tmp_path, source) as kbm:
        released(kbm)

        found = kbm.retrieve.run("helper", "How many days of leave?", Caller()).passages

        assert [(one.item_id, one.also_in) for one in found] == [("a.txt", ())]


def test_what_stands_beside_a_hit_is_read_with_it(tmp_path: Path) -> None:
    long = " ".join(f"Sentence {at} tells of matter {at * 17} in the works." for at in range(60))
    with kbm_over(tmp_path, FakeConnector(items={"long.txt": long, "other.txt": "Something else."})) as kbm:
        released(kbm)
        found = kbm.retrieve.run("helper", "What tells sentence 30 of matter 510?", Caller(), k=1)

        read = found.reading(1)

        assert len(read) > 1
        assert read[0] == found.passages[0]
        assert all(one.document_id == read[0].document_id for one in read)
        assert all(one.text in long for one in read)


# -- a reranker ----------------------------------------------------------------------------------------------


def test_a_reranker_orders_the_hits_and_is_part_of_the_rules(tmp_path: Path) -> None:
    reranker = FakeReranker()
    with kbm_over(tmp_path, FakeConnector(items=dict(SAME)), reranker=reranker) as kbm:
        made = released(kbm)
        found = kbm.retrieve.run("helper", "press forty tons", Caller())

        assert made.answer_spec.reranker.startswith("fake ")
        assert reranker.n_calls == 1
        assert items(found)[0] == "press.txt"
        assert [one.score for one in found.passages] == sorted(
            (one.score for one in found.passages), reverse=True
        )
        assert found.degraded == ()


def test_a_reranker_that_fails_is_named_and_done_without(tmp_path: Path) -> None:
    reranker = FakeReranker()
    with kbm_over(tmp_path, FakeConnector(items=dict(SAME)), reranker=reranker) as kbm:
        released(kbm)
        reranker.down = True
        answer = kbm.ask.run("helper", "How many days of leave a year do employees get?", Caller())
        kbm.ask.settle()
        reranker.down = False

        assert answer.outcome.shown
        assert answer.degraded == ("not reranked: reranker fake did not answer",)
        assert kbm.receipt.verify(answer.id, Caller())[1].level is Level.EXACT


def test_a_release_made_with_a_reranker_says_when_it_is_gone(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(SAME))
    with kbm_over(tmp_path, source, reranker=FakeReranker()) as kbm:
        released(kbm)
    with kbm_over(tmp_path, source) as kbm:
        found = kbm.retrieve.run("helper", "press forty tons", Caller())

        assert found.passages
        assert found.degraded[0].startswith("not reranked: the release names fake")
