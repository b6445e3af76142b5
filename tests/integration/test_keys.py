"""Keys over a real database: made, used, counted, replaced and revoked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.access import OPEN, Action, Rights
from kbm.errors import KeyRefused, NotFound, TooManyRequests, UsageError
from kbm.services.keys import NewKey
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kbm(tmp_path: Path, clock: FakeClock) -> Iterator[Kbm]:
    with kbm_over(tmp_path, FakeConnector(), clock=clock) as kbm:
        yield kbm


def made(kbm: Kbm, rights: Rights | None = None, valid_for: timedelta | None = None) -> NewKey:
    return kbm.keys.create("intranet", rights or Rights(), valid_for=valid_for, who="anna")


def test_before_the_first_key_anybody_may_ask_and_after_it_nobody_without_one(kbm: Kbm) -> None:
    assert kbm.access.subject_of(None) is OPEN

    new = made(kbm)

    with pytest.raises(KeyRefused):
        kbm.access.subject_of(None)
    assert kbm.access.subject_of(new.token).id == f"key:{new.key.id}"


def test_revoking_the_last_key_does_not_open_the_door(kbm: Kbm) -> None:
    new = made(kbm)

    kbm.keys.revoke(new.key.id, who="anna")

    for bearer in (None, new.token):
        with pytest.raises(KeyRefused):
            kbm.access.subject_of(bearer)


def test_the_key_itself_is_nowhere_in_the_data_folder(kbm: Kbm, tmp_path: Path) -> None:
    new = made(kbm)
    kbm.access.subject_of(new.token)

    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert new.key.id.encode() in stored
    assert new.token[12:44].encode() not in stored


@pytest.mark.parametrize("bearer", ["", "kbm_", "kbm_" + "0" * 46, "Bearer", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_key_is_refused_in_the_same_words(kbm: Kbm, bearer: str) -> None:
    revoked = made(kbm)
    kbm.keys.revoke(revoked.key.id, who="anna")
    with pytest.raises(KeyRefused) as once:
        kbm.access.subject_of(revoked.token)

    with pytest.raises(KeyRefused) as other:
        kbm.access.subject_of(bearer)

    assert (str(other.value), other.value.hint) == (str(once.value), once.value.hint)


def test_a_key_ends_when_it_was_said_to(kbm: Kbm, clock: FakeClock) -> None:
    new = made(kbm, valid_for=timedelta(days=1))

    clock.advance(hours=23)
    assert kbm.access.subject_of(new.token)
    clock.advance(hours=1)

    with pytest.raises(KeyRefused):
        kbm.access.subject_of(new.token)


def test_a_rotated_key_holds_beside_the_new_one_for_the_overlap_only(kbm: Kbm, clock: FakeClock) -> None:
    old = made(kbm, Rights(gpts=frozenset({"helper"}), per_day=9))

    new = kbm.keys.rotate(old.key.id, overlap=timedelta(days=7), who="ben")

    assert new.key.rights == old.key.rights
    clock.advance(days=6)
    assert kbm.access.subject_of(old.token)
    clock.advance(days=1)
    with pytest.raises(KeyRefused):
        kbm.access.subject_of(old.token)
    assert kbm.access.subject_of(new.token)
    with pytest.raises(UsageError, match="does not hold any more"):
        kbm.keys.rotate(old.key.id, overlap=timedelta(0), who="ben")


def test_who_made_and_ended_keys_is_in_the_audit_log(kbm: Kbm) -> None:
    new = made(kbm)
    kbm.keys.revoke(new.key.id, who="ben")
    kbm.keys.revoke(new.key.id, who="ben")  # a second time changes nothing

    logged = [(one.who, one.action, one.subject) for one in kbm.catalogue.audit.entries()]

    assert logged == [("anna", "key_created", new.key.id), ("ben", "key_revoked", new.key.id)]
    assert kbm.catalogue.audit.verify().broken is None


def test_a_key_for_a_gpt_that_is_not_there_is_not_made(kbm: Kbm) -> None:
    with pytest.raises(NotFound, match="there is: helper"):
        made(kbm, Rights(gpts=frozenset({"helpr"})))

    assert kbm.keys.list() == []


def test_a_full_minute_refuses_and_says_when_there_is_room(kbm: Kbm, clock: FakeClock) -> None:
    subject = kbm.access.subject_of(made(kbm, Rights(per_minute=6)).token)
    for _ in range(6):
        kbm.access.count(subject)

    with pytest.raises(TooManyRequests) as full:
        kbm.access.count(subject)

    assert full.value.retry_after_s == 10
    clock.advance(seconds=10)
    kbm.access.count(subject)


def test_the_days_budget_survives_a_restart_and_ends_at_midnight(tmp_path: Path, clock: FakeClock) -> None:
    with kbm_over(tmp_path, FakeConnector(), clock=clock) as kbm:
        token = made(kbm, Rights(per_day=3)).token
        for _ in range(2):
            kbm.access.count(kbm.access.subject_of(token))
    with kbm_over(tmp_path, FakeConnector(), clock=clock) as kbm:
        subject = kbm.access.subject_of(token)
        kbm.access.count(subject)

        with pytest.raises(TooManyRequests, match="a day") as full:
            kbm.access.count(subject)

        clock.advance(seconds=full.value.retry_after_s)
        kbm.access.count(subject)


def test_the_list_says_when_a_key_was_used_last(kbm: Kbm, clock: FakeClock) -> None:
    used, unused = made(kbm), made(kbm)
    kbm.access.count(kbm.access.subject_of(used.token))
    clock.advance(seconds=60)
    kbm.access.count(kbm.access.subject_of(used.token))
    kbm.access.close()

    assert {one.id: one.last_used_on for one in kbm.keys.list()} == {
        used.key.id: "2026-11-02",
        unused.key.id: None,
    }


def test_what_a_key_allows_comes_back_as_it_was_set(kbm: Kbm) -> None:
    rights = Rights(
        actions=frozenset({Action.SEARCH, Action.METRICS}),
        gpts=frozenset({"helper"}),
        readers=frozenset({"everyone", "group:hr"}),
        per_minute=5,
        per_day=50,
    )

    assert kbm.access.subject_of(made(kbm, rights).token).rights == rights
