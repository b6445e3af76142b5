"""Sync over a source in memory, with the real catalogue, raw store and parsers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.domain.identity import Digest, digest
from kbm.domain.sync import Approval, PlanState
from kbm.errors import ConnectorUnavailable
from kbm.parsing.pool import ParsingPool
from kbm.services.sync import SyncResult
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress


def sync(kbm: Kbm, name: str = "docs") -> SyncResult:
    return kbm.sync.run(kbm.source_to_sync(name), NoProgress())


def present(kbm: Kbm, name: str = "docs") -> set[str]:
    return set(kbm.catalogue.documents.known(name))


def many(n: int) -> dict[str, str]:
    return {f"policies/{n}.txt": f"Policy {n} says that rule {n} holds." for n in range(n)}


def test_the_second_sync_fetches_nothing(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.fetched.clear()

        result = sync(kbm)

        assert source.fetched == []
        assert result.plan.does_nothing
        assert result.plan.unchanged == 3


def test_only_what_changed_is_fetched(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.fetched.clear()
        source.items["policies/1.txt"] = "Policy 1 was rewritten."

        sync(kbm)

        assert source.fetched == ["policies/1.txt"]


def test_equal_content_in_two_items_is_parsed_once(tmp_path: Path) -> None:
    source = FakeConnector(items={"a.txt": "The same words.", "b.txt": "The same words."})
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        a, b = kbm.catalogue.documents.current_versions(["docs"])

        assert a.content == b.content
        assert a.version_id != b.version_id


def test_an_item_missing_from_a_complete_listing_is_removed(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        del source.items["policies/2.txt"]

        sync(kbm)

        assert present(kbm) == {"policies/0.txt", "policies/1.txt"}


def test_a_listing_that_does_not_vouch_for_itself_removes_nothing(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        del source.items["policies/2.txt"]
        source.complete = False

        sync(kbm)

        assert len(present(kbm)) == 3


def test_documents_under_a_failed_scope_stay(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3) | {"other/x.txt": "Another."})
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.failed = ["policies"]

        result = sync(kbm)

        assert len(present(kbm)) == 4
        assert result.plan.failed_scopes == ("policies",)


def test_a_source_that_is_down_keeps_its_documents_and_shows_the_error(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.down = True

        with pytest.raises(ConnectorUnavailable):
            sync(kbm)

        assert len(present(kbm)) == 3
        assert kbm.catalogue.documents.sources()[0].last_error == "the fake source is down"


def test_a_large_removal_is_held_while_additions_are_applied(tmp_path: Path) -> None:
    source = FakeConnector(items=many(30))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        for n in range(15):
            del source.items[f"policies/{n}.txt"]
        source.items["policies/new.txt"] = "A new policy."

        result = sync(kbm)

        assert result.state is PlanState.HELD
        assert len(present(kbm)) == 31


def test_an_approved_removal_covers_at_most_what_was_shown(tmp_path: Path) -> None:
    source = FakeConnector(items=many(30))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        for n in range(15):
            del source.items[f"policies/{n}.txt"]
        sync(kbm)
        [held] = kbm.catalogue.plans.held()
        for n in range(15, 30):  # half of the rest vanishes while the owner reads the plan
            del source.items[f"policies/{n}.txt"]
        source.items["policies/new.txt"] = "Something is left."

        kbm.sync.approve(held, kbm.source_to_sync("docs"), "anna", NoProgress())

        assert present(kbm) == {f"policies/{n}.txt" for n in range(15, 30)} | {"policies/new.txt"}


def test_an_approval_is_spent_by_the_sync_that_uses_it(tmp_path: Path) -> None:
    source = FakeConnector(items=many(30))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        kbm.catalogue.sources.approve("docs", Approval(items=frozenset(source.items)), plan=0, who="anna")
        sync(kbm)
        source.items = {"policies/0.txt": "Left."}

        result = sync(kbm)

        assert result.state is PlanState.HELD


def test_a_body_that_cannot_be_had_is_asked_again_next_time(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3), failing={"policies/1.txt"})
    with kbm_over(tmp_path, source) as kbm:
        first = sync(kbm)
        source.failing.clear()
        source.fetched.clear()

        sync(kbm)

        assert len(first.not_fetched) == 1
        assert source.fetched == ["policies/1.txt"]


def test_a_version_that_cannot_be_parsed_leaves_the_last_good_one(tmp_path: Path) -> None:
    source = FakeConnector(items={"leave.txt": "30 days of leave."})
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        [good] = kbm.catalogue.documents.current_versions(["docs"])
        source.items["leave.txt"] = ""

        result = sync(kbm)

        assert result.quarantined == (("leave.txt", Reason.EMPTY),)
        assert kbm.catalogue.documents.current_versions(["docs"]) == [good]
        assert [one.reason for one in kbm.catalogue.documents.quarantine()] == ["empty"]


def test_narrowed_readers_take_effect_without_a_fetch(tmp_path: Path) -> None:
    source = FakeConnector(items=many(2))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.fetched.clear()
        source.readers["policies/0.txt"] = frozenset({"group:hr"})

        sync(kbm)

        assert source.fetched == []
        assert kbm.catalogue.documents.known("docs")["policies/0.txt"].readers == {"group:hr"}


def test_readers_that_are_exchanged_lose_at_once_and_gain_when_a_person_agrees(tmp_path: Path) -> None:
    source = FakeConnector(items=many(2), readers={"policies/0.txt": frozenset({"group:hr", "group:it"})})
    with kbm_over(tmp_path, source) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        source.readers["policies/0.txt"] = frozenset({"group:it", "group:sales"})

        held = kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        at_once = kbm.catalogue.documents.known("docs")["policies/0.txt"].readers
        again = kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        [record] = kbm.catalogue.plans.held()
        kbm.sync.approve(record, kbm.source_to_sync("docs"), "ben", NoProgress())

        assert held.plan.held == again.plan.held == {"policies/0.txt"}
        assert at_once == {"group:it"}
        assert kbm.catalogue.documents.known("docs")["policies/0.txt"].readers == {"group:it", "group:sales"}


def test_an_approval_of_wider_readers_covers_those_that_were_shown_and_no_more(tmp_path: Path) -> None:
    source = FakeConnector(items=many(2), readers={"policies/0.txt": frozenset({"group:hr"})})
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.readers["policies/0.txt"] = frozenset({"group:hr", "group:it"})
        sync(kbm)
        [shown] = kbm.catalogue.plans.held()
        source.readers["policies/0.txt"] = frozenset({"everyone"})  # while the owner reads the plan

        kbm.sync.approve(shown, kbm.source_to_sync("docs"), "ben", NoProgress())

        [still_held] = kbm.catalogue.plans.held()
        assert kbm.catalogue.documents.known("docs")["policies/0.txt"].readers == {"group:hr"}
        assert still_held.plan.wider == {"policies/0.txt": {"everyone"}}


def test_wider_readers_wait_for_a_person_even_when_the_content_changed(tmp_path: Path) -> None:
    source = FakeConnector(items=many(2), readers={"policies/0.txt": frozenset({"group:hr"})})
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.readers["policies/0.txt"] = frozenset({"everyone"})
        source.items["policies/0.txt"] = "Changed as well."

        result = sync(kbm)

        assert result.state is PlanState.HELD
        assert kbm.catalogue.documents.known("docs")["policies/0.txt"].readers == {"group:hr"}


def test_a_removed_item_that_comes_back_is_present_again(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        kept = source.items.pop("policies/2.txt")
        sync(kbm)
        source.items["policies/2.txt"] = kept

        sync(kbm)

        assert len(present(kbm)) == 3


MAIL = """\
From: a@test.example
Subject: Two files
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain

See the attached note.
--x
Content-Type: text/plain; name=note.txt
Content-Disposition: attachment; filename=note.txt

{note}
--x--
"""


def test_attachments_are_documents_that_go_with_their_mail(tmp_path: Path) -> None:
    source = FakeConnector(
        items={"in/mail.eml": MAIL.format(note="The press holds 40 tons."), "a.txt": "Stays."}
    )
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        with_mail = {one.item_id for one in kbm.catalogue.documents.current_versions(["docs"])}
        del source.items["in/mail.eml"]

        sync(kbm)

        assert with_mail == {"a.txt", "in/mail.eml", "in/mail.eml/attachments/0-note.txt"}
        assert {one.item_id for one in kbm.catalogue.documents.current_versions(["docs"])} == {"a.txt"}


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        plan = kbm.sync.plan(kbm.source_to_sync("docs"))

        assert len(plan.added) == 3
        assert present(kbm) == set()
        assert source.fetched == []


def test_a_source_missing_from_the_configuration_waits_for_a_person(tmp_path: Path) -> None:
    docs, wiki = FakeConnector(items=many(3)), FakeConnector(items={"page.txt": "A page."})
    with kbm_over(tmp_path, {"docs": docs, "wiki": wiki}) as kbm:
        sync(kbm, "docs")
        sync(kbm, "wiki")
    with kbm_over(tmp_path, docs) as kbm:
        kbm.sync.hold_unlisted(kbm.settings.sources)
        before = present(kbm, "wiki")
        [held] = kbm.catalogue.plans.held()
        kbm.sync.approve(held, None, "anna", NoProgress())

        assert before == {"page.txt"}
        assert present(kbm, "wiki") == set()
        assert kbm.catalogue.plans.held() == []


class NewerParsers:
    """The real parsers under other digests, as after an upgrade."""

    def __init__(self, parsing: ParsingPool) -> None:
        self._parsing = parsing

    def digests(self) -> frozenset[Digest]:
        return frozenset(digest("newer", one) for one in self._parsing.digests())

    def digest_for(self, blob: Blob, *, recognise: bool = False) -> Digest:
        return digest("newer", self._parsing.digest_for(blob, recognise=recognise))

    def parse(self, blob: Blob, *, recognise: bool = False) -> ParsedDocument:
        return self._parsing.parse(blob, recognise=recognise)


def test_a_better_parser_makes_new_versions_without_a_fetch(tmp_path: Path) -> None:
    source = FakeConnector(items=many(3))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        before = {one.item_id: one.version_id for one in kbm.catalogue.documents.current_versions(["docs"])}
        source.fetched.clear()
        upgraded = replace(kbm.sync, parsing=NewerParsers(kbm.parsing))

        first = upgraded.run(kbm.source_to_sync("docs"), NoProgress())
        second = upgraded.run(kbm.source_to_sync("docs"), NoProgress())

        after = {one.item_id: one.version_id for one in kbm.catalogue.documents.current_versions(["docs"])}
        assert source.fetched == []
        assert (first.n_reparsed, second.n_reparsed) == (3, 0)
        assert after.keys() == before.keys()
        assert not set(after.values()) & set(before.values())


def test_a_held_plan_is_settled_when_its_reason_is_gone(tmp_path: Path) -> None:
    source = FakeConnector(items=many(30))
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        source.items = {id: text for id, text in many(30).items() if id > "policies/3"}
        sync(kbm)
        held = len(kbm.catalogue.plans.held())
        source.items = many(30)

        sync(kbm)

        assert held == 1
        assert kbm.catalogue.plans.held() == []


def test_a_document_without_a_title_is_called_by_its_name(tmp_path: Path) -> None:
    source = FakeConnector(
        items={"hr/Urlaub_und_Freistellung.txt": "30 Tage im Jahr.", "VA-014": "Ein Wort."}
    )
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)

        titles = {one.title for one in kbm.catalogue.documents.current_versions(["docs"])}

        assert titles == {"Urlaub und Freistellung", "VA-014"}
