"""The best windows of all documents, and passages that contradict each other."""

from __future__ import annotations

import pytest
from kbm_agents.clashes import contradict
from kbm_agents.evidence import find_evidence, windows_of

from kbm.domain.gaps import EvidenceChunk, FailedQuestion, QuestionEvidence
from kbm.domain.identity import ChunkId, DocumentId
from kbm.testing.fakes import FakeEmbedder

LEAVE = "Every employee has thirty days of leave. Leave is asked for in the portal. Carrying it over ends in March."
PARKING = "Visitors get a parking permit at the gate. It is valid for one day."


def chunk(name: str, text: str, *, attached: bool = True, start: int = 0, heading: str = "") -> EvidenceChunk:
    return EvidenceChunk(
        chunk_id=ChunkId(name),
        document_id=DocumentId(name),
        text=text,
        start=start,
        heading=heading,
        attached=attached,
        n_words=len(text.split()),
    )


def found(
    question: str, *chunks: EvidenceChunk, embedded: bool = True, unreadable: str = ""
) -> QuestionEvidence:
    embedder = FakeEmbedder()
    asked = [FailedQuestion(id="q", text=question)]
    evidence = find_evidence(
        asked,
        embedder.embed([question], "question") if embedded else None,
        chunks,
        embedder.embed([one.text for one in chunks], "passage") if embedded else None,
        (lambda texts: embedder.embed(texts, "passage")) if embedded else None,
        may_read=lambda _, document: document != unreadable,
        ranked=lambda _: [DocumentId("leave")],
    )
    assert len(evidence) == 1
    return evidence[0]


@pytest.mark.parametrize("embedded", [True, False])
def test_the_best_window_holds_the_words_and_stands_where_it_says(embedded: bool) -> None:
    best = found(
        "until when can leave be carried over in march",
        chunk("leave", LEAVE, start=100),
        chunk("parking", PARKING),
        embedded=embedded,
    ).windows[0]

    assert best.document_id == "leave"
    assert "March" in best.text
    assert LEAVE[best.span.start - 100 : best.span.end - 100] == best.text


def test_both_sides_are_looked_at_however_good_one_is() -> None:
    same = [chunk(f"leave-{at}", LEAVE) for at in range(20)]
    windows = found("days of leave", *same, chunk("elsewhere", PARKING, attached=False)).windows

    assert [one.document_id for one in windows if not one.attached] == ["elsewhere"]


def test_documents_that_the_asker_may_not_read_are_marked() -> None:
    windows = found(
        "days of leave", chunk("leave", LEAVE), chunk("parking", PARKING), unreadable="leave"
    ).windows

    assert {one.document_id: one.blocked for one in windows} == {"leave": True, "parking": False}


def test_a_word_of_the_heading_counts_half() -> None:
    below = found("leave", chunk("a", "Thirty days.", heading="Leave"), embedded=False).windows[0]

    assert below.coverage == pytest.approx(0.5)


def test_forms_of_a_word_are_one_word() -> None:
    best = found(
        "Wie lange gelten die Parkausweise?", chunk("a", "Der Parkausweis gilt einen Tag."), embedded=False
    )

    assert best.windows[0].coverage > 0.3


def test_without_chunks_there_is_no_evidence() -> None:
    assert found("days of leave").windows == ()


def test_windows_are_pairs_of_neighbours() -> None:
    assert [text for _, text in windows_of("One. Two. Three.")] == ["One. Two.", "Two. Three."]
    assert [text for _, text in windows_of("One.")] == ["One."]
    assert list(windows_of("")) == []


def test_a_contradiction_is_found_between_documents_only() -> None:
    other = LEAVE.replace("thirty", "28")
    evidence = found("how many days of leave", chunk("leave", LEAVE), chunk("copy", other))

    assert evidence.clash is not None
    assert {one.document_id for one in evidence.clash} == {"leave", "copy"}
    assert found("how many days of leave", chunk("leave", f"{LEAVE} {other}")).clash is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "The bolt of the clamping jaw is tightened with 195 Nm.",
            "The bolt of the clamping jaw is tightened with 210 Nm.",
        ),
        (
            "Anträge gehen bis zum 31.03.2026 an das Personalbüro.",
            "Anträge gehen bis zum 30.06.2026 an das Personalbüro.",
        ),
        ("Visitors are met by Anna Keller at the gate.", "Visitors are met by Thomas Brandt at the gate."),
        (
            "Overtime is paid out in cash at the end of the year.",
            "Overtime is not paid out in cash at the end of the year.",
        ),
        (
            "Clamping jaw KB 65: torque 195 Nm, oiled.",
            "The torque of the clamping jaw on the KB 65 is 210 Nm.",
        ),
    ],
)
def test_passages_that_cannot_both_hold(one: str, other: str) -> None:
    assert contradict(one, other)
    assert contradict(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LEAVE, LEAVE),
        (LEAVE, PARKING),
        ("The gate opens at 7.", "The gate opens at 7. Visitors ring the bell."),
        ("Leave is asked for in the portal.", "Leave is asked for in the portal, at least 14 days before."),
        ("Every employee has 30 days of leave.", "Every employee has thirty days of leave."),
    ],
)
def test_passages_that_can_both_hold(one: str, other: str) -> None:
    assert not contradict(one, other)
    assert not contradict(other, one)
