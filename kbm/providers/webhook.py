"""The report as JSON to a web address.

Only the host is ever named: the rest of such an address is often its password. Redirects are not followed, because
what is sent names people and documents and goes where a person wrote it should go, or nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import httpx

from kbm.domain.report import Report
from kbm.errors import NotificationFailed
from kbm.ports import NotifierSettings

TIMEOUT_S = 10.0
PAUSES_S = (2.0, 8.0)
"""Waits between the tries, where the receiver names none; one try more than there are waits."""
LONGEST_PAUSE_S = 120.0
"""A receiver that asks for a longer wait is not tried again: the night ends before it."""


class Webhook:
    """Posts the report; tries three times where that may help."""

    name: ClassVar[str] = "webhook"

    def __init__(
        self,
        settings: NotifierSettings,
        root: Path,
        *,
        timeout_s: float = TIMEOUT_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        del root
        self._url = str(settings["webhook"])
        self._host = urlsplit(self._url).hostname or "an address without a host"
        self._timeout_s = timeout_s
        self._pause = pause

    def send(self, report: Report) -> None:
        """Send it, with the five lines once more as ``text``, which chat rooms show.

        Raises:
            NotificationFailed: it was refused, or did not answer three times.
        """
        body = {"text": f"{report.subject}\n{report.text}", **report.data}
        n, why = 0, ""
        with httpx.Client(timeout=self._timeout_s, follow_redirects=False) as client:
            for pause_s in (*PAUSES_S, None):
                n += 1
                why, asked_s = self._try(client, report.id, body)
                if not why:
                    return
                if pause_s is None:
                    break
                wait_s = pause_s if asked_s is None else asked_s
                if wait_s > LONGEST_PAUSE_S:
                    why += f" and asks to wait {wait_s:.0f} s"
                    break
                self._pause(wait_s)
        raise self._failed(f"{why}; tries: {n}")

    def _try(self, client: httpx.Client, id: str, body: object) -> tuple[str, float | None]:
        """Post once; say why it failed, empty if it did not, and the wait the receiver asked for.

        Raises:
            NotificationFailed: no other try would help.
        """
        try:
            # The body of the answer is of no use and could be endless: only its head is read.
            with client.stream("POST", self._url, json=body, headers={"Idempotency-Key": id}) as answer:
                status, asked = answer.status_code, answer.headers.get("Retry-After", "")
        except httpx.TimeoutException:
            return f"no answer within {self._timeout_s:g} s", None
        except httpx.InvalidURL:
            raise self._failed("the address is not valid") from None
        except httpx.TransportError as error:
            return f"no connection ({type(error).__name__})", None
        if 200 <= status < 300:
            return "", None
        if status == 429 or status >= 500:
            return f"it answered {status}", _seconds(asked)
        if 300 <= status < 400:
            raise self._failed(
                f"it answered {status}, a redirect to another address; redirects are not followed"
            )
        raise self._failed(f"it answered {status}")

    def _failed(self, why: str) -> NotificationFailed:
        return NotificationFailed(
            f"the webhook at {self._host} did not take the report: {why}", hint="check report.webhook"
        )


def _seconds(asked: str) -> float | None:
    """Read ``Retry-After``: seconds or a date; None when there is none that can be read."""
    if asked.strip().isdigit():
        return float(asked)
    try:
        then = parsedate_to_datetime(asked)
    except (ValueError, TypeError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)
