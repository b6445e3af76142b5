"""Fetching by id: an id opens what the GPT answers from now, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.canary import Audience
from kbm.domain.identity import document_id
from kbm.errors import NotFound, NothingLive
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

ANYBODY = Caller()
HR = Caller(readers=frozenset({"everyone", "group:hr"}))


@pytest.fixture
def docs() -> FakeConnector:
    return FakeConnector(
        items={"leave.txt": "Employees get 30 days of leave.", "pay.txt": "The board gets 250,000 euros."},
        readers={"pay.txt": frozenset({"group:hr"})},
    )


@pytest.fixture
def kbm(tmp_path: Path, docs: FakeConnector) -> Iterator[Kbm]:
    with kbm_over(tmp_path, docs) as kbm:
        yield kbm


def release(kbm: Kbm, version: str, *, publish: bool = True) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
    if publish:
        kbm.publish.run("helper", version, who="anna", why="test")


def found(kbm: Kbm, query: str, caller: Caller = ANYBODY) -> str:
    return kbm.retrieve.run("helper", query, caller).passages[0].chunk_id


def test_a_passage_and_its_document_come_with_release_link_and_text(kbm: Kbm) -> None:
    release(kbm, "1.0.0")
    passage = kbm.fetch.run("helper", found(kbm, "leave"), ANYBODY)
    document = kbm.fetch.run("helper", document_id("docs", "leave.txt"), ANYBODY)

    assert passage.passage.text == "Employees get 30 days of leave."
    assert "start=" in passage.passage.url
    assert passage.release == document.release == "1.0.0"
    assert passage.passage.text in document.passage.text
    assert document.passage.chunk_id == ""
    assert document.passage.url.startswith("http://127.0.0.1:8000/documents/")


def test_before_the_first_release_there_is_nothing_to_fetch(kbm: Kbm) -> None:
    with pytest.raises(NothingLive):
        kbm.fetch.run("helper", "0" * 32, ANYBODY)


def test_the_passage_of_an_older_release_is_not_there_and_is_told_like_nothing(
    kbm: Kbm, docs: FakeConnector
) -> None:
    release(kbm, "1.0.0")
    old = found(kbm, "leave")
    docs.items["leave.txt"] = "Employees get 31 days of leave."
    release(kbm, "1.0.1", publish=False)
    still = kbm.fetch.run("helper", old, ANYBODY)
    newest = kbm.catalogue.releases.newest("helper")
    assert newest is not None
    kbm.publish.run("helper", str(newest.version), who="anna", why="test")

    with pytest.raises(NotFound) as gone:
        kbm.fetch.run("helper", old, ANYBODY)
    with pytest.raises(NotFound) as never:
        kbm.fetch.run("helper", "0" * 32, ANYBODY)

    assert "30 days" in still.passage.text
    assert str(gone.value).replace(old, "0" * 32) == str(never.value)
    assert gone.value.hint == never.value.hint


@pytest.mark.parametrize(
    ("audience", "caller"), [(Audience(share=1.0), ANYBODY), (Audience(group="group:hr"), HR)]
)
def test_whoever_gets_a_canary_can_fetch_what_it_found(
    kbm: Kbm, docs: FakeConnector, audience: Audience, caller: Caller
) -> None:
    release(kbm, "1.0.0")
    docs.items["leave.txt"] = "Employees get 31 days of leave."
    release(kbm, "", publish=False)
    newest = kbm.catalogue.releases.newest("helper")
    assert newest is not None
    kbm.canary.start(
        "helper",
        str(newest.version),
        audience,
        max_drop=1.0,
        who="anna",
        why="test",
        progress=NoProgress(),
    )
    id = found(kbm, "leave", caller)

    fetched = kbm.fetch.run("helper", id, caller)

    assert "31 days" in fetched.passage.text
    assert fetched.release != "1.0.0"
    if audience.group:
        with pytest.raises(NotFound):
            kbm.fetch.run("helper", id, ANYBODY)


def test_what_only_some_may_read_is_told_to_others_like_nothing(kbm: Kbm) -> None:
    release(kbm, "1.0.0")
    for id in (found(kbm, "board euros", HR), document_id("docs", "pay.txt")):
        assert "250,000" in kbm.fetch.run("helper", id, HR).passage.text
        with pytest.raises(NotFound) as gone:
            kbm.fetch.run("helper", id, ANYBODY)
        with pytest.raises(NotFound) as never:
            kbm.fetch.run("helper", "0" * 32, ANYBODY)

        assert str(gone.value).replace(id, "0" * 32) == str(never.value)


def test_readers_that_are_narrowed_close_an_id_at_once(kbm: Kbm, docs: FakeConnector) -> None:
    release(kbm, "1.0.0")
    id = found(kbm, "leave")
    docs.readers["leave.txt"] = frozenset({"group:hr"})
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

    with pytest.raises(NotFound):
        kbm.fetch.run("helper", id, ANYBODY)
    assert kbm.fetch.run("helper", id, HR).release == "1.0.0"
