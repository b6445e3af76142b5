"""Moving the pointer: through the gate, by the sponsor, and when two want to at once."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from kbm.bootstrap import Kbm
from kbm.domain.evaluation import GateVerdict, GoldenQuestion
from kbm.domain.identity import Digest
from kbm.domain.releases import Release
from kbm.entrypoints.cli.main import app
from kbm.errors import Busy, HeldForPerson, KbmError, UsageError
from kbm.services.publish import GatePolicy, OverrideAsked, Published
from kbm.testing.builders import ONE_FOLDER_TOML, kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "press.txt": "The press KB 40 holds 40 tons and weighs 900 kilograms.",
}
GOOD = GoldenQuestion(
    id="leave", question="How many days of leave a year?", expected=("docs:leave.txt",), critical=True
)
BAD = GoldenQuestion(
    id="pool", question="How many days of leave a year?", expected=("docs:pool.txt",), critical=True
)
SPONSOR = "thomas@test.example"
POLICY = GatePolicy(max_drop=0.03, sponsor=SPONSOR)


def build(kbm: Kbm) -> Release:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
    return kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release


def three_releases(kbm: Kbm, source: FakeConnector) -> list[Release]:
    """Build 1.0.0, 1.0.1 and 1.0.2; the first is live."""
    made = [build(kbm)]
    kbm.publish.run("helper", "1.0.0", who="anna", why="first")
    for n in (31, 32):
        source.items["leave.txt"] = f"Employees get {n} days of leave a year."
        made.append(build(kbm))
    return made


def publish(
    kbm: Kbm,
    version: str = "1.0.0",
    *,
    why: str = "",
    reason: str = "",
    sponsor: str = "",
    policy: GatePolicy = POLICY,
) -> Published:
    asked = OverrideAsked(reason=reason, sponsor=sponsor) if reason or sponsor else None
    return kbm.gated_publish.run("helper", version, policy, NoProgress(), who="anna", why=why, override=asked)


def live(kbm: Kbm) -> str | None:
    release = kbm.catalogue.releases.live("helper")
    return str(release.version) if release else None


def actions(kbm: Kbm) -> list[tuple[str, str | None]]:
    return [(one.action, one.reason) for one in kbm.catalogue.audit.entries()]


def test_a_release_that_passes_its_gate_is_published(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        build(kbm)
        kbm.catalogue.golden.put("helper", [GOOD])

        done = publish(kbm)

        assert live(kbm) == "1.0.0"
        assert done.gate is not None
        assert done.gate.verdict is GateVerdict.PASS


def test_a_release_that_fails_its_gate_waits_for_the_sponsor(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        build(kbm)
        kbm.catalogue.golden.put("helper", [BAD])

        with pytest.raises(HeldForPerson, match="critical question pool") as held:
            publish(kbm, why="I say so")

        assert f"--as {SPONSOR}" in held.value.hint
        assert live(kbm) is None
        assert actions(kbm) == []


def test_the_sponsor_may_override_a_failed_gate_and_it_is_kept(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        build(kbm)
        kbm.catalogue.golden.put("helper", [BAD])

        publish(kbm, reason="the pool was closed", sponsor=SPONSOR.upper())

        kept = kbm.catalogue.releases.get("helper", "1.0.0").override
        assert live(kbm) == "1.0.0"
        assert kept is not None
        assert (kept.who, kept.reason, kept.verdict) == ("anna", "the pool was closed", GateVerdict.FAIL)
        assert actions(kbm) == [("override", "the pool was closed"), ("publish", "the pool was closed")]
        assert kbm.catalogue.audit.verify().broken is None


@pytest.mark.parametrize(
    ("reason", "sponsor", "policy", "said"),
    [
        ("because", "anna@test.example", POLICY, "not the sponsor"),
        ("because", "", POLICY, "needs its reason"),
        (" ", SPONSOR, POLICY, "needs its reason"),
        ("because", SPONSOR, replace(POLICY, sponsor=""), "has no sponsor"),
    ],
)
def test_nobody_else_may_override(
    tmp_path: Path, reason: str, sponsor: str, policy: GatePolicy, said: str
) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        build(kbm)
        kbm.catalogue.golden.put("helper", [BAD])

        with pytest.raises(UsageError, match=said):
            publish(kbm, reason=reason, sponsor=sponsor, policy=policy)

        assert live(kbm) is None


def test_an_override_that_was_not_needed_leaves_no_trace_of_one(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        build(kbm)

        made = publish(kbm, reason="to be sure", sponsor=SPONSOR).release

        assert made.override is None
        assert actions(kbm) == [("publish", "to be sure")]


def test_a_held_release_needs_a_reason_and_goes_with_one(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    questions = [replace(GOOD, id=f"q{n}", critical=False) for n in range(2)]
    with kbm_over(tmp_path, source) as kbm:
        build(kbm)
        kbm.publish.run("helper", "1.0.0", who="anna", why="first")
        kbm.catalogue.golden.put("helper", questions)
        for n in range(12):
            source.items[f"copy-{n}.txt"] = f"How many days of leave a year? {n} days of leave a year."
        second = str(build(kbm).version)

        with pytest.raises(HeldForPerson, match="2 golden questions lost"):
            publish(kbm, second)
        assert live(kbm) == "1.0.0"
        publish(kbm, second, why="the copies go tomorrow")

        assert live(kbm) == second
        assert actions(kbm)[-1] == ("publish", "the copies go tomorrow")


def test_publishing_what_is_live_changes_nothing(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        build(kbm)
        publish(kbm)
        kbm.catalogue.golden.put("helper", [BAD])

        assert publish(kbm).gate is None
        assert len(actions(kbm)) == 1


def test_going_back_behind_live_by_publishing_needs_its_reason(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        three_releases(kbm, source)
        kbm.publish.run("helper", "1.0.1", who="anna", why="next")

        with pytest.raises(UsageError, match=r"1\.0\.0 answered before 1\.0\.1") as refused:
            publish(kbm, "1.0.0")

        assert "kbm rollback helper --to 1.0.0" in refused.value.hint
        assert publish(kbm, "1.0.0", why="1.0.1 is wrong").release.version.patch == 0
        assert publish(kbm, "1.0.1").release.version.patch == 1  # forward again is no rollback


def test_the_pointer_stays_when_live_moved_since_the_comparison(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        first, second, _ = three_releases(kbm, source)
        kbm.publish.run("helper", "1.0.1", who="anna", why="", expected_live=first.digest)

        stale: list[Digest | None] = [first.digest, None]
        for expected in stale:
            with pytest.raises(Busy, match=r"moved meanwhile, to 1\.0\.1"):
                kbm.publish.run("helper", "1.0.2", who="ben", why="", expected_live=expected)

        assert live(kbm) == "1.0.1"
        assert len(actions(kbm)) == 2
        kbm.publish.run("helper", "1.0.2", who="ben", why="", expected_live=second.digest)
        assert live(kbm) == "1.0.2"


def test_the_same_number_with_another_content_is_impossible(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        made = build(kbm)
        members = kbm.catalogue.releases.members("helper", made.seq)

        with pytest.raises(IntegrityError):
            kbm.catalogue.releases.add(replace(made, seq=2, digest=Digest("f" * 64)), list(members)[:1])

        assert kbm.catalogue.releases.get("helper", "1.0.0").digest == made.digest
        assert kbm.catalogue.releases.members("helper", made.seq) == members


def at_once(*works: Callable[[], object]) -> list[KbmError | None]:
    """Run all at the same moment, each in a thread of its own; give what each one raised."""
    gate, ended = threading.Barrier(len(works)), [KbmError("did not end") for _ in works]
    found: list[KbmError | None] = list(ended)

    def run(n: int, work: Callable[[], object]) -> None:
        gate.wait()
        try:
            work()
        except KbmError as error:
            found[n] = error
        else:
            found[n] = None

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


def assert_one_line(kbm: Kbm, folder: Path) -> None:
    """Check that pointers, states, moves and log tell one story."""
    with sqlite3.connect(folder / ".kbm" / "catalogue.db") as connection:
        moves = connection.execute("SELECT from_version, to_version FROM pointer_move ORDER BY id").fetchall()
    previous = kbm.catalogue.releases.previous("helper")
    states = [str(one.version) for one in kbm.catalogue.releases.all("helper") if one.state == "live"]
    assert [one for one, _ in moves] == [None, *(to for _, to in moves[:-1])]
    assert states == [live(kbm)] == [moves[-1][1]]
    assert previous is not None
    assert str(previous.version) == moves[-1][0]
    assert len(actions(kbm)) == len(moves)
    assert kbm.catalogue.audit.verify().broken is None


def test_of_two_that_publish_at_once_one_gets_through(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm, kbm_over(tmp_path, source) as other:
        first, *_ = three_releases(kbm, source)
        assert live(other) == "1.0.0"

        ended = at_once(
            lambda: kbm.publish.run("helper", "1.0.1", who="anna", why="", expected_live=first.digest),
            lambda: other.publish.run("helper", "1.0.2", who="ben", why="", expected_live=first.digest),
        )

        assert sorted(type(one).__name__ for one in ended) == ["Busy", "NoneType"]
        assert live(kbm) == ("1.0.1" if ended[0] is None else "1.0.2")
        assert_one_line(kbm, tmp_path)


def test_publishing_while_somebody_rolls_back_ends_in_one_of_both(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm, kbm_over(tmp_path, source) as other:
        _, second, _ = three_releases(kbm, source)
        kbm.publish.run("helper", "1.0.1", who="anna", why="")
        assert live(other) == "1.0.1"

        ended = at_once(
            lambda: kbm.publish.run("helper", "1.0.2", who="night", why="", expected_live=second.digest),
            lambda: other.publish.roll_back("helper", to=None, who="ben", reason="31 is wrong"),
        )

        # A rollback that begins after the publish goes back from that one, and both get through.
        assert [type(one) for one in ended] in ([type(None), Busy], [Busy, type(None)], [type(None)] * 2)
        assert live(kbm) in ("1.0.0", "1.0.1", "1.0.2")
        assert_one_line(kbm, tmp_path)


def test_a_rollback_is_logged_as_one(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        three_releases(kbm, source)
        kbm.publish.run("helper", "1.0.1", who="anna", why="newer")

        kbm.publish.roll_back("helper", to=None, who="anna", reason="31 is wrong")

        assert actions(kbm)[-1] == ("rollback", "31 is wrong")
        assert live(kbm) == "1.0.0"


TOML = ONE_FOLDER_TOML.replace(
    'owner = "owner@test.example"', 'owner = "owner@test.example", sponsor = "thomas@test.example"'
)


def test_the_command_line_holds_with_3_and_lets_the_sponsor_through(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "kbm.toml").write_text(TOML)
    (tmp_path / "docs" / "leave.txt").write_text(PAGES["leave.txt"])

    def kbm(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["--config", str(tmp_path / "kbm.toml"), *arguments])
        return result.exit_code, result.stdout

    kbm("sync")
    kbm("build", "helper")
    kbm("golden", "add", "helper", "How many days of leave?", "--expect", "docs:pool.txt", "--critical")
    held, told = kbm("publish", "helper", "1.0.0", "--json")
    refused, _ = kbm("publish", "helper", "1.0.0", "--override", "because", "--as", "anna@test.example")
    done, published = kbm(
        "publish", "helper", "1.0.0", "--override", "no <pool> yet", "--as", SPONSOR, "--json"
    )
    notes = {
        form: kbm("release-notes", "helper", "1.0.0", "--format", form, "--language", "en")[1]
        for form in ("md", "html", "json")
    }

    assert (held, refused, done) == (3, 2, 0)
    assert "critical question q1" in json.loads(told)["error"]["detail"]
    assert json.loads(published)["override"]["as"] == SPONSOR
    assert json.loads(published)["gate_report"]["verdict"] == "fail"
    assert "### Released in spite of its gate" in notes["md"]
    assert "no &lt;pool&gt; yet" in notes["html"]
    assert json.loads(notes["json"])["override"]["reason"] == "no <pool> yet"
    assert "fail, overridden" in kbm("releases", "helper")[1]
