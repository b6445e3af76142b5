"""The report of a night: kept, sent once, whatever goes wrong on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import structlog

from kbm.bootstrap import Kbm
from kbm.domain.report import Report
from kbm.errors import NotificationFailed
from kbm.providers.webhook import Webhook
from kbm.sections import ReportSection
from kbm.services.nightly import Night
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress
from tests.integration.receivers import Answer, Hook, Mailbox, serving


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    server = Mailbox()
    with serving(server):
        yield server


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    with serving(server):
        yield server


class Noted:
    """A notifier that keeps what it got, or raises."""

    name: ClassVar[str] = "noted"

    def __init__(self, error: Exception | None = None) -> None:
        self.got: list[Report] = []
        self._error = error

    def send(self, report: Report) -> None:
        if self._error:
            raise self._error
        self.got.append(report)


def a_night(kbm: Kbm) -> tuple[Night, int]:
    with kbm.working("nightly", "helper") as job:
        night = kbm.nightly.run(
            [kbm.source_to_sync("docs")],
            [(kbm.gpt_to_build("helper"), kbm.night_policy("helper"))],
            NoProgress(),
            configured=kbm.settings.sources,
            who="night",
        )
    return night, job


def test_a_notifier_that_fails_stops_no_other_and_is_told_in_the_report(tmp_path: Path) -> None:
    good = Noted()
    broken = {
        "down": lambda: Noted(NotificationFailed("the room is full")),
        "odd": lambda: Noted(RuntimeError("a plug-in's own fault")),
    }
    with kbm_over(tmp_path, FakeConnector(items={"a.txt": "Leave is 30 days."})) as kbm:
        night, job = a_night(kbm)
        before = night.exit_code

        told = replace(kbm.report, notifiers={**broken, "good": lambda: good}).run(night, job)

        assert [one.id for one in good.got] == [f"2026-11-02-{job}"]
        assert night.exit_code == before == 0
        assert told.problems == ("down: the room is full", "odd: RuntimeError: a plug-in's own fault")
        assert told.path is not None
        kept = told.path.read_text(encoding="utf-8")
        assert "the room is full" in kept
        deliveries = json.loads(told.path.with_suffix(".json").read_text(encoding="utf-8"))["deliveries"]
        assert [one["by"] for one in deliveries] == ["down", "odd", "good"]


def test_a_report_of_the_same_job_is_not_sent_twice(tmp_path: Path) -> None:
    receiver = Noted()
    with kbm_over(tmp_path, FakeConnector(items={"a.txt": "Leave is 30 days."})) as kbm:
        night, job = a_night(kbm)
        report = replace(kbm.report, notifiers={"noted": lambda: receiver})
        report.run(night, job)
        report.run(night, job)

    assert len(receiver.got) == 1


def test_a_disk_that_takes_no_report_does_not_keep_it_from_being_sent(tmp_path: Path) -> None:
    receiver = Noted()
    with kbm_over(tmp_path, FakeConnector(items={"a.txt": "Leave is 30 days."})) as kbm:
        night, job = a_night(kbm)
        (kbm.settings.data_dir / "reports").write_text("a file in the place of the folder")
        told = replace(kbm.report, notifiers={"noted": lambda: receiver}).run(night, job)

    assert len(receiver.got) == 1
    assert told.path is None
    assert "could not be written" in told.problems[0]


def test_questions_and_addresses_stay_out_of_the_log(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [Answer(404)]
    sender = Webhook(ReportSection(webhook=hook.url).model_dump(), tmp_path)
    with (
        structlog.testing.capture_logs() as logs,
        kbm_over(tmp_path, FakeConnector(items={"a.txt": "Leave."})) as kbm,
    ):
        night, job = a_night(kbm)
        replace(
            kbm.report,
            notifiers={"webhook": lambda: sender},
        ).run(night, job)

    assert {"event": "report_not_sent", "by": "webhook", "why": "notification_failed"}.items() <= next(
        one for one in logs if one["event"] == "report_not_sent"
    ).items()
    assert "s3cret-part" not in str(logs)


TOML = """\
[kbm]
name = "Test company"
languages = ["fr", "en"]
embedder = "none"

[sources.docs]
kind = "files"
url = "./docs"
readers = ["everyone"]

[gpts.helper]
title = "Helper"
sources = ["docs"]
people = {{ owner = "owner@test.example" }}

[report]
mail_to = ["it@test.example"]
smtp = "{mail}"
webhook = "{hook}"

[report.also.pigeon]
loft = "north"
"""


def nightly(folder: Path, mailbox: Mailbox, hook: Hook, fault: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs/leave.txt").write_text("Employees get 30 days of leave a year.")
    (folder / "kbm.toml").write_text(TOML.format(mail=mailbox.url, hook=hook.url))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KBM_")}
    return subprocess.run(
        [sys.executable, "-m", "kbm", "nightly"],
        cwd=folder,
        env=environment | ({"KBM_FAULT": fault} if fault else {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_night_writes_and_sends_its_report(tmp_path: Path, mailbox: Mailbox, hook: Hook) -> None:
    hook.answers = [Answer(404)]
    ran = nightly(tmp_path, mailbox, hook)

    assert ran.returncode == 0, ran.stderr
    assert "webhook: the webhook at 127.0.0.1 did not take the report: it answered 404" in ran.stderr
    assert "no notifier named 'pigeon'" in ran.stderr
    assert "sent by mail" in ran.stdout
    plain = mailbox.messages[0].get_body(("plain",))
    assert plain is not None
    assert "publié : helper 1.0.0" in plain.get_content()
    assert hook.bodies[0]["published"] == ["helper 1.0.0"]
    assert sorted(path.suffix for path in (tmp_path / ".kbm/reports").iterdir()) == [
        ".html",
        ".json",
        ".md",
        ".sent",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ("report.write:before:kill", 0),
        ("report.write:after:kill", 0),
        ("report.send:before:kill", 0),
        ("report.send:after:kill", 1),
    ],
)
def test_a_night_killed_at_its_report_is_released_and_nobody_hears_of_it_twice(
    tmp_path: Path, mailbox: Mailbox, hook: Hook, fault: str, sent: int
) -> None:
    killed = nightly(tmp_path, mailbox, hook, fault)
    assert killed.returncode == -9
    assert len(mailbox.messages) == sent

    again = nightly(tmp_path, mailbox, hook)

    assert again.returncode == 0, again.stderr
    assert "helper 1.0.0 is up to date" in again.stdout
    assert len({one["Message-ID"] for one in mailbox.messages}) == len(mailbox.messages) == sent + 1
    assert len(hook.bodies) == 1


@pytest.mark.parametrize("fault", ["report.write:before:ENOSPC", "report.send:before:EIO"])
def test_a_fault_of_the_disk_at_the_report_leaves_the_night_done(
    tmp_path: Path, mailbox: Mailbox, hook: Hook, fault: str
) -> None:
    ran = nightly(tmp_path, mailbox, hook, fault)

    assert ran.returncode == 0, ran.stderr
    assert "report:" in ran.stderr
    assert "Traceback" not in ran.stderr
