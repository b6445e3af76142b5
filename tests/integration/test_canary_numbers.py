"""Which number a canary gets when everybody gets it."""

from __future__ import annotations

from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.domain.canary import Audience
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
        start(kbm, str(newest.version))

        promoted = kbm.canary.promote("helper", max_drop=0.03, who="anna", why="", progress=NoProgress())

        assert newest.version.rc == 2
        assert (promoted.version.rc, promoted.digest) == (None, newest.digest)
        assert kbm.retrieve.release_of("helper").version == promoted.version
