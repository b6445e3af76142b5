"""Erase documents over real SQLite, real Chroma and real index files; what is left is read from the disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kbm import faults
from kbm.bootstrap import Kbm
from kbm.domain.erasure import Certificate, Mark, Step
from kbm.domain.evaluation import GoldenQuestion, GoldenState
from kbm.domain.identity import document_id
from kbm.domain.releases import ReleaseContent, ReleaseState
from kbm.errors import NotFound, UsageError
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, FakeEmbedder, NoProgress
from tests.integration.deaths import deaths

SHARED = "Every employee may park in the yard behind hall seven."
PAGES = {
    "leave.txt": "Employees get 30 days of leave a year, and five more after ten years.",
    "people/maria-hartmann-file.txt": (
        "Maria Hartmann earns 74,250 euros and was warned for coming late in February.\n\n"
        "Her pension number is 65 170839 H 041, kept in the blue cabinet of the personnel office.\n\n"
        + SHARED
    ),
    "yard.txt": f"{SHARED}\n\nThe gate closes at nine in the evening.",
}
ERASED = "people/maria-hartmann-file.txt"
POINTS = sorted(point for point in faults.POINTS if point.startswith("erase."))
SECRETS = ["Maria Hartmann", "74,250 euros", "65 170839 H 041", "maria-hartmann"]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.arm("")


@pytest.fixture
def source() -> FakeConnector:
    return FakeConnector(items=dict(PAGES))


def two_releases(kbm: Kbm, source: FakeConnector) -> None:
    sync(kbm)
    build(kbm, "1.0.0")
    source.items[ERASED] = source.items[ERASED].replace("February", "February and in March")
    sync(kbm)
    build(kbm, "1.0.1")


def sync(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())


def build(kbm: Kbm, version: str) -> None:
    kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
    kbm.publish.run("helper", version, who="anna", why="test")


def erase(kbm: Kbm, item: str = f"docs:{ERASED}") -> Certificate:
    return kbm.erase.run(item, who="dpo", reason="Art. 17, request 12", progress=NoProgress())


def ask(kbm: Kbm, question: str, release: str | None = None) -> list[str]:
    found = kbm.retrieve.run("helper", question, Caller(), release=release)
    return [passage.text for passage in found.passages]


def places_with(folder: Path, *texts: str) -> list[str]:
    """Search the data folder with other means than the code under test: plain ``in``, and bodies unpacked."""
    found = []
    for path in sorted((folder / ".kbm").rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        for text in texts:
            if text.encode() in data or text.encode("utf-16-le") in data or text in str(path):
                found.append(f"{path.name}: {text}")  # noqa: PERF401 - more follows
        at = data.find(b"\x78\x9c")
        while at >= 0:
            try:
                if any(text.encode() in zlib.decompressobj().decompress(data[at:]) for text in texts):
                    found.append(f"{path.name}: unpacked")
            except zlib.error:
                pass
            at = data.find(b"\x78\x9c", at + 1)
    return found


def test_nothing_of_an_erased_document_is_left_on_disk(tmp_path: Path, source: FakeConnector) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        assert len(places_with(tmp_path, *SECRETS)) > 4
        vectors = [one.tobytes() for one in FakeEmbedder().embed([PAGES[ERASED].split("\n")[0]], "passage")]
        assert vectors

        made = erase(kbm)

        assert places_with(tmp_path, *SECRETS) == []
        assert made.proved
        assert made.before[Mark.TEXT] > 0
        assert made.before[Mark.UNPACKED] > 0
        assert made.before[Mark.VECTORS] > 0
        assert made.before[Mark.RAW] > 0
        assert sum(made.after.values()) == 0


def test_the_neighbours_stay_to_the_letter_and_what_is_shared_stays_theirs(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        before = ask(kbm, "gate closes evening yard park")
        embedded = kbm.embedder.n_embedded if isinstance(kbm.embedder, FakeEmbedder) else -1

        erase(kbm)

        after = ask(kbm, "gate closes evening yard park")
        assert [text for text in before if text in after] == after
        assert any(SHARED in text for text in after)
        assert not any("Maria" in text for text in after)
        assert not any(one.problem for one in kbm.rebuild.check("helper"))
        source.items["new.txt"] = "A new page about the canteen."
        sync(kbm)
        build(kbm, "1.0.2")
        assert isinstance(kbm.embedder, FakeEmbedder)
        assert (
            kbm.embedder.n_embedded <= embedded + 5
        )  # questions and the new page; nothing is embedded again


def test_every_release_that_held_it_is_redacted_and_the_live_one_stays_live(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        before = {str(one.version): one for one in kbm.catalogue.releases.all("helper")}

        made = erase(kbm)

        for one in kbm.catalogue.releases.all("helper"):
            assert one.redacted_at is not None
            assert one.first_digest == before[str(one.version)].digest
            assert one.digest != one.first_digest
            assert one.n_documents == 2
        live = kbm.catalogue.releases.live("helper")
        assert live is not None
        assert live.state is ReleaseState.LIVE
        assert [(gpt, version) for gpt, version, _, _ in made.releases] == [
            ("helper", "1.0.0"),
            ("helper", "1.0.1"),
        ]


def test_the_digest_is_that_of_a_release_which_never_held_it(tmp_path: Path, source: FakeConnector) -> None:
    without = FakeConnector(items={id: text for id, text in PAGES.items() if id != ERASED})
    with kbm_over(tmp_path / "never", without) as kbm:
        sync(kbm)
        build(kbm, "1.0.0")
        straight = kbm.catalogue.releases.get("helper", "1.0.0").digest
    with kbm_over(tmp_path / "erased", source) as kbm:
        two_releases(kbm, source)

        erase(kbm)

        assert {one.digest for one in kbm.catalogue.releases.all("helper")} == {straight}


def test_it_does_not_come_back_with_the_next_sync(tmp_path: Path, source: FakeConnector) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        erase(kbm)
        source.items[ERASED] += "\n\nAnd a new sentence about her."
        source.fetched.clear()

        result = kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())

        assert result.plan.n_erased == 1
        assert source.fetched == []
        assert ERASED not in str(result.plan)
        assert places_with(tmp_path, *SECRETS) == []


def test_a_release_that_is_open_is_opened_anew_for_the_next_question(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        with kbm_over(tmp_path, source) as served:
            assert any("Maria" in text for text in ask(served, "Maria Hartmann pension", "1.0.0"))

            erase(kbm)

            old = kbm.catalogue.releases.get("helper", "1.0.0")
            found = served.retrieve.run("helper", "Maria Hartmann pension", Caller(), release="1.0.0")
            assert not any("Maria" in passage.text for passage in found.passages)
            assert found.release.digest == old.digest
            opened = served.indexes.open("helper", old.index_spec, old.seq, old.index_digest)
            hits = opened.search("Maria Hartmann pension", None, readable=None).hits
            assert not hits


def test_receipts_plans_and_golden_questions_lose_it(tmp_path: Path, source: FakeConnector) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        kbm.catalogue.golden.put(
            "helper",
            [
                GoldenQuestion(
                    id="q1",
                    question="What is the pension number?",
                    expected=(f"docs:{ERASED}", "docs:leave.txt"),
                    must_contain=("65 170839 H 041",),
                )
            ],
        )
        answer = kbm.ask.run("helper", "What is the pension number of Maria Hartmann?", Caller())
        assert answer.citations

        made = erase(kbm)

        recorded = kbm.journal.recorded(answer.id)
        assert recorded is not None
        assert recorded.receipt.fits(kbm.secret.mac)
        assert not any(
            isinstance(hit, str) and hit == answer.citations[0].passage.chunk_id
            for hit in recorded.receipt.hits
        )
        question = kbm.catalogue.golden.all("helper")[0]
        assert question.expected == ("docs:leave.txt",)
        assert question.state is GoldenState.TO_REVIEW
        assert question.must_contain == ("65 170839 H 041",)  # people's own words stay, and are no residue
        assert made.proved


def test_a_question_answered_from_it_is_forgotten_and_others_stay(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        other = "How many days of leave do employees get?"
        for question in ("What is the pension number of Maria Hartmann?", other):
            assert kbm.ask.run("helper", question, Caller()).citations

        erase(kbm)

        left = kbm.journal.questions.since("helper", kbm.clock.now())
        assert [one.question for one in left] == [other]
    assert places_with(tmp_path, "pension number of Maria") == []


def test_the_ledger_the_audit_log_and_the_certificate_hold_no_name(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)

        made = erase(kbm)

        ledger = kbm.catalogue.erasures.all()[0]
        entry = kbm.catalogue.audit.entries()[-1]
        assert "maria" not in f"{made} {ledger} {entry}".lower()
        assert (ledger.step, ledger.document_no, ledger.item) == (Step.DONE, None, made.item)
        assert (entry.action, entry.who, entry.reason) == ("erase", "dpo", "Art. 17, request 12")
        assert not (tmp_path / ".kbm" / "erasing").exists()


def test_erasing_it_again_gives_the_same_certificate(tmp_path: Path, source: FakeConnector) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        first = erase(kbm)

        assert erase(kbm) == first


def test_a_document_id_names_it_too_and_an_unknown_name_is_refused(
    tmp_path: Path, source: FakeConnector
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)

        with pytest.raises(NotFound):
            erase(kbm, "docs:nobody.txt")
        with pytest.raises(UsageError, match="needs its reason"):
            kbm.erase.run(f"docs:{ERASED}", who="dpo", reason=" ", progress=NoProgress())

        assert erase(kbm, document_id("docs", ERASED)).proved


def test_a_quarantined_document_is_erased_with_its_bytes(tmp_path: Path, source: FakeConnector) -> None:
    source.items["scan-of-maria-hartmann.pdf"] = "%PDF-1.7 no more: Maria Hartmann, born 17.08.1939"
    with kbm_over(tmp_path, source) as kbm:
        sync(kbm)
        assert [one.item_id for one in kbm.catalogue.documents.quarantine()] == ["scan-of-maria-hartmann.pdf"]

        made = erase(kbm, "docs:scan-of-maria-hartmann.pdf")

        assert places_with(tmp_path, "born 17.08.1939") == []
        assert made.before[Mark.RAW] > 0


def test_the_last_document_of_a_release_can_be_erased(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items={ERASED: PAGES[ERASED]})) as kbm:
        sync(kbm)
        build(kbm, "1.0.0")

        made = erase(kbm)

        assert made.proved
        assert ask(kbm, "pension number") == []


@pytest.mark.parametrize(("point", "when"), deaths(*POINTS))
def test_an_erasure_that_died_anywhere_is_finished_by_the_next_run(
    tmp_path: Path, source: FakeConnector, point: str, when: str
) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        faults.arm(f"{point}:{when}:EIO")
        with pytest.raises(OSError, match=point):
            erase(kbm)
        faults.arm("")
        begun = kbm.catalogue.erasures.all()
        hidden = not any("Maria" in text for text in ask(kbm, "Maria Hartmann pension"))
        assert hidden or (point, when) == ("erase.withdraw", "before")
        assert bool(begun) == hidden
    with kbm_over(tmp_path, source) as kbm:
        made = [erase(kbm)] if not begun else kbm.erase.resume(NoProgress())

        assert [one.proved for one in made] == [True]
        assert places_with(tmp_path, *SECRETS) == []
        assert not any(one.problem for one in kbm.rebuild.check("helper"))
        assert [one.redacted_at is not None for one in kbm.catalogue.releases.all("helper")] == [True, True]
        assert {gpt for gpt, _, before, after in made[0].releases if before != after} == {"helper"}
        assert ask(kbm, "gate closes evening")
        sync(kbm)
        assert kbm.erase.resume(NoProgress()) == []


def test_a_release_that_was_put_away_is_redacted_too(tmp_path: Path, source: FakeConnector) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        kbm.catalogue.retention.set_content("helper", 1, ReleaseContent.EVICTED)

        made = erase(kbm)

        old = kbm.catalogue.releases.get("helper", "1.0.0")
        assert made.proved
        assert (old.content, old.redacted_at is not None) == (ReleaseContent.INDEXED, True)
        assert old.digest == kbm.catalogue.releases.get("helper", "1.0.1").digest


def test_another_erasure_finishes_one_that_died_before_its_own(tmp_path: Path, source: FakeConnector) -> None:
    with kbm_over(tmp_path, source) as kbm:
        two_releases(kbm, source)
        faults.arm("erase.releases:before:EIO")  # indexes are sealed without it, SQL still names it
        with pytest.raises(OSError, match=r"erase\.releases"):
            erase(kbm)
        faults.arm("")
        assert not kbm.compact.run(["helper"], NoProgress()).problems  # its rows go

        made = erase(kbm, "docs:leave.txt")

        assert made.proved
        assert kbm.catalogue.erasures.unfinished() == []
        assert places_with(tmp_path, *SECRETS, "30 days of leave") == []
        assert not any(one.problem for one in kbm.rebuild.check("helper"))
        assert ask(kbm, "gate closes evening")
