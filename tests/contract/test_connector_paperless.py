"""The connector ``paperless`` keeps the promises of every connector, and loses nothing whatever the server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from kbm_connectors import paperless
from kbm_connectors.paperless import PaperlessConnector

from kbm.domain.sync import Event, Gone, Json, Mark, Ref
from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm.services.sync import SyncResult
from kbm.testing.builders import kbm_over
from kbm.testing.contracts.connector import ConnectorContract
from kbm.testing.fakes import NoProgress
from tests.contract.paperless_dms import Dms
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_paperless import PASSWORD, FakePaperless
from tests.unit.connectors.fake_web import FAULTS, Answer


@pytest.fixture
def dms(tmp_path: Path) -> Iterator[FakePaperless]:
    fake = FakePaperless(tmp_path)
    yield fake
    fake.close()


@pytest.fixture
def five(dms: FakePaperless) -> FakePaperless:
    for number in range(1, 6):
        dms.add(number, f"Text von Dokument {number}.")
    return dms


class TestPaperless(ConnectorContract):
    ids = ("17", "18", "230")
    secrets = (PASSWORD, "token-0")

    @pytest.fixture
    def source(self, dms: FakePaperless) -> Dms:
        return Dms(dms)


# --- what is listed


def test_a_document_is_told_with_what_paperless_knows_of_it(dms: FakePaperless) -> None:
    dms.add(17, "Text", owner=2, users=[3, 99], groups=[8], correspondent=4, media_type="application/pdf")
    [ref, mark] = dms.connect().scan(None)

    assert isinstance(mark, Mark)
    assert ref == Ref(
        id="17",
        version="2026-11-24T08:01:00+00:00",
        title="Dokument 17",
        url=f"{dms.url}/dms/documents/17/details",
        author="Stadtwerke",
        media_type="application/pdf",
        modified=dms.now,
        readers=frozenset({"user:bert", "user:carla", "group:Technischer_Dienst"}),
    )


def test_a_document_without_owner_has_the_readers_of_the_source(dms: FakePaperless) -> None:
    dms.add(1, "Text", groups=[7])

    assert [one.readers for one in dms.connect().scan(None) if isinstance(one, Ref)] == [None]


def test_numbers_that_may_not_be_named_let_nobody_in(five: FakePaperless) -> None:
    five.documents[1].owner = 2
    five.forbidden = {"/api/users/", "/api/groups/"}
    connector = five.connect()
    readers = {one.id: one.readers for one in connector.scan(None) if isinstance(one, Ref)}

    assert readers["1"] == frozenset()
    assert [problem for problem in connector.check() if "may not list" in problem][1:]


def test_names_that_are_forbidden_one_day_take_no_readers_away(five: FakePaperless) -> None:
    core = Core()
    core.sync(five.connect())
    five.forbidden = {"/api/groups/"}

    with pytest.raises(ConnectorRefused, match="may not list groups any more"):
        core.sync(five.connect())


def test_only_documents_with_the_tags_and_types_that_were_asked_for(five: FakePaperless) -> None:
    five.documents[2].tags = [6, 5]
    five.documents[3].tags = [5]
    five.documents[3].document_type = 9
    core = Core()
    connector = five.connect(tags=["handbuch"])
    core.sync(connector)
    found = set(core.known)
    five.documents[2].tags = [6]
    five.edit(2, "Jetzt privat.")
    core.sync(connector)
    typed = Core()
    typed.sync(five.connect(document_types=["Anleitung"]))

    assert found == {"2", "3"}
    assert set(core.known) == {"3"} == set(typed.known)
    with pytest.raises(ConnectorRefused, match="there is no 'Handbuhc'") as told:
        list(five.connect(tags=["Handbuhc"]).scan(None))
    assert "Handbuch" in told.value.hint


def test_a_listing_without_cursor_begins_each_page_where_the_last_ended(
    dms: FakePaperless, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paperless, "PER_PAGE", 3)
    for number in range(1, 11):
        dms.add(number, "Text")
    scan = dms.connect().scan(None)
    before = [next(scan) for _ in range(3)]
    dms.edit(1, "While it is listed: every later page would shift by one.")
    dms.delete(2, for_good=True)
    events = [*before, *scan]

    assert {one.id for one in events if isinstance(one, Ref)} == {str(n) for n in range(1, 11)}
    assert isinstance(events[-1], Mark)
    assert events[-1].full


def test_many_documents_edited_in_the_same_moment_are_all_listed(
    dms: FakePaperless, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paperless, "PER_PAGE", 3)
    for number in range(1, 12):
        dms.add(number, "Text")
    for number in range(2, 11):
        dms.documents[number].modified = dms.documents[2].modified

    assert len([one for one in dms.connect().scan(None) if isinstance(one, Ref)]) == 11


# --- what changed


def test_only_edits_are_listed_and_the_trash_names_what_went(five: FakePaperless) -> None:
    core = Core()
    connector = five.connect()
    core.sync(connector)
    five.tick(3_600)
    five.edit(2, "Anders.")
    five.add(6, "Neu.")
    five.delete(3)
    asked = len(five.asked)
    plan = core.sync(connector)

    assert (plan.added, plan.changed, plan.removed) == (("6",), ("2",), ("3",))
    assert core.fetched == ["6", "2"]
    listed = [one for one in five.asked[asked:] if one.path.endswith("/documents/")]
    assert all("modified__gt" in one.params for one in listed)


def test_edits_in_the_same_second_and_late_commits_are_seen(five: FakePaperless) -> None:
    core = Core()
    core.sync(five.connect())
    last = five.documents[5].modified
    five.documents[4].text, five.documents[4].modified = "Neu", last + timedelta(microseconds=1)
    five.add(6, "Committed late.")
    five.documents[6].modified = last - timedelta(minutes=5)
    plan = core.sync(five.connect())

    assert (plan.added, plan.changed) == (("6",), ("4",))


def test_a_file_version_without_an_edit_comes_with_the_full_listing(five: FakePaperless) -> None:
    core = Core()
    core.sync(five.connect())
    five.documents[2].versions = [41]
    five.tick(25 * 3_600)

    assert core.sync(five.connect()).changed == ("2",)


def test_an_emptied_trash_and_bulk_rights_are_told_by_the_daily_listing(five: FakePaperless) -> None:
    core = Core()
    five.tick(3_600)
    five.add(6, "Die letzte Änderung.")
    core.sync(five.connect())
    five.delete(3, for_good=True)
    five.documents[2].owner = 2
    at_once = core.sync(five.connect())
    five.tick(25 * 3_600)
    plan = core.sync(five.connect())

    assert at_once.does_nothing
    assert (plan.removed, plan.readers_changed, plan.changed) == (("3",), ("2",), ())
    assert core.fetched == []


def test_a_restored_document_comes_back(five: FakePaperless) -> None:
    core = Core()
    core.sync(five.connect())
    five.delete(3)
    core.sync(five.connect())
    five.documents[3] = five.trash.pop(3)
    five.tick(25 * 3_600)

    assert core.sync(five.connect()).added == ("3",)


@pytest.mark.parametrize("cursor", [None, "old", {"modified": "?"}, {"settings": "x", "modified": "y"}])
def test_a_strange_cursor_lists_everything(five: FakePaperless, cursor: str | None) -> None:
    events = list(five.connect().scan(cursor))

    assert len([one for one in events if isinstance(one, Ref)]) == 5
    assert isinstance(events[-1], Mark)
    assert events[-1].full


def test_other_settings_and_a_clock_set_back_list_everything(five: FakePaperless) -> None:
    cursor = _cursor(five.connect())
    other = list(five.connect(tags=["Handbuch"]).scan(cursor))
    five.tick(-30 * 86_400)
    earlier = list(five.connect().scan(cursor))

    assert [one.full for one in (*other, *earlier) if isinstance(one, Mark)] == [True, True]


# --- faults


def _cursor(connector: PaperlessConnector) -> Json:
    [mark] = [one for one in connector.scan(None) if isinstance(one, Mark)]
    return mark.cursor


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("is_full", [True, False])
def test_a_fault_at_any_request_deletes_nothing(five: FakePaperless, fault: str, is_full: bool) -> None:
    core = Core()
    connector = five.connect()
    core.sync(connector)
    five.edit(2, "Anders.")
    if is_full:
        core.cursor = None
    asked = len(five.asked)
    list(connector.scan(core.cursor))
    n_requests = len(five.asked) - asked
    for n in range(n_requests):
        five.fault, five.fault_from = FAULTS[fault], len(five.asked) + n
        events: list[Event] = []
        try:
            events.extend(connector.scan(core.cursor))
        except ConnectorError as error:
            assert PASSWORD not in str(error)  # noqa: PT017 - not every fault is told: of a trash, it is passed over
        else:
            assert n == n_requests - 1 or (is_full and fault == "403"), f"request {n} of {n_requests}"
        five.fault = None

        assert not [one for one in events if isinstance(one, Gone)]


def _one_page(answer: Answer) -> Answer:
    page = json.loads(answer.body)
    page["next"] = None
    return Answer(json.dumps(page).encode())


def _half(answer: Answer) -> Answer:
    page = json.loads(answer.body)
    if "permissions" not in str(page):
        return answer
    page["results"] = page["results"][: len(page["results"]) // 2]
    return Answer(json.dumps(page).encode())


def _nothing(_: Answer) -> Answer:
    return Answer(b'{"count": 0, "next": null, "previous": null, "all": [], "results": []}')


def _half_and_counted_so(answer: Answer) -> Answer:
    page = json.loads(answer.body)
    if "permissions" not in str(page):
        return answer
    half = page["results"][: len(page["results"]) // 2]
    return Answer(json.dumps({**page, "count": len(half), "results": half}).encode())


def _without_rights(answer: Answer) -> Answer:
    return Answer(answer.body.replace(b'"permissions"', b'"rights"'))


@pytest.mark.parametrize("fault", [_one_page, _half, _nothing, _half_and_counted_so, _without_rights])
def test_a_listing_that_is_not_whole_is_refused(
    five: FakePaperless, monkeypatch: pytest.MonkeyPatch, fault: object
) -> None:
    for stored in five.documents.values():
        stored.owner = 1
    core = Core()
    core.sync(five.connect())
    monkeypatch.setattr(paperless, "PER_PAGE", 2)
    core.cursor, five.fault = None, fault  # type: ignore[assignment]

    with pytest.raises(ConnectorError):
        core.sync(five.connect())


def test_a_login_page_in_place_of_a_file_is_no_document(five: FakePaperless) -> None:
    connector = five.connect()
    [ref, *_] = connector.scan(None)
    assert isinstance(ref, Ref)
    five.fault = FAULTS["login page"]

    with pytest.raises(ConnectorRefused, match="login page"):
        connector.fetch(ref)


# --- through a real sync


def test_a_real_sync_follows_edits_deletions_and_rights_and_survives_an_outage(
    five: FakePaperless, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    five.documents[1].owner, five.documents[1].users = 2, [3]
    with kbm_over(tmp_path / "kbm", {"dms": five.connect()}, readers={"dms": ["group:staff"]}) as kbm:

        def sync() -> SyncResult:
            return kbm.sync.run(kbm.source_to_sync("dms"), NoProgress())

        def readers() -> dict[str, frozenset[str]]:
            return {id: one.readers for id, one in kbm.catalogue.documents.known("dms").items()}

        first = sync()
        five.fault = FAULTS["500"]
        with pytest.raises(ConnectorUnavailable):
            sync()
        five.fault = None
        after_outage = readers()
        five.edit(2, "Ganz anders.")
        five.documents[1].users = []
        five.delete(3)
        second = sync()

        assert first.n_stored == 5
        assert after_outage["1"] == {"user:bert", "user:carla"}
        assert len(after_outage) == 5
        assert (second.plan.changed, second.plan.removed, second.n_stored) == (("2",), ("3",), 1)
        assert [set(readers()[id]) for id in "12"] == [{"user:bert"}, {"group:staff"}]
        assert sync().n_stored == 0
        five.fault = lambda _: Answer(b'{"detail": "no for %s"}' % PASSWORD.encode(), status=403)
        with pytest.raises(ConnectorRefused):
            sync()
    told = "".join(capsys.readouterr())
    left = [path for path in (tmp_path / "kbm").rglob("*") if path.is_file()]
    assert left
    for secret in (PASSWORD, *five.tokens):
        assert secret not in told
        assert not [path for path in left if secret.encode() in path.read_bytes()]


def test_a_sync_killed_between_two_documents_fetches_only_the_rest(
    five: FakePaperless, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    class DiesAtTheThird(PaperlessConnector):
        n = 0

        def fetch(self, ref: Ref):  # type: ignore[no-untyped-def]
            DiesAtTheThird.n += 1
            if DiesAtTheThird.n == 3:
                raise Killed
            return super().fetch(ref)

    settings = five.connect().settings.model_dump()
    dying = DiesAtTheThird("dms", settings, five.root, pause=lambda _: None)
    with kbm_over(tmp_path / "kbm", {"dms": dying}) as kbm, pytest.raises(Killed):
        kbm.sync.run(kbm.source_to_sync("dms"), NoProgress())
    with kbm_over(tmp_path / "kbm", {"dms": five.connect()}) as kbm:
        result = kbm.sync.run(kbm.source_to_sync("dms"), NoProgress())

        assert result.n_stored == 3
        assert len(kbm.catalogue.documents.known("dms")) == 5
