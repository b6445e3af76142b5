"""The connector ``llamaindex`` keeps the promises of every connector, whatever the reader does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kbm.domain.sync import Failed, Mark
from kbm.errors import ConnectorRefused, ConnectorUnavailable
from kbm.services.sync import SyncResult
from kbm.testing.builders import kbm_over
from kbm.testing.contracts.connector import ConnectorContract
from kbm.testing.fakes import NoProgress
from tests.contract.llamaindex_readers import READERS, SECRET, Readers, refs
from tests.unit.connectors.core import Core


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Readers:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "kbm_test_readers.py").write_text(READERS)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    return Readers(tmp_path)


@pytest.fixture
def three(source: Readers) -> Readers:
    for id in ("a", "b", "c"):
        source.make(id, f"Der Text von {id}.")
    return source


class TestLlamaIndex(ConnectorContract):
    secrets = (SECRET,)

    @pytest.fixture
    def source(self, source: Readers) -> Readers:
        return source


# --- what is listed


def test_metadata_tells_of_a_document_and_is_no_part_of_its_text(source: Readers) -> None:
    source.make(
        "a",
        "Der Text.",
        title="Reise",
        url="https://wiki.example/reise",
        author="Bert",
        last_modified_date="2026-11-24",
    )
    source.make("b", "Zwei", source="javascript:alert(1)", Wer="Carla", Wann=1_790_000_000)
    [a, _] = refs(source.connect()).values()
    b = refs(source.connect(author="Wer", modified="Wann"))["b"]

    assert (a.title, a.url, a.author) == ("Reise", "https://wiki.example/reise", "Bert")
    assert (a.modified, a.readers, a.size) == (datetime(2026, 11, 24, tzinfo=UTC), None, 9)
    assert (b.url, b.author, b.modified) == ("", "Carla", datetime.fromtimestamp(1_790_000_000, UTC))
    assert source.connect().fetch(a).data == b"Der Text."


def test_documents_are_named_by_their_metadata_and_pages_of_one_are_one(source: Readers) -> None:
    for n, (path, text) in enumerate([("x.pdf", "Seite 1"), ("y.pdf", "Anderes"), ("x.pdf", "Seite 2")]):
        source.make(str(n), text, file_path=path)
    connector = source.connect(id="file_path", format="markdown")
    found = refs(connector)

    assert list(found) == ["x.pdf", "y.pdf"]
    assert connector.fetch(found["x.pdf"]).data == b"Seite 1\n\nSeite 2"
    assert connector.fetch(found["x.pdf"]).media_type == "text/markdown"


def test_a_touched_document_is_not_read_again_and_arguments_reach_the_reader(three: Readers) -> None:
    before = refs(three.connect())["a"].version
    three.edit("a", "Der Text von a.", last_modified_date="2026-11-25", last_accessed="now")
    found = refs(three.connect(load={"only": "a"}))

    assert {id: ref.version for id, ref in found.items()} == {"a": before}


def test_texts_of_any_kind_can_be_stored(source: Readers) -> None:
    source.make("\x00\ud800" + "x" * 600, "half a letter \ud83d", title="a\nb\x07")
    connector = source.connect()
    [ref] = refs(connector).values()

    assert len(ref.id.encode()) < 600
    assert ref.title == "a b"
    assert connector.fetch(ref).data == b"half a letter ?"


def test_a_document_without_the_key_is_told_and_nothing_goes(three: Readers) -> None:
    three.make("d", "Text", page="d")
    events = list(three.connect(id="page").scan(None))

    assert [one.why for one in events if isinstance(one, Failed)] == [
        "3 documents have no 'page' in their metadata"
    ]
    assert not any(one.full for one in events if isinstance(one, Mark))


# --- random ids


@pytest.mark.parametrize("reader", ["RandomReader", "UnnamedReader"])
def test_random_ids_are_refused_with_what_would_work(source: Readers, reader: str) -> None:
    source.make("a", "Text", page_id="17", title="Reise")

    with pytest.raises(ConnectorRefused, match="random ids") as told:
        refs(source.connect(reader))
    assert told.value.hint.endswith("there is: page_id, title")
    assert list(refs(source.connect(reader, id="page_id"))) == ["17"]


def test_ids_that_only_look_random_are_held_against_a_second_run_once(source: Readers) -> None:
    id = "4dbca6f3-3a4a-4f7e-9f0e-3a6d7d3b0c11"
    source.make(id, "Text")
    core = Core()
    core.sync(source.connect())

    assert list(core.known) == [id]
    assert list(refs(source.connect(), core.cursor)) == [id]


# --- deletions


def test_what_is_not_given_stays_unless_the_reader_is_complete(three: Readers) -> None:
    core, whole = Core(), Core()
    core.sync(three.connect(complete=False))
    whole.sync(three.connect())
    three.remove("b")
    core.sync(three.connect(complete=False))
    whole.sync(three.connect())

    assert set(core.known) == {"a", "b", "c"}
    assert set(whole.known) == {"a", "c"}


@pytest.mark.parametrize("reader", ["LoggingReader", "PrintingReader"])
def test_nothing_goes_after_a_run_that_passed_something_over(three: Readers, reader: str) -> None:
    core = Core()
    core.sync(three.connect(reader))
    three.remove("b")
    plan = core.sync(three.connect(reader))

    assert set(core.known) == {"a", "b", "c"}
    assert "passed over something" in plan.failures[0]
    assert SECRET not in plan.failures[0]


def test_a_reader_may_talk(three: Readers) -> None:
    assert any(one.full for one in three.connect("ChattyReader").scan(None) if isinstance(one, Mark))


@pytest.mark.parametrize(
    ("reader", "told"),
    [
        ("FailingReader", "ConnectionError: https://wiki.example said no"),
        ("HalfReader", "TimeoutError: the second page did not come"),
        ("DyingReader", "died (signal 9)"),
        ("NothingReader", "load_data gave NoneType, no list of documents"),
    ],
)
def test_a_run_that_fails_is_no_listing(three: Readers, reader: str, told: str) -> None:
    connector = three.connect(reader)

    with pytest.raises(ConnectorUnavailable) as error:
        list(connector.scan(None))
    assert told in str(error.value)
    assert SECRET not in str(error.value)
    assert connector.check()


def test_a_reader_that_hangs_is_ended_with_all_it_started(three: Readers) -> None:
    began = time.monotonic()

    with pytest.raises(ConnectorUnavailable, match="did not end within 1 seconds"):
        list(three.connect("HangingReader", timeout_s=1).scan(None))
    assert time.monotonic() - began < 10


def test_a_reader_ends_when_kbm_is_killed(three: Readers) -> None:
    three.connect()
    keys = {"reader": "kbm_test_readers:HangingReader", "arguments": {"path": "items.json"}}
    code = (
        "import sys, pathlib; from kbm_connectors.llamaindex import LlamaIndexConnector\n"
        f"print('up', flush=True); list(LlamaIndexConnector('w', {keys}, pathlib.Path('.')).scan(None))"
    )
    path = os.pathsep.join([str(three.root / "modules"), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=three.root,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    hanging = _eventually(lambda: _descendants(parent.pid), lambda found: len(found) == 2)
    parent.kill()
    parent.wait()

    assert len(hanging) == 2
    assert _eventually(lambda: [pid for pid in hanging if _is_alive(pid)], lambda left: not left) == []
    parent.stdout.close()


def _eventually(look: Callable[[], list[int]], enough: Callable[[list[int]], bool]) -> list[int]:
    end = time.monotonic() + 20
    while not enough(found := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_reader_that_loads_too_much_is_ended(source: Readers) -> None:
    source.make("a", "x" * 1_100_000)

    with pytest.raises(ConnectorRefused, match="loads more than 1 MB"):
        list(source.connect(max_mb=1).scan(None))


# --- through a real sync


def test_a_real_sync_follows_edits_and_keeps_everything_through_a_fault(
    three: Readers, tmp_path: Path
) -> None:
    with kbm_over(tmp_path / "kbm", {"wiki": three.connect()}) as kbm:

        def sync() -> SyncResult:
            return kbm.sync.run(kbm.source_to_sync("wiki"), NoProgress())

        first = sync()
        items = three.items
        three.break_root()
        with pytest.raises(ConnectorUnavailable):
            sync()
        kept = set(kbm.catalogue.documents.known("wiki"))
        three.write(items)
        three.edit("a", "Ganz anders.")
        three.remove("b")
        second = sync()

        assert first.n_stored == 3
        assert kept == {"a", "b", "c"}
        assert (second.plan.changed, second.plan.removed, second.n_stored) == (("a",), ("b",), 1)
        assert sync().plan.does_nothing
    left = [path for path in (tmp_path / "kbm").rglob("*") if path.is_file()]
    assert left
    assert not [path for path in left if SECRET.encode() in path.read_bytes()]
