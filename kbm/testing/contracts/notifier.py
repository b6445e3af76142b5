"""What every notifier must keep. Needs the fixtures ``notifier``, ``received`` and ``unreachable``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kbm.domain.report import Report
from kbm.errors import ConfigError, NotificationFailed
from kbm.ports import Notifier

REPORT = Report(
    id="2026-11-02-17",
    language="de",
    subject="kbm, Größe & Söhne <GmbH>, Nacht zum 2026-11-02: alles in Ordnung",
    lines=(("Geändert", "Dokumente neu: 3 – „Preise“"), ("Wartet", "nichts")),
    markdown="# Nacht\n\n- **Geändert**: Dokumente neu: 3 – „Preise“\n.\n.. ein Punkt am Anfang\n",
    html='<!doctype html>\n<html lang="de"><body><p>Dokumente neu: 3 – „Preise“</p></body></html>\n',
    data={"id": "2026-11-02-17", "outcome": "done", "exit_code": 0},
)
"""A report with everything that is easily lost on the way: umlauts, quotes, markup, lines that begin with a dot."""


class NotifierContract:
    """Inherit it and define the fixtures.

    ``notifier`` reaches a receiver, ``received`` gives what that got as text, one entry for each report, and
    ``unreachable`` is a notifier whose receiver is not there.
    """

    def test_it_says_its_name(self, notifier: Notifier) -> None:
        assert notifier.name

    def test_a_report_arrives_once_and_whole(
        self, notifier: Notifier, received: Callable[[], list[str]]
    ) -> None:
        notifier.send(REPORT)

        [text] = received()
        assert "Dokumente neu: 3 – „Preise“" in text
        assert "Größe & Söhne <GmbH>" in text

    def test_two_reports_arrive_one_after_the_other(
        self, notifier: Notifier, received: Callable[[], list[str]]
    ) -> None:
        notifier.send(REPORT)
        notifier.send(REPORT)

        assert len(received()) == 2

    def test_a_receiver_that_is_not_there_is_an_error_of_kbm(self, unreachable: Notifier) -> None:
        with pytest.raises((NotificationFailed, ConfigError)) as failed:
            unreachable.send(REPORT)

        assert str(failed.value)


__all__ = ["REPORT", "NotifierContract"]
