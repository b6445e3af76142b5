"""What people see of gaps and suggestions follows what they may read; who decides is who the key is of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Rights, Subject
from kbm.domain.answers import Outcome
from kbm.domain.documents import EVERYONE
from kbm.domain.fixes import AddOverlay, Evidence, Fix, GrantReadersRequest, RetireDocument
from kbm.domain.gaps import Cause, GapName
from kbm.domain.identity import Digest, document_id
from kbm.domain.known_gaps import SHOWN_FROM_PEOPLE, Gap, GapState, LastReview
from kbm.domain.suggestions import (
    AnswerNote,
    Asked,
    Change,
    Preview,
    Proposal,
    Replayed,
    Suggestion,
    SuggestionState,
)
from kbm.entrypoints.api.app import create_app
from kbm.errors import NotAllowed
from kbm.services.retrieve import Caller
from tests.e2e.doors import HR, company, key

OWNER = "owner@test.example"
ASKED = "What does the chairwoman of the board get?"
SECRET = ("250,000", "CANARYWORD", "board.txt", "chairwoman")
GUEST = frozenset({EVERYONE})


@pytest.fixture
def kbm(tmp_path: Path) -> Iterator[Kbm]:
    with company(tmp_path) as (made, _):
        yield made


def asked(kbm: Kbm, *, readers: frozenset[str] = HR) -> str:
    """Let somebody ask; gives the question's id."""
    made = kbm.ask.run("helper", ASKED, Caller(readers=readers), user="ben")
    kbm.ask.settle()
    return made.id


def quote(kbm: Kbm, item: str = "board.txt") -> Evidence:
    """Give a document of ``docs`` whole, as evidence."""
    found = kbm.retrieve.run("helper", "pay of the board press tons", Caller(readers=HR), k=10)
    one = next(each for each in found.passages if each.item_id == item)
    return Evidence(
        chunk_id=one.chunk_id, document_id=one.document_id, start=one.start, end=one.start + len(one.text)
    )


def a_gap(kbm: Kbm, question: str, *, n_people: int = 1, gpt: str = "helper", id: str = "gap1") -> Gap:
    """Store a gap about one question."""
    now = kbm.clock.now()
    made = Gap(
        id=id,
        gpt=gpt,
        state=GapState.OPEN,
        name=GapName(title=ASKED, keywords=("pay",)),
        theme="",
        cause=Cause.BLOCKED,
        members=(question,),
        n_asked=7,
        n_people=n_people,
        first_seen=now,
        last_seen=now,
        evidence=(quote(kbm),),
    )
    kbm.journal.gaps.put(LastReview(gpt=gpt, at=now), [made])
    return made


def a_suggestion(
    kbm: Kbm, fix: Fix, *, gap: str = "gap1", gpt: str = "helper", id: str = "one"
) -> Suggestion:
    """Store a suggestion for that gap."""
    now = kbm.clock.now()
    made = Suggestion(
        id=id,
        gpt=gpt,
        proposed_by="agent:test",
        proposal=Proposal(fix=fix, why="test", gap=gap, evidence=(quote(kbm),), about=("docs:board.txt",)),
        state=SuggestionState.OPEN,
        created_at=now,
        proposed_at=now,
        expires_at=now + timedelta(weeks=4),
    )
    kbm.catalogue.suggestions.put([made])
    return made


def overlay(kbm: Kbm) -> AddOverlay:
    return AddOverlay(
        title=ASKED,
        text="The pay of the board is 250,000 euros a year.",
        language="en",
        evidence=(quote(kbm),),
        expires_on=date(2027, 5, 1),
        asks=(ASKED,),
    )


def leaked(said: object) -> set[str]:
    text = json.dumps(said, ensure_ascii=False, default=str)
    return {word for word in SECRET if word in text}


def client(kbm: Kbm, *actions: Action, **more: object) -> TestClient:
    """Give a client with a key for these actions."""
    token = key(kbm, Rights(actions=frozenset(actions), **more))  # type: ignore[arg-type]
    app = create_app(kbm, hosts={"testserver"})
    return TestClient(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)


# -- what is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_people", [SHOWN_FROM_PEOPLE - 1, SHOWN_FROM_PEOPLE])
def test_a_question_asked_by_other_readers_is_shown_from_five_people_on(kbm: Kbm, n_people: int) -> None:
    gap = a_gap(kbm, asked(kbm), n_people=n_people)
    show = kbm.reviewing.show
    shown, titles = show.gap(gap.id, GUEST), show.titles([gap], "helper", GUEST)

    if n_people < SHOWN_FROM_PEOPLE:
        assert (shown.questions, shown.n_hidden, titles) == ((), 1, {"gap1": "pay"})
    else:
        assert (shown.questions, shown.n_hidden, titles) == ((ASKED,), 0, {"gap1": ASKED})


def test_that_many_asked_about_a_gap_shows_no_question_beside_it(kbm: Kbm) -> None:
    mine, beside = asked(kbm), asked(kbm)
    a_gap(kbm, mine, n_people=50)
    found = a_suggestion(kbm, RetireDocument(item="docs:van.txt"))
    note = AnswerNote(outcome=Outcome.UNANSWERED, confidence=0.0, quotes=(), items=())
    replayed = tuple(
        Replayed(question=id, asked=kind, before=note, after=note, change=Change.UNCHANGED)
        for id, kind in ((mine, Asked.GAP), (beside, Asked.HEALTHY))
    )
    preview = Preview(base=Digest("x"), fix=Digest("y"), made_at=kbm.clock.now(), replayed=replayed)
    kbm.catalogue.suggestions.set_preview(found.id, preview)

    assert [one.question for one in kbm.reviewing.show.run("one", GUEST).replayed] == [ASKED, ""]
    assert [one.question for one in kbm.reviewing.show.run("one", HR).replayed] == [ASKED, ASKED]


def test_a_question_that_somebody_asked_who_reads_no_more_is_shown(kbm: Kbm) -> None:
    gap = a_gap(kbm, asked(kbm, readers=GUEST))

    assert kbm.reviewing.show.gap(gap.id, GUEST).questions == (ASKED,)


def test_of_evidence_somebody_may_not_read_they_learn_the_steward_alone(kbm: Kbm) -> None:
    show = replace(kbm.reviewing.show, stewards={"docs": "steward@test.example"})
    gap = a_gap(kbm, asked(kbm))
    [hidden] = show.gap(gap.id, GUEST).evidence
    [read] = show.gap(gap.id, HR).evidence

    assert (hidden.text, hidden.title, hidden.item) == ("", "", "")
    assert hidden.steward == "steward@test.example"
    assert "250,000" in read.text
    assert read.steward == ""


def test_nothing_of_a_hidden_question_or_document_is_in_any_answer(kbm: Kbm) -> None:
    question = asked(kbm)
    a_gap(kbm, question)
    fixes: list[Fix] = [
        overlay(kbm),
        RetireDocument(item="docs:board.txt"),
        GrantReadersRequest(source="docs", items=("docs:board.txt",), readers=("group:hr",)),
    ]
    for n, fix in enumerate(fixes):
        a_suggestion(kbm, fix, id=f"s{n}")
    mine = client(kbm, Action.REVIEW, gpts=frozenset({"helper"}))
    said = [
        mine.get(f"/v1/gpts/helper/{path}").json()
        for path in (
            *("gaps", "gaps/gap1", "suggestions", "suggestions?all=true"),
            *("suggestions/s0", "suggestions/s1", "suggestions/s2"),
        )
    ]

    assert len(said[2]["suggestions"]) == 3
    assert [leaked(one) for one in said] == [set()] * len(said)


def test_who_may_read_the_documents_sees_the_draft(kbm: Kbm) -> None:
    a_gap(kbm, asked(kbm))
    a_suggestion(kbm, overlay(kbm))
    mine = client(kbm, Action.REVIEW, readers=HR)
    said = mine.get("/v1/gpts/helper/suggestions/one").json()

    assert said["fix"]["text"] == "The pay of the board is 250,000 euros a year."
    assert said["fix"]["title"] == ASKED
    assert ASKED in said["does"]


def test_a_document_that_is_withdrawn_is_no_longer_shown_as_evidence(kbm: Kbm) -> None:
    a_gap(kbm, asked(kbm), n_people=9)
    a_suggestion(kbm, overlay(kbm))
    kbm.catalogue.documents.remove("docs", ["board.txt"])
    shown = kbm.reviewing.show.run("one", HR)

    assert [one.text for one in shown.evidence] == [""]
    assert isinstance(shown.fix, AddOverlay)
    assert "250,000" not in shown.fix.text


# -- who may do what ----------------------------------------------------------------------------------------------


def test_a_key_of_another_assistant_does_not_learn_what_there_is(kbm: Kbm) -> None:
    a_gap(kbm, asked(kbm))
    a_suggestion(kbm, overlay(kbm))
    theirs = client(kbm, Action.REVIEW, Action.DECIDE, gpts=frozenset({"other"}), person=OWNER)
    body = {"seen": "x", "reason": "x"}

    for known, unknown in (
        ("/v1/gpts/other/gaps/gap1", "/v1/gpts/other/gaps/gap2"),
        ("/v1/gpts/other/suggestions/one", "/v1/gpts/other/suggestions/two"),
        ("/v1/gpts/helper/gaps", "/v1/gpts/nobody/gaps"),
        ("/v1/gpts/helper/suggestions/one", "/v1/gpts/nobody/suggestions/one"),
    ):
        first, second = theirs.get(known), theirs.get(unknown)
        assert first.status_code == second.status_code == 404
        assert _without_names(first.json()) == _without_names(second.json())
    for verb in ("approve", "reject", "undo"):
        sent = body if verb == "approve" else {"reason": "x"}
        first = theirs.post(f"/v1/gpts/other/suggestions/one/{verb}", json=sent)
        second = theirs.post(f"/v1/gpts/other/suggestions/two/{verb}", json=sent)
        assert first.status_code == second.status_code == 404
        assert _without_names(first.json()) == _without_names(second.json())
    assert kbm.catalogue.suggestions.get("one").state is SuggestionState.OPEN


def _without_names(problem: dict[str, str]) -> str:
    text = json.dumps(problem)
    for name in ("gap1", "gap2", "one", "two", "helper", "nobody"):
        text = text.replace(name, "NAME")
    return text


def test_a_key_decides_in_the_name_of_its_person_whatever_the_body_says(kbm: Kbm) -> None:
    a_suggestion(kbm, RetireDocument(item="docs:van.txt"))
    theirs = client(kbm, Action.REVIEW, Action.DECIDE, person=OWNER)
    done = theirs.post(
        "/v1/gpts/helper/suggestions/one/reject", json={"reason": "no", "as": "somebody@test.example"}
    )
    entry = kbm.catalogue.audit.entries()[-1]

    assert done.json()["decided_by"] == OWNER
    assert (entry.who, entry.action, entry.subject) == (OWNER, "suggestion.reject", "one")
    assert kbm.catalogue.audit.verify().broken is None


@pytest.mark.parametrize(
    ("actions", "person"),
    [
        ((Action.REVIEW,), OWNER),
        ((Action.REVIEW, Action.DECIDE), "stranger@test.example"),
        ((Action.REVIEW, Action.DECIDE), "agent:test"),
    ],
)
def test_without_the_right_or_as_none_of_its_people_nobody_decides(
    kbm: Kbm, actions: tuple[Action, ...], person: str
) -> None:
    found = a_suggestion(kbm, RetireDocument(item="docs:van.txt"))
    theirs = client(kbm, *actions, person=person)
    n_before = len(kbm.catalogue.audit.entries())
    for verb, body in (
        ("approve", {"seen": found.seal, "as": OWNER}),
        ("reject", {"reason": "no", "as": OWNER}),
        ("snooze", {"until": "2027-01-01T00:00:00Z", "as": OWNER}),
        ("ask", {"expert": "x@test.example", "question": "what?", "as": OWNER}),
        ("undo", {"reason": "no", "as": OWNER}),
        (
            "edit",
            {"fix": {"kind": "retire_document", "item": "docs:press.txt", "in_favour_of": ""}, "as": OWNER},
        ),
    ):
        assert theirs.post(f"/v1/gpts/helper/suggestions/one/{verb}", json=body).status_code == 403, verb

    assert kbm.catalogue.suggestions.get("one") == found
    assert len(kbm.catalogue.audit.entries()) == n_before


@pytest.mark.parametrize("action", [Action.REVIEW, Action.DECIDE])
def test_whoever_signed_in_and_is_none_of_its_people_sees_nothing_of_it(kbm: Kbm, action: Action) -> None:
    rights = Rights(actions=frozenset(Action), person="colleague@test.example")
    colleague = Subject(id="oidc:1", rights=rights)

    with pytest.raises(NotAllowed, match="none of the people"):
        kbm.access.allow(colleague, action, "helper")
    kbm.access.allow(replace(colleague, rights=replace(rights, person=OWNER)), action, "helper")


def test_an_entry_of_the_audit_log_holds_no_word_of_questions_or_documents(kbm: Kbm) -> None:
    a_gap(kbm, asked(kbm))
    a_suggestion(kbm, overlay(kbm))
    kbm.reviewing.decide.reject("one", who=OWNER, reason="not ours")
    kbm.reviewing.decide.undo("one", who=OWNER, reason="it is")
    told = [
        [one.who, one.action, one.subject, dict(one.detail)] for one in kbm.catalogue.audit.entries()[-2:]
    ]

    assert [one[1] for one in told] == ["suggestion.reject", "suggestion.undo"]
    assert leaked(told) == set()


def test_the_document_id_of_evidence_is_that_of_the_item(kbm: Kbm) -> None:
    assert quote(kbm).document_id == document_id("docs", "board.txt")
