"""Who may read a file of a Windows share: at most those Windows would let read it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kbm_connectors.nt_readers import readers_of, sids_by_name

from tests.unit.connectors.fake_share import (
    ALLOW,
    ALLOW_IF,
    AUTHENTICATED,
    DENY,
    DENY_IF,
    DENY_OBJECT,
    EVERYONE,
    FULL,
    GENERIC_READ,
    READ,
    WRITE,
    ace,
    descriptor,
)

HR, IT, ANNA, BERT, UNKNOWN = (f"S-1-5-21-1-2-3-{n}" for n in (1105, 1106, 1201, 1202, 1999))
MAPPED = {HR: "group:hr", IT: "group:it", ANNA: "user:anna", BERT: "user:bert"}
INHERIT_ONLY, INHERITED = 0x08, 0x10


@pytest.mark.parametrize(
    ("entries", "readers"),
    [
        ([ace(ALLOW, HR), ace(ALLOW, ANNA)], {"group:hr", "user:anna"}),
        ([ace(ALLOW, EVERYONE)], {"everyone"}),
        ([ace(ALLOW, AUTHENTICATED)], {"everyone"}),
        ([ace(ALLOW, UNKNOWN), ace(ALLOW, "S-1-5-32-545"), ace(ALLOW, "S-1-5-18", FULL)], set()),
        ([ace(ALLOW, HR, FULL), ace(ALLOW, IT, GENERIC_READ)], {"group:hr", "group:it"}),
        ([ace(ALLOW, HR, WRITE)], set()),
        ([ace(ALLOW, HR, READ, INHERIT_ONLY)], set()),
        ([ace(ALLOW, HR, READ, INHERITED)], {"group:hr"}),
        ([ace(ALLOW_IF, HR)], set()),
        ([ace(DENY, HR), ace(ALLOW, HR)], set()),
        ([ace(DENY, HR), ace(ALLOW, EVERYONE)], set()),
        ([ace(DENY, HR), ace(ALLOW, IT)], set()),
        ([ace(DENY, HR), ace(ALLOW, ANNA)], set()),
        ([ace(DENY, UNKNOWN), ace(ALLOW, ANNA)], set()),
        ([ace(DENY_IF, HR), ace(ALLOW, IT)], set()),
        ([ace(DENY_OBJECT, HR), ace(ALLOW, IT)], set()),
        ([ace(DENY, BERT), ace(ALLOW, ANNA), ace(ALLOW, BERT)], {"user:anna"}),
        ([ace(DENY, BERT), ace(ALLOW, HR)], set()),
        ([ace(DENY, HR, WRITE), ace(ALLOW, HR)], {"group:hr"}),
        ([ace(DENY, HR, READ, INHERIT_ONLY), ace(ALLOW, HR)], {"group:hr"}),
        ([ace(ALLOW, IT), ace(DENY, HR), ace(ALLOW, HR)], {"group:it"}),
        ([], set()),
    ],
)
def test_readers_are_those_the_list_lets_read(entries: list[bytes], readers: set[str]) -> None:
    assert readers_of(descriptor(*entries), MAPPED) == readers


def test_without_a_list_nobody_is_let_in() -> None:
    assert readers_of(descriptor(ace(ALLOW, EVERYONE), present=False), MAPPED) == frozenset()
    assert readers_of(b"", MAPPED) == frozenset()


def test_a_mapping_of_everyone_stands_before_the_usual_one() -> None:
    mapped = sids_by_name({"Everyone": "group:staff", "builtin\\users": "group:house"})
    listed = descriptor(ace(ALLOW, EVERYONE), ace(ALLOW, "S-1-5-32-545"))

    assert readers_of(listed, mapped) == {"group:staff", "group:house"}


@given(
    entries=st.lists(
        st.tuples(st.sampled_from([ALLOW, DENY]), st.sampled_from([HR, IT, ANNA, BERT, EVERYONE, UNKNOWN])),
        max_size=6,
    ),
    groups=st.sets(st.sampled_from([HR, IT, UNKNOWN])),
    account=st.sampled_from([ANNA, BERT]),
)
def test_nobody_reads_who_could_not_there(
    entries: list[tuple[int, str]], groups: set[str], account: str
) -> None:
    is_in = {account, EVERYONE, *groups}
    may_there = next((kind == ALLOW for kind, sid in entries if sid in is_in), False)
    here = {MAPPED[one] for one in is_in if one in MAPPED} | {"everyone"}

    if not may_there:
        assert not readers_of(descriptor(*(ace(kind, sid) for kind, sid in entries)), MAPPED) & here


@given(cut=st.integers(0, 200), at=st.integers(0, 120), byte=st.integers(0, 255))
def test_what_is_damaged_lets_nobody_more_in(cut: int, at: int, byte: int) -> None:
    whole = descriptor(ace(DENY, HR), ace(ALLOW, UNKNOWN))
    damaged = bytearray(whole[: len(whole) - cut] if cut < len(whole) else b"")
    if at < len(damaged):
        damaged[at] = byte

    # One wrong byte may turn a denial into a grant for the same group, never for everyone.
    assert "everyone" not in readers_of(bytes(damaged), MAPPED)


def test_a_list_that_leads_out_of_itself_lets_nobody_in() -> None:
    whole = bytearray(descriptor(ace(ALLOW, EVERYONE), ace(ALLOW, HR)))
    struct.pack_into("<H", whole, len(whole) - 36 + 2, 60_000)

    assert readers_of(bytes(whole), MAPPED) == frozenset()


@pytest.mark.parametrize("name", ["Personal", "S-1", "S-2-5-21", "S-1-5-x", ""])
def test_a_name_that_is_no_sid_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="SID"):
        sids_by_name({name: "group:hr"})
