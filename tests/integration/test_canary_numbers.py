"""Which number a canary gets when everybody gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.domain.canary import Audience
from kbm.errors import UsageError
from kbm.services.publish import GatePolicy
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress


def night(kbm: Kbm) -> None:
    with kbm.working("nightly", "helper"):
        kbm.nightly.run(
            [kbm.source_to_sync("docs")],
            [(kbm.gpt_to_build("helper"), kbm.night_policy("helper"))],
            NoProgress(),
            configured=["docs"],
            who="night",
        )


def start(kbm: Kbm, version: str) -> None:
    kbm.canary.start(
        "helper", version, Audience(share=0.5), max_drop=0.03, who="anna", why="try", progress=NoProgress()
    )


def test_a_form_of_a_canary_that_was_stopped_is_promoted_to_its_final_number(tmp_path: Path) -> None:
    source = FakeConnector(items={"leave.txt": "Employees get 30 days of leave a year."})
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        source.items["press.txt"] = "The press holds 40 tons."
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        start(kbm, str(kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release.version))
        source.items["leave.txt"] = "Employees get 31 days of leave a year."
        night(kbm)
        kbm.canary.stop("helper", who="anna", why="not today")
        [newest, *_] = kbm.catalogue.releases.all("helper")
        with pytest.raises(UsageError, match="is a form of a canary") as refused:
            kbm.gated_publish.run(
                "helper", str(newest.version), GatePolicy(max_drop=0.03), NoProgress(), who="anna", why="now"
            )
        start(kbm, str(newest.version))

        promoted = kbm.canary.promote("helper", max_drop=0.03, who="anna", why="", progress=NoProgress())

        assert "kbm canary promote helper" in refused.value.hint
        assert newest.version.rc == 2
        assert (promoted.version.rc, promoted.digest) == (None, newest.digest)
        assert kbm.retrieve.release_of("helper").version == promoted.version


def test_a_canary_that_is_started_again_counts_its_forms_on(tmp_path: Path) -> None:
    source = FakeConnector(items={"leave.txt": "Employees get 30 days of leave a year."})
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        source.items["press.txt"] = "The press holds 40 tons."
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        candidate = str(kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release.version)
        versions = []
        for days in (31, 32):
            start(kbm, candidate)
            source.items["leave.txt"] = f"Employees get {days} days of leave a year."
            night(kbm)
            kbm.canary.stop("helper", who="anna", why="not today")
            versions.append(str(kbm.catalogue.releases.all("helper")[0].version))

        assert versions == ["1.0.2-rc.2", "1.0.2-rc.3"]


def test_a_canary_whose_newest_content_is_that_of_its_first_form_goes_on_with_it(tmp_path: Path) -> None:
    source = FakeConnector(items={"leave.txt": "Employees get 30 days of leave a year."})
    with kbm_over(tmp_path, source) as kbm:
        night(kbm)
        source.items["press.txt"] = "The press holds 40 tons."
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        candidate = str(kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release.version)
        start(kbm, candidate)
        for days in (31, 30, 32):
            source.items["leave.txt"] = f"Employees get {days} days of leave a year."
            night(kbm)
        running = kbm.catalogue.canaries.running("helper")
        newest = kbm.catalogue.releases.all("helper")[0]

        assert running is not None
        assert running.seq == newest.seq
        assert running.rc == newest.version.rc == 3
