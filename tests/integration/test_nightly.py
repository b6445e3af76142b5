"""Nights over sources in memory: what goes out by itself, what waits, and canaries that follow the newest content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.answers import Verdict
from kbm.domain.canary import Audience
from kbm.domain.evaluation import GoldenQuestion
from kbm.errors import HeldForPerson, IndexDamaged, UsageError
from kbm.services.build import GptToBuild
from kbm.services.nightly import GptNight, NightPolicy
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder, NoProgress

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "press.txt": "The press holds 40 tons and weighs 900 kilograms.",
}
ASKED = "How many days of leave do employees get a year?"
SALES = Caller(readers=frozenset({"everyone", "group:sales"}))


def night(kbm: Kbm, *gpts: GptToBuild, policy: NightPolicy | None = None) -> GptNight:
    todo = [(one, policy or NightPolicy()) for one in gpts or (kbm.gpt_to_build("helper"),)]
    sources = [kbm.source_to_sync(name) for name in kbm.settings.sources]
    done = kbm.nightly.run(sources, todo, NoProgress(), configured=kbm.settings.sources, who="night")
    return done.gpts[0]


def other_rules(kbm: Kbm) -> GptToBuild:
    gpt = kbm.gpt_to_build("helper")
    return replace(gpt, answer_spec=replace(gpt.answer_spec, instructions="Answer shortly."))


def test_a_changed_rule_waits_while_the_live_line_is_still_refreshed(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        source.items["leave.txt"] = "Employees get 31 days of leave a year."

        found = night(kbm, other_rules(kbm))

        assert found.live == "1.0.1"
        assert found.change_set is not None
        assert str(found.change_set.build.release.version) == "2.0.0"
        assert found.change_set.held
        assert "31 days" in kbm.ask.run("helper", ASKED, Caller()).text


def test_a_night_without_change_builds_nothing_even_beside_a_waiting_change_set(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES)), embedder=embedder) as kbm:
        night(kbm)
        night(kbm, other_rules(kbm))
        before = embedder.n_embedded

        found = night(kbm, other_rules(kbm))

        assert [step.build.built for step in found.steps] == [False, False]
        assert len(kbm.catalogue.releases.all("helper")) == 2
        assert (
            embedder.n_embedded <= before + 20
        )  # the gate asks passages on themselves; nothing else is embedded


def test_after_a_rollback_no_night_publishes_until_a_person_does(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        source.items["leave.txt"] = "Employees get 99 days of leave a year."
        night(kbm)
        kbm.publish.roll_back("helper", to=None, who="anna", reason="99 is wrong")

        again = night(kbm)
        source.items["press.txt"] = "The press holds 50 tons."
        later = night(kbm)

        assert (again.live, later.live) == ("1.0.0", "1.0.0")
        assert any("anna rolled back from 1.0.1" in why for step in later.steps for why in step.held)


@pytest.mark.parametrize("what", ["rel-*", "seg-*"])
def test_a_night_mends_the_index_of_live_before_anything_else(tmp_path: Path, what: str) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
    for path in (tmp_path / ".kbm" / "index").rglob(what):
        path.unlink()
    with kbm_over(tmp_path, source) as kbm:
        with pytest.raises(IndexDamaged) as raised:
            kbm.ask.run("helper", ASKED, Caller())

        found = night(kbm)

        assert "doctor --fix" in raised.value.hint
        assert found.error is None
        assert "30 days" in kbm.ask.run("helper", ASKED, Caller()).text


def test_nothing_goes_out_by_itself_in_a_freeze(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source, clock=FakeClock()) as kbm:
        night(kbm)
        source.items["leave.txt"] = "Employees get 31 days of leave a year."

        found = night(kbm, policy=NightPolicy(freeze=("11-01/11-30",)))

        assert found.live == "1.0.0"
        assert found.waits


def test_a_minor_goes_with_the_train_and_waits_on_other_days(tmp_path: Path) -> None:
    docs, wiki = FakeConnector(items=dict(PAGES)), FakeConnector()
    with kbm_over(tmp_path, {"docs": docs, "wiki": wiki}, clock=FakeClock()) as kbm:  # a Monday
        night(kbm)
        wiki.items["page.txt"] = "The wiki has a page on presses."

        waiting = night(kbm, policy=NightPolicy(train="tue"))
        gone = night(kbm, policy=NightPolicy(train="mon"))

        assert (waiting.live, gone.live) == ("1.0.0", "1.1.0")


def test_one_gpt_that_fails_leaves_the_next_its_night(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source, gpts={"one": ["docs"], "two": ["docs"]}) as kbm:
        todo = [
            (replace(kbm.gpt_to_build("one"), sources=("none",)), NightPolicy()),
            (kbm.gpt_to_build("two"), NightPolicy()),
        ]
        sources = [kbm.source_to_sync("docs")]

        done = kbm.nightly.run(sources, todo, NoProgress(), configured=["docs"], who="night")

        assert done.gpts[0].error is not None
        assert done.gpts[1].live == "1.0.0"
        assert done.exit_code == 1


def start(kbm: Kbm, version: str, audience: str = "group:sales") -> None:
    kbm.canary.start(
        "helper",
        version,
        Audience.parse(audience),
        max_drop=0.03,
        who="anna",
        why="try",
        progress=NoProgress(),
    )


def test_only_the_audience_gets_a_canary_and_it_says_so(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        night(kbm)
        night(kbm, other_rules(kbm))
        start(kbm, "2.0.0")

        sales, others = kbm.ask.run("helper", ASKED, SALES), kbm.ask.run("helper", ASKED, Caller())

        assert (sales.release, sales.canary) == ("2.0.0", True)
        assert (others.release, others.canary) == ("1.0.0", False)


def test_a_canary_follows_each_night_and_promoting_it_loses_nothing(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        night(kbm, other_rules(kbm))
        start(kbm, "2.0.0")
        source.items["leave.txt"] = "Employees get 31 days of leave a year."
        second = night(kbm, other_rules(kbm))
        source.items["leave.txt"] = "Employees get 32 days of leave a year."
        third = night(kbm, other_rules(kbm))
        digest = kbm.catalogue.releases.get("helper", "2.0.1-rc.3").digest

        made = kbm.canary.promote("helper", max_drop=0.03, who="anna", why="good", progress=NoProgress())

        assert (second.live, second.canary) == ("1.0.1", "2.0.1-rc.2")
        assert (third.live, third.canary) == ("1.0.2", "2.0.1-rc.3")
        assert made.digest == digest
        assert made.version.rc is None
        assert made.answer_spec.instructions == "Answer shortly."
        answer = kbm.ask.run("helper", ASKED, Caller())
        assert "32 days" in answer.text
        assert not answer.canary
        assert kbm.catalogue.canaries.running("helper") is None


def test_three_problems_stop_a_canary_at_once(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        night(kbm)
        night(kbm, other_rules(kbm))
        start(kbm, "2.0.0", "100%")
        answers = [kbm.ask.run("helper", f"{ASKED} {n}", Caller()) for n in range(3)]

        for one in answers:
            kbm.ask.feedback(one.id, Verdict.PROBLEM, None)

        assert kbm.ask.run("helper", ASKED, Caller()).release == "1.0.0"
        assert kbm.catalogue.audit.entries()[-1].action == "canary-stopped"


def test_a_canary_whose_files_are_gone_lets_live_answer_and_ends(tmp_path: Path) -> None:
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        night(kbm)
        night(kbm, other_rules(kbm))
        start(kbm, "2.0.0", "100%")
    for path in (tmp_path / ".kbm" / "index").rglob("rel-2.*"):
        path.unlink()
    with kbm_over(tmp_path, FakeConnector(items=dict(PAGES))) as kbm:
        answers = [kbm.ask.run("helper", ASKED, Caller()).release for _ in range(4)]

        assert answers == ["1.0.0"] * 4
        assert kbm.catalogue.canaries.running("helper") is None


def test_a_canary_that_answers_less_of_the_last_weeks_questions_does_not_start(tmp_path: Path) -> None:
    docs = FakeConnector(items={f"{n}.txt": f"The pump number {n} delivers {n}00 litres." for n in range(8)})
    wiki = FakeConnector(items={"canteen.txt": "The canteen opens at noon."})
    with kbm_over(tmp_path, {"docs": docs, "wiki": wiki}) as kbm:
        night(kbm)
        for n in range(8):
            assert kbm.ask.run(
                "helper", f"How many litres does pump number {n} deliver?", Caller()
            ).outcome.shown
        without_pumps = replace(kbm.gpt_to_build("helper"), sources=("wiki",))
        made = kbm.build.run(without_pumps, NoProgress()).release

        with pytest.raises(HeldForPerson, match="8 are no longer answered"):
            start(kbm, str(made.version))

        assert kbm.catalogue.canaries.running("helper") is None


def test_a_candidate_that_fails_the_gate_starts_no_canary(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        question = GoldenQuestion(
            id="leave", question=ASKED, expected=("docs:leave.txt",), must_contain=("40 days",), critical=True
        )
        kbm.catalogue.golden.put("helper", [question])
        made = kbm.build.run(other_rules(kbm), NoProgress()).release

        with pytest.raises(HeldForPerson, match="does not pass the gate"):
            start(kbm, str(made.version))


def test_a_second_canary_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    source = FakeConnector(items=dict(PAGES))
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        night(kbm, other_rules(kbm))
        start(kbm, "2.0.0")

        with pytest.raises(UsageError, match="has a canary already"):
            start(kbm, "2.0.0")
